import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import {
  nextWorkerState,
  type WorkerEvent,
  WorkerHandle,
  type WorkerState,
} from "../../src/arbiter/worker-handle.ts";

type Row = Readonly<Record<WorkerEvent, WorkerState | null>>;

/** Every pair of state and event; null: it may not happen. */
const transitions: Readonly<Record<WorkerState, Row>> = {
  // The router may tell of a worker before the mold does.
  forking: { forked: "booting", ready: "ready", leave: null, exit: "exited" },
  booting: { forked: null, ready: "ready", leave: "leaving", exit: "exited" },
  ready: { forked: "ready", ready: "ready", leave: "leaving", exit: "exited" },
  leaving: { forked: null, ready: "leaving", leave: "leaving", exit: "exited" },
  exited: { forked: null, ready: null, leave: null, exit: null },
};

/** The shortest way into each state. */
const ways: Readonly<Record<WorkerState, readonly WorkerEvent[]>> = {
  forking: [],
  booting: ["forked"],
  ready: ["forked", "ready"],
  leaving: ["forked", "ready", "leave"],
  exited: ["forked", "exit"],
};

function workerIn(state: WorkerState): WorkerHandle {
  const worker = new WorkerHandle(7, 2);
  for (const event of ways[state]) {
    worker.enter(event);
  }
  assert.equal(worker.state, state);
  return worker;
}

for (const [state, row] of Object.entries(transitions) as [WorkerState, Row][]) {
  for (const [event, next] of Object.entries(row) as [WorkerEvent, WorkerState | null][]) {
    const outcome = next === null ? `stays so by "${event}"` : `becomes ${next} by "${event}"`;
    test(`WorkerHandle that is ${state} ${outcome}`, () => {
      assert.equal(nextWorkerState(state, event), next);
      const worker = workerIn(state);
      worker.enter(event);
      assert.equal(worker.state, next ?? state);
    });
  }
}

test("WorkerHandle knows its number and generation, and its pid when it is told", () => {
  const worker = new WorkerHandle(7, 2);
  assert.deepEqual([worker.age, worker.generation, worker.pid, worker.wasReady], [7, 2, 0, false]);
  worker.pid = 4121;
  assert.equal(worker.pid, 4121);
});

test("WorkerHandle remembers that the worker was ready", () => {
  const worker = workerIn("ready");
  worker.enter("leave");
  worker.enter("exit");
  assert.equal(worker.wasReady, true);
  assert.equal(workerIn("leaving").wasReady, true);
});

/** Time that passes when the test says so. */
function virtualTime(t: TestContext): { readonly pass: (timeMs: number) => void } {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  return { pass: (timeMs) => t.mock.timers.tick(timeMs) };
}

test("WorkerHandle.limitBoot() calls back when the worker is not ready in time", (t) => {
  const time = virtualTime(t);
  const worker = workerIn("booting");
  let calls = 0;
  worker.limitBoot(1000, () => (calls += 1));
  time.pass(999);
  assert.equal(calls, 0);
  time.pass(1);
  assert.equal(calls, 1);
  time.pass(10_000);
  assert.equal(calls, 1);
});

for (const event of ["ready", "exit"] as const) {
  test(`WorkerHandle.limitBoot() does not call back after "${event}"`, (t) => {
    const time = virtualTime(t);
    const worker = workerIn("booting");
    worker.limitBoot(1000, () => assert.fail("it called back"));
    time.pass(999);
    worker.enter(event);
    time.pass(10_000);
  });
}

test("WorkerHandle.limitBoot() does not call back when the worker was ready before its fork was told", (t) => {
  const time = virtualTime(t);
  const worker = new WorkerHandle(7, 2);
  worker.enter("ready");
  worker.enter("forked");
  worker.limitBoot(1000, () => assert.fail("it called back"));
  time.pass(10_000);
  assert.equal(worker.state, "ready");
});

test("WorkerHandle.limitBoot() of 0 is no limit", (t) => {
  const time = virtualTime(t);
  workerIn("booting").limitBoot(0, () => assert.fail("it called back"));
  time.pass(1_000_000);
});

test("WorkerHandle.limitLife() calls back when the worker does not exit in time, ready or not", (t) => {
  const time = virtualTime(t);
  const worker = workerIn("booting");
  let calls = 0;
  worker.limitLife(1000, () => (calls += 1));
  worker.enter("ready");
  worker.enter("leave");
  time.pass(1000);
  assert.equal(calls, 1);
});

test("WorkerHandle.limitLife() does not call back after the exit", (t) => {
  const time = virtualTime(t);
  const worker = workerIn("ready");
  worker.limitLife(1000, () => assert.fail("it called back"));
  worker.enter("exit");
  time.pass(10_000);
});

test("WorkerHandle.limitLife() of 0 calls back at once, but not before it returns", (t) => {
  const time = virtualTime(t);
  const worker = workerIn("ready");
  let calls = 0;
  worker.limitLife(0, () => (calls += 1));
  assert.equal(calls, 0);
  time.pass(1);
  assert.equal(calls, 1);
});

for (const [first, second] of [
  [30_000, 2000],
  [2000, 30_000],
] as const) {
  test(`WorkerHandle.limitLife() holds to the nearer of two limits: ${first} ms, then ${second} ms`, (t) => {
    const time = virtualTime(t);
    const worker = workerIn("ready");
    let calls = 0;
    worker.limitLife(first, () => (calls += 1));
    worker.limitLife(second, () => (calls += 1));
    time.pass(1999);
    assert.equal(calls, 0);
    time.pass(1);
    assert.equal(calls, 1);
    time.pass(60_000);
    assert.equal(calls, 1);
  });
}

test("WorkerHandle counts the time in which it takes requests from when it was ready first", () => {
  const worker = workerIn("booting");
  assert.equal(worker.readyForMs(performance.now() + 1000), 0);
  worker.enter("ready");
  const later = performance.now() + 60_000;
  const before = worker.readyForMs(later);
  // A clock that stands still would not tell the two apart.
  for (const began = performance.now(); performance.now() === began;);
  worker.enter("ready");
  assert.ok(before > 0);
  assert.equal(worker.readyForMs(later), before);
});

for (const [status, signal, isWell] of [
  [0, null, true],
  [1, null, false],
  [0, "SIGKILL", false],
] as const) {
  test(`WorkerHandle ${isWell ? "has" : "has not"} ended well by status ${status} and signal ${signal}`, () => {
    const worker = workerIn("ready");
    worker.exit(status, signal);
    assert.equal(worker.hasEndedWell, isWell);
  });
}
