import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { Deadlines, type Waiting } from "../../src/system/deadlines.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { runProgram } from "../helpers/program.ts";
import { repositoryRoot } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const INTERVAL_MS = 5;

function openDeadlines(t: TestContext): Deadlines {
  const deadlines = new Deadlines(INTERVAL_MS);
  onTeardown(t, () => deadlines.close());
  return deadlines;
}

/** Something that waits, counts its calls and awaits them. */
class Waiter implements Waiting {
  deadlineAt: number;
  readonly calls: number[] = [];
  #onCall: (waiter: Waiter) => void;
  #wake: () => void = () => {};

  constructor(deadlineAt: number, onCall: (waiter: Waiter) => void = () => {}) {
    this.deadlineAt = deadlineAt;
    this.#onCall = onCall;
  }

  onDeadline(now: number): void {
    this.calls.push(now);
    this.#onCall(this);
    this.#wake();
  }

  async waitForCalls(count: number): Promise<void> {
    const wait = async (): Promise<void> => {
      while (this.calls.length < count) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    await withDeadline(wait(), { deadlineMs: ANSWER_DEADLINE_MS, what: `${count} calls of onDeadline()` });
  }
}

/** Two ends of a connection. */
async function openPair(t: TestContext): Promise<{ readonly accepted: Socket; readonly peer: Socket }> {
  const server = createServer();
  onTeardown(t, () => void server.close());
  const path = join(await temporaryFolder(t), "socket");
  server.listen(path);
  await once(server, "listening");
  const peer = connect({ path });
  onTeardown(t, () => void peer.destroy());
  const [[accepted]] = (await Promise.all([once(server, "connection"), once(peer, "connect")])) as [
    [Socket],
    [],
  ];
  return { accepted, peer };
}

/** As a process does that was stopped, or whose machine was. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Resolves when the deadlines were looked at, so many times from now on. */
async function sweeps(deadlines: Deadlines, count: number): Promise<void> {
  const waiter = new Waiter(0);
  const seat = deadlines.add(waiter);
  await waiter.waitForCalls(count);
  deadlines.remove(seat);
}

test("Deadlines that are over when the process goes on after a standstill come behind what has come meanwhile", async (t) => {
  const deadlines = openDeadlines(t);
  const order: string[] = [];
  const { accepted, peer } = await openPair(t);
  accepted.on("data", () => order.push("heard"));
  peer.write("in time");
  const waiter = new Waiter(performance.now(), (called) => {
    order.push("over");
    called.deadlineAt = Infinity;
  });
  deadlines.add(waiter);
  standStill(2 * INTERVAL_MS);
  await waiter.waitForCalls(1);
  assert.deepEqual(order, ["heard", "over"]);
});

test("Deadlines calls what is due, with the time, and not before it is due", async (t) => {
  const deadlines = openDeadlines(t);
  const deadlineAt = performance.now() + 20;
  const waiter = new Waiter(deadlineAt, (called) => (called.deadlineAt = Infinity));
  deadlines.add(waiter);
  await waiter.waitForCalls(1);
  const [now = 0] = waiter.calls;
  assert.ok(now >= deadlineAt && now <= performance.now());
});

test("Deadlines does not call what waits for nothing", async (t) => {
  const deadlines = openDeadlines(t);
  const waiter = new Waiter(Infinity);
  deadlines.add(waiter);
  await sweeps(deadlines, 3);
  assert.deepEqual(waiter.calls, []);
});

test("Deadlines sees a deadline that was set later, or moved", async (t) => {
  const deadlines = openDeadlines(t);
  const waiter = new Waiter(Infinity, (called) => (called.deadlineAt = Infinity));
  deadlines.add(waiter);
  await sweeps(deadlines, 1);
  waiter.deadlineAt = performance.now();
  await waiter.waitForCalls(1);
  waiter.deadlineAt = performance.now() + 60_000;
  await sweeps(deadlines, 3);
  assert.equal(waiter.calls.length, 1);
});

test("Deadlines calls again while a deadline that has passed is not moved", async (t) => {
  const deadlines = openDeadlines(t);
  const waiter = new Waiter(0);
  deadlines.add(waiter);
  await waiter.waitForCalls(3);
});

test("Deadlines calls each of many that are due, once though it was added twice", async (t) => {
  const deadlines = openDeadlines(t);
  const waiters = Array.from(
    { length: 100 },
    () => new Waiter(0, (called) => (called.deadlineAt = Infinity)),
  );
  for (const waiter of [...waiters, ...waiters]) {
    deadlines.add(waiter);
  }
  await waiters.at(-1)?.waitForCalls(1);
  await sweeps(deadlines, 2);
  assert.ok(waiters.every(({ calls }) => calls.length === 1));
});

test("Deadlines.remove() takes out what is due", async (t) => {
  const deadlines = openDeadlines(t);
  const waiter = new Waiter(0);
  const seat = deadlines.add(waiter);
  deadlines.remove(seat);
  deadlines.remove(seat);
  await sweeps(deadlines, 3);
  assert.deepEqual(waiter.calls, []);
});

test("Deadlines lets a call take out others, and itself", async (t) => {
  const deadlines = openDeadlines(t);
  const second = new Waiter(0);
  const first = new Waiter(0, () => {
    deadlines.remove(firstSeat);
    deadlines.remove(secondSeat);
  });
  const secondSeat = deadlines.add(second);
  const firstSeat = deadlines.add(first);
  await first.waitForCalls(1);
  await sweeps(deadlines, 2);
  assert.equal(first.calls.length, 1);
  assert.equal(second.calls.length, 0);
});

test("Deadlines lets a call add another, which is called in its turn", async (t) => {
  const deadlines = openDeadlines(t);
  const second = new Waiter(0, (called) => (called.deadlineAt = Infinity));
  const first = new Waiter(0, () => {
    deadlines.remove(firstSeat);
    deadlines.add(second);
  });
  const firstSeat = deadlines.add(first);
  await second.waitForCalls(1);
});

test("Deadlines.close() ends all calls, and may be called twice", async (t) => {
  const deadlines = openDeadlines(t);
  const other = openDeadlines(t);
  const waiter = new Waiter(0);
  deadlines.add(waiter);
  deadlines.close();
  deadlines.close();
  await sweeps(other, 3);
  assert.deepEqual(waiter.calls, []);
});

const IDLE_PROGRAM = `
const { Deadlines } = await import(process.argv[1]);
new Deadlines(1000).add({ deadlineAt: Infinity, onDeadline: () => {} });
`;

test("Deadlines does not keep a process alive that has nothing else to do", async (t) => {
  const source = join(repositoryRoot, "src/system/deadlines.ts");
  const args = ["--import", "tsx", "--input-type=module", "-e", IDLE_PROGRAM, source];
  const { status, stderr } = await runProgram(t, process.execPath, args);
  assert.equal(status, 0, stderr);
});
