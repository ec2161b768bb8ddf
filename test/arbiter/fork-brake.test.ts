import assert from "node:assert/strict";
import { test } from "node:test";

import { ForkBrake } from "../../src/arbiter/fork-brake.ts";
import { WorkerHandle, type WorkerEvent } from "../../src/arbiter/worker-handle.ts";

const MINUTE_MS = 60_000;

/** A worker that has lived through these events, and exited. */
function deadWorker(...events: readonly WorkerEvent[]): WorkerHandle {
  const worker = new WorkerHandle(1, 1);
  for (const event of [...events, "exit"] as const) worker.enter(event);
  return worker;
}

const failedToBoot = (): WorkerHandle => deadWorker("forked");
const diedYoung = (): WorkerHandle => deadWorker("forked", "ready");
const leftInOrder = (): WorkerHandle => deadWorker("forked", "ready", "leave");

/** Pauses after each of these workers, which have all exited at the same time. */
function pausesAfter(workers: readonly WorkerHandle[]): number[] {
  const brake = new ForkBrake();
  const now = performance.now();
  return workers.map((worker) => {
    brake.count(worker, now);
    return brake.pauseMs(now);
  });
}

test("ForkBrake is off while nothing has happened", () => {
  assert.equal(new ForkBrake().pauseMs(), 0);
});

test("ForkBrake lets a few workers that die young be replaced at once, then waits longer each time", () => {
  assert.deepEqual(
    pausesAfter(Array.from({ length: 11 }, diedYoung)),
    [0, 0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
  );
});

test("ForkBrake waits after the first worker that could not boot", () => {
  assert.deepEqual(pausesAfter(Array.from({ length: 4 }, failedToBoot)), [500, 4000, 30_000, 30_000]);
});

test("ForkBrake takes no note of workers that left in order", () => {
  assert.deepEqual(
    pausesAfter(Array.from({ length: 20 }, leftInOrder)),
    Array.from({ length: 20 }, () => 0),
  );
});

test("ForkBrake takes no note of workers that die after they have served for a while", () => {
  const brake = new ForkBrake();
  const worker = diedYoung();
  for (let count = 0; count < 20; count += 1) brake.count(worker, performance.now() + MINUTE_MS);
  assert.equal(brake.pauseMs(), 0);
});

test("ForkBrake counts the time of a worker from when it was ready, not from its fork", () => {
  const brake = new ForkBrake();
  const worker = failedToBoot();
  brake.count(worker, performance.now() + MINUTE_MS);
  assert.equal(brake.pauseMs(performance.now() + MINUTE_MS), 500);
});

test("ForkBrake waits no longer for what happened more than a minute ago", () => {
  const brake = new ForkBrake();
  const now = performance.now();
  for (let count = 0; count < 3; count += 1) brake.count(failedToBoot(), now);
  assert.equal(brake.pauseMs(now + MINUTE_MS), 30_000);
  assert.equal(brake.pauseMs(now + MINUTE_MS + 1), 0);
});

test("ForkBrake begins anew with a worker that dies more than a minute after the last", () => {
  const brake = new ForkBrake();
  const now = performance.now();
  for (let count = 0; count < 3; count += 1) brake.count(failedToBoot(), now);
  brake.count(failedToBoot(), now + MINUTE_MS + 1);
  assert.equal(brake.pauseMs(now + MINUTE_MS + 1), 500);
});
