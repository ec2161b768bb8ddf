import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { FrameType } from "../../src/channel/frame.ts";
import { WorkerChannel } from "../../src/router/worker-channel.ts";
import type { QueueLimits } from "../../src/router/request-queue.ts";
import { WorkerPool } from "../../src/router/worker-pool.ts";
import { Deadlines } from "../../src/system/deadlines.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import {
  END,
  type FakeWorker,
  hello,
  leaving,
  openChannelServer,
  ready,
  READY,
  response,
} from "./fake-worker.ts";
import { limitsOf, receiveRequest, recordingListener, submit } from "./pooled.ts";
import { Recording } from "./recording.ts";

interface OpenedPool {
  readonly pool: WorkerPool;
  /** What the pool told its router. */
  readonly told: Recording;
  /** In the order in which they were dialled. */
  readonly channels: readonly WorkerChannel[];
  /** A worker that has dialled and said nothing yet. */
  readonly dial: () => Promise<FakeWorker>;
  /** A worker that is idle. */
  readonly boot: (worker: number, generation?: number) => Promise<FakeWorker>;
  /** Lets all deadlines pass that are due at this time. */
  readonly passDeadlines: (now: number) => void;
}

/** A pool whose active generation is 1 and whose deadlines fire only when a test calls for them. */
async function openPool(t: TestContext, limits: Partial<QueueLimits> = {}): Promise<OpenedPool> {
  const deadlines = new Deadlines(60_000);
  onTeardown(t, () => deadlines.close());
  const told = new Recording();
  const pool = new WorkerPool({
    generation: 1,
    deadlines,
    limits: limitsOf(limits),
    listener: recordingListener(told),
  });
  const channels: WorkerChannel[] = [];
  const { dial } = await openChannelServer(t, (socket) => {
    const channel = new WorkerChannel({ socket, deadlines, listener: pool, timeoutMs: () => 0 });
    channels.push(channel);
    pool.add(channel);
  });
  const boot = async (worker: number, generation = 1): Promise<FakeWorker> => {
    const dialled = await dial();
    dialled.send(hello(worker, generation), ready);
    await told.waitFor(`ready ${worker}`);
    return dialled;
  };
  return { pool, told, channels, dial, boot, passDeadlines: (now) => deadlines.sweep(now) };
}

/** The target of the request that the worker is given next. */
async function receiveTarget(worker: FakeWorker): Promise<string> {
  const [, target] = await receiveRequest(worker);
  return target;
}

async function receiveDrain(worker: FakeWorker): Promise<void> {
  assert.equal((await worker.receive()).type, FrameType.drain);
}

test("WorkerPool gives a request to the worker that has been idle the longest", async (t) => {
  const { pool, boot } = await openPool(t);
  const first = await boot(1);
  const second = await boot(2);
  submit(pool, "/a");
  assert.equal(await receiveTarget(first), "/a");
  first.send(response(1, "", END | READY));
  submit(pool, "/b");
  assert.equal(await receiveTarget(second), "/b");
  submit(pool, "/c");
  assert.equal(await receiveTarget(first), "/c");
});

test("WorkerPool keeps requests in their order until a worker is idle", async (t) => {
  const { pool, boot } = await openPool(t);
  submit(pool, "/a");
  submit(pool, "/b");
  assert.equal(pool.waiting, 2);
  const worker = await boot(1);
  assert.equal(await receiveTarget(worker), "/a");
  submit(pool, "/c");
  assert.equal(pool.waiting, 2);
  worker.send(response(1, "", END | READY));
  assert.equal(await receiveTarget(worker), "/b");
  worker.send(response(2, "", END), ready);
  assert.equal(await receiveTarget(worker), "/c");
  assert.equal(pool.waiting, 0);
});

test("WorkerPool lets no request wait behind a busy worker while another is idle", async (t) => {
  const { pool, boot } = await openPool(t);
  const slow = await boot(1);
  const quick = await boot(2);
  submit(pool, "/slow");
  assert.equal(await receiveTarget(slow), "/slow");
  for (let stream = 1; stream <= 5; stream += 1) {
    const request = submit(pool, `/quick-${stream}`);
    assert.equal(await receiveTarget(quick), `/quick-${stream}`);
    quick.send(response(stream, "hi", END | READY));
    await request.events.waitFor("response 200 hi (end)");
  }
});

test("WorkerPool does not start a request whose client has gone while it waited", async (t) => {
  const { pool, boot } = await openPool(t);
  const gone = submit(pool, "/gone");
  submit(pool, "/stays");
  pool.cancel(gone);
  const worker = await boot(1);
  assert.equal(await receiveTarget(worker), "/stays");
  assert.deepEqual(gone.lines, []);
});

test("WorkerPool tells of a worker once, when it is idle for the first time", async (t) => {
  const { pool, told, boot } = await openPool(t);
  const worker = await boot(1);
  const request = submit(pool, "/");
  await receiveTarget(worker);
  worker.send(response(1, "hi", END | READY));
  await request.events.waitFor("response 200 hi (end)");
  await boot(2);
  assert.deepEqual(told.lines, ["dialled 1", "ready 1", "dialled 2", "ready 2"]);
});

