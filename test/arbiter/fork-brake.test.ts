import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { ForkBrake } from "../../src/arbiter/fork-brake.ts";
import { WorkerHandle, type WorkerEvent } from "../../src/arbiter/worker-handle.ts";

const MINUTE_MS = 60_000;

/** A worker that was forked at this time, has lived through these events, and exited. */
function deadWorker(createdAt: number, ...events: readonly WorkerEvent[]): WorkerHandle {
  const worker = new WorkerHandle(1, 1, createdAt);
  for (const event of [...events, "exit"] as const) worker.enter(event);
  return worker;
}

const neverReady = (createdAt: number): WorkerHandle => deadWorker(createdAt, "forked");
const diedYoung = (createdAt: number): WorkerHandle => deadWorker(createdAt, "forked", "ready");
const leftInOrder = (createdAt: number): WorkerHandle => deadWorker(createdAt, "forked", "ready", "leave");

/** Pauses after each of so many workers, which have exited one after another. */
function pausesAfter(
  count: number,
  makeWorker: (createdAt: number) => WorkerHandle,
  isOwnFault = true,
): number[] {
  const brake = new ForkBrake();
  const start = performance.now();
  return Array.from({ length: count }, (_, index) => {
    const now = start + index;
    brake.count(makeWorker(now), isOwnFault, now);
    return brake.pauseMs(now);
  });
}

test("ForkBrake is off while nothing has happened", () => {
  assert.equal(new ForkBrake().pauseMs(), 0);
});

test("ForkBrake lets a few workers that die young be replaced at once, then waits longer each time", () => {
  assert.deepEqual(
    pausesAfter(11, diedYoung),
    [0, 0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
  );
});

test("ForkBrake waits after the first worker that could not boot", () => {
  assert.deepEqual(pausesAfter(4, neverReady), [500, 4000, 30_000, 30_000]);
});

test("ForkBrake does not wait for a worker that was killed once or twice while it booted", () => {
  assert.deepEqual(pausesAfter(5, neverReady, false), [0, 0, 500, 1000, 2000]);
});

test("ForkBrake takes workers that were forked together, and die together, for one", () => {
  const brake = new ForkBrake();
  const start = performance.now();
  for (const [now, expected] of [
    [start, 500],
    [start + 10, 4000],
  ] as const) {
    const together = Array.from({ length: 8 }, () => neverReady(now));
    for (const [index, worker] of together.entries()) brake.count(worker, true, now + index);
    assert.equal(brake.pauseMs(now + 8), expected);
  }
});

for (const [when, ownFault] of [
  ["before", 1],
  ["behind it", 0],
] as const) {
  test(`ForkBrake waits for one that could not boot, also if another of its time was killed ${when}`, () => {
    const brake = new ForkBrake();
    const now = performance.now();
    const workers = [neverReady(now), neverReady(now)];
    for (const [index, worker] of workers.entries()) brake.count(worker, index === ownFault, now + index);
    assert.equal(brake.pauseMs(now + 1), 500);
  });
}

test("ForkBrake takes no note of workers that left in order", () => {
  assert.deepEqual(
    pausesAfter(20, leftInOrder),
    Array.from({ length: 20 }, () => 0),
  );
});

test("ForkBrake takes no note of workers that die after they have served for a while", () => {
  const brake = new ForkBrake();
  const now = performance.now() + MINUTE_MS;
  for (let count = 0; count < 20; count += 1) brake.count(diedYoung(now + count), true, now + count);
  assert.equal(brake.pauseMs(), 0);
});

test("ForkBrake counts the time of a worker from when it was ready, not from its fork", () => {
  const brake = new ForkBrake();
  const worker = neverReady(performance.now());
  brake.count(worker, true, performance.now() + MINUTE_MS);
  assert.equal(brake.pauseMs(performance.now() + MINUTE_MS), 500);
});

test("ForkBrake waits no longer for what happened more than a minute ago", () => {
  const brake = new ForkBrake();
  const now = performance.now();
  for (let count = 0; count < 3; count += 1) brake.count(neverReady(now + count), true, now + count);
  assert.equal(brake.pauseMs(now + 2 + MINUTE_MS), 30_000);
  assert.equal(brake.pauseMs(now + 2 + MINUTE_MS + 1), 0);
});

test("ForkBrake begins anew with a worker that dies more than a minute after the last", () => {
  const brake = new ForkBrake();
  const now = performance.now();
  for (let count = 0; count < 3; count += 1) brake.count(neverReady(now + count), true, now + count);
  const later = now + 2 + MINUTE_MS + 1;
  brake.count(neverReady(later), true, later);
  assert.equal(brake.pauseMs(later), 500);
});

/** A brake that is on for half a second of a time that passes when the test says so. */
function braked(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const brake = new ForkBrake();
  brake.count(neverReady(performance.now()), true);
  const told: string[] = [];
  const fork = (): void =>
    brake.fork(
      () => told.push("forked"),
      (pause) => told.push(pause),
    );
  return { brake, told, fork, pass: (timeMs: number) => t.mock.timers.tick(timeMs) };
}

test("ForkBrake.fork() forks at once while nothing has happened", () => {
  let forked = 0;
  new ForkBrake().fork(
    () => (forked += 1),
    () => assert.fail("it told of a pause"),
  );
  assert.equal(forked, 1);
});

test("ForkBrake.fork() forks once after a pause, however many ask meanwhile, and then for whoever asks again", (t) => {
  const { told, fork, pass } = braked(t);
  for (let count = 0; count < 3; count += 1) fork();
  assert.equal(told.length, 1);
  assert.match(told[0] ?? "", /the next follow in 0\.5 s/);
  pass(499);
  assert.equal(told.length, 1);
  pass(1);
  assert.deepEqual(told.slice(1), ["forked"]);
  fork();
  pass(500);
  assert.deepEqual([told.length, told.at(-1)], [4, "forked"]);
});

test("ForkBrake.stop() forks nothing any more", (t) => {
  const { brake, told, fork, pass } = braked(t);
  fork();
  brake.stop();
  pass(60_000);
  assert.equal(told.length, 1);
});