test("WorkerPool refuses a request beyond the queue's size, and takes one again when there is room", async (t) => {
  const { pool, boot } = await openPool(t, { queuedRequests: 2 });
  const [first, second, third] = ["/1", "/2", "/3"].map((target) => submit(pool, target));
  assert.deepEqual([first?.lines, second?.lines, third?.lines], [[], [], ["failure overloaded"]]);
  const worker = await boot(1);
  assert.equal(await receiveTarget(worker), "/1");
  assert.deepEqual(submit(pool, "/4").lines, []);
  assert.deepEqual(submit(pool, "/5").lines, ["failure overloaded"]);
});

test("WorkerPool counts no request of a client that has gone as waiting", async (t) => {
  const { pool } = await openPool(t, { queuedRequests: 2 });
  for (const target of ["/gone-1", "/gone-2"]) {
    pool.cancel(submit(pool, target));
  }
  assert.deepEqual(submit(pool, "/stays").lines, []);
});

test("WorkerPool gives a request to an idle worker though the queue may hold none", async (t) => {
  const { pool, boot } = await openPool(t, { queuedRequests: 0 });
  const worker = await boot(1);
  submit(pool, "/a");
  assert.equal(await receiveTarget(worker), "/a");
  assert.deepEqual(submit(pool, "/b").lines, ["failure overloaded"]);
});

test("WorkerPool gives up the requests that have waited too long, and those alone", async (t) => {
  const { pool, boot, passDeadlines } = await openPool(t, { queueMs: 1000 });
  const [old, gone, young] = [5000, 5400, 5600].map((time) => submit(pool, `/${time}`, time));
  passDeadlines(5999);
  assert.deepEqual(old?.lines, []);
  if (gone !== undefined) {
    pool.cancel(gone);
  }
  passDeadlines(6500);
  assert.deepEqual([old?.lines, gone?.lines, young?.lines], [["failure overloaded"], [], []]);
  assert.equal(pool.waiting, 1);
  const worker = await boot(1);
  assert.equal(await receiveTarget(worker), "/5600");
  passDeadlines(6600);
  assert.deepEqual(young?.lines, ["started by 4001"]);
});

test("WorkerPool has a deadline again for a request that waits after all others were started", async (t) => {
  const { pool, boot, passDeadlines } = await openPool(t, { queueMs: 1000 });
  submit(pool, "/a", 5000);
  const worker = await boot(1);
  await receiveTarget(worker);
  const waiting = submit(pool, "/b", 9000);
  passDeadlines(9999);
  assert.deepEqual(waiting.lines, []);
  passDeadlines(10_000);
  assert.deepEqual(waiting.lines, ["failure overloaded"]);
});

test("WorkerPool gives a dead worker's place to none: its request fails, the queue waits for another", async (t) => {
  const { pool, told, boot } = await openPool(t);
  const dying = await boot(1);
  const request = submit(pool, "/killer");
  submit(pool, "/next");
  await receiveTarget(dying);
  dying.destroy();
  await told.waitFor("lost 1 with /killer");
  assert.deepEqual(request.lines, ["started by 4001", "failure worker-died"]);
  assert.equal(pool.waiting, 1);
  const worker = await boot(2);
  assert.equal(await receiveTarget(worker), "/next");
});

test("WorkerPool gives no request to an idle worker that has died", async (t) => {
  const { pool, told, boot } = await openPool(t);
  const dying = await boot(1);
  const other = await boot(2);
  dying.destroy();
  await told.waitFor("lost 1 with nothing");
  submit(pool, "/a");
  assert.equal(await receiveTarget(other), "/a");
  submit(pool, "/b");
  assert.equal(pool.waiting, 1);
});

/** So many threads of worker 1 are known. */
async function untilReady(told: Recording, count: number): Promise<void> {
  await untilTrue(() => told.lines.filter((line) => line === "ready 1").length === count, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: () => told.lines.join(),
  });
}

test("WorkerPool takes a worker with several threads for lost with the last of their channels", async (t) => {
  const { told, boot } = await openPool(t);
  const threads = [await boot(1), await boot(1)];
  await untilReady(told, 2);
  for (const thread of threads) thread.destroy();
  await told.waitFor("lost 1 with nothing");
  await boot(2);
  assert.equal(told.lines.filter((line) => line.startsWith("lost")).length, 1, told.lines.join());
});

test("WorkerPool takes a worker with several threads for lost with the first that takes a request to its grave", async (t) => {
  const { pool, told, boot } = await openPool(t);
  const dying = await boot(1);
  submit(pool, "/killer");
  await receiveTarget(dying);
  await boot(1);
  await untilReady(told, 2);
  dying.destroy();
  await told.waitFor("lost 1 with /killer");
});

test("WorkerPool says nothing of a connection that ends before it has said who it is", async (t) => {
  const { told, dial, boot } = await openPool(t);
  const stranger = await dial();
  stranger.send(Buffer.alloc(16, 0xff));
  await stranger.waitForEnd();
  await boot(1);
  assert.deepEqual(
    told.lines.filter((line) => line.startsWith("lost")),
    [],
  );
});

test("WorkerPool passes on that a worker wants to leave, broke the protocol, or took too long", async (t) => {
  const { pool, told, channels, boot } = await openPool(t);
  const worker = await boot(1);
  worker.send(leaving);
  await told.waitFor("leaving 1");
  const breaker = await boot(2);
  breaker.send(ready);
  await told.waitFor("ERR_PROTOCOL by 2");
  await told.waitFor("lost 2 with nothing");
  submit(pool, "/slow");
  await receiveTarget(worker);
  channels[0]?.onDeadline();
  assert.equal(told.lines.at(-1), "timeout 1 of /slow");
});

test("WorkerPool.retireWorker() tells that worker to leave and no other", async (t) => {
  const { pool, boot } = await openPool(t);
  const leaving = await boot(1);
  const staying = await boot(2);
  pool.retireWorker(1);
  await receiveDrain(leaving);
  submit(pool, "/a");
  assert.equal(await receiveTarget(staying), "/a");
  submit(pool, "/b");
  assert.equal(pool.waiting, 1);
});

test("WorkerPool.retireWorker() lets a busy worker answer first", async (t) => {
  const { pool, boot } = await openPool(t);
  const worker = await boot(1);
  const request = submit(pool, "/a");
  submit(pool, "/b");
  await receiveTarget(worker);
  pool.retireWorker(1);
  worker.send(response(1, "hi", END | READY));
  await receiveDrain(worker);
  await request.events.waitFor("response 200 hi (end)");
  assert.equal(pool.waiting, 1);
});

test("WorkerPool gives no request to a generation that is not active yet", async (t) => {
  const { pool, boot } = await openPool(t);
  const older = await boot(1, 1);
  await boot(2, 2);
  submit(pool, "/a");
  submit(pool, "/b");
  assert.equal(await receiveTarget(older), "/a");
  assert.equal(pool.waiting, 1);
});

test("WorkerPool.activate() gives the queue to the new generation and tells the old one to leave", async (t) => {
  const { pool, boot } = await openPool(t);
  const busy = await boot(1, 1);
  const idle = await boot(2, 1);
  submit(pool, "/a");
  await receiveTarget(busy);
  const first = await boot(3, 2);
  const second = await boot(4, 2);
  pool.activate(2);
  await receiveDrain(idle);
  submit(pool, "/b");
  assert.equal(await receiveTarget(first), "/b");
  busy.send(response(1, "", END | READY));
  await receiveDrain(busy);
  submit(pool, "/c");
  assert.equal(await receiveTarget(second), "/c");
});

test("WorkerPool.activate() starts what was waiting", async (t) => {
  const { pool, boot } = await openPool(t);
  const [first, second] = [await boot(1, 2), await boot(2, 2)];
  submit(pool, "/a");
  submit(pool, "/b");
  submit(pool, "/c");
  assert.equal(pool.waiting, 3);
  pool.activate(2);
  assert.equal(await receiveTarget(first), "/a");
  assert.equal(await receiveTarget(second), "/b");
  assert.equal(pool.waiting, 1);
});

test("WorkerPool.activate() of the active generation changes nothing", async (t) => {
  const { pool, boot } = await openPool(t);
  const worker = await boot(1);
  pool.activate(1);
  pool.activate(1);
  submit(pool, "/a");
  assert.equal(await receiveTarget(worker), "/a");
  submit(pool, "/b");
  assert.equal(pool.waiting, 1);
});

test("WorkerPool tells a worker of an older generation that comes late to leave", async (t) => {
  const { pool, boot } = await openPool(t);
  pool.activate(2);
  submit(pool, "/a");
  const late = await boot(1, 1);
  await receiveDrain(late);
  assert.equal(pool.waiting, 1);
});

test("WorkerPool.activate() leaves a worker alone that has dialled and not yet said of which generation", async (t) => {
  const { pool, told, dial } = await openPool(t);
  const worker = await dial();
  pool.activate(2);
  worker.send(hello(9, 2), ready);
  await told.waitFor("ready 9");
  submit(pool, "/a");
  assert.equal(await receiveTarget(worker), "/a");
});

test("WorkerPool.retireAll() tells every worker to leave, those too that dial from then on", async (t) => {
  const { pool, boot } = await openPool(t);
  const idle = await boot(1, 1);
  const next = await boot(2, 2);
  pool.retireAll();
  await receiveDrain(idle);
  await receiveDrain(next);
  await receiveDrain(await boot(3, 3));
});

test("WorkerPool.destroy() ends every channel at once", async (t) => {
  const { pool, told, boot } = await openPool(t);
  const idle = await boot(1);
  const busy = await boot(2);
  submit(pool, "/a");
  await receiveTarget(idle);
  pool.destroy();
  pool.destroy();
  await idle.waitForEnd();
  await busy.waitForEnd();
  await told.waitFor("lost 1 with /a");
  await told.waitFor("lost 2 with nothing");
});
