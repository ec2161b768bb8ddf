import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { FrameType } from "../../src/channel/frame.ts";
import { MultiplexChannel } from "../../src/router/multiplex-channel.ts";
import { MultiplexPool } from "../../src/router/multiplex-pool.ts";
import type { QueueLimits } from "../../src/router/request-queue.ts";
import { Deadlines } from "../../src/system/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import {
  END,
  failed,
  leaving,
  multiplexingHello,
  openChannelServer,
  ready,
  response,
  type FakeWorker,
} from "./fake-worker.ts";
import { limitsOf, receiveRequest, recordingListener, submit } from "./pooled.ts";
import { Recording } from "./recording.ts";

interface OpenedPool {
  readonly pool: MultiplexPool;
  /** What the pool told its router. */
  readonly told: Recording;
  /** A worker that takes requests. */
  readonly boot: (
    worker: number,
    options?: { readonly generation?: number; readonly credit?: number },
  ) => Promise<FakeWorker>;
  /** Lets all deadlines pass that are due at this time. */
  readonly passDeadlines: (now: number) => void;
}

/** A pool whose active generation is 1 and whose deadlines fire only when a test calls for them. */
async function openPool(t: TestContext, limits: Partial<QueueLimits> = {}): Promise<OpenedPool> {
  const deadlines = new Deadlines(60_000);
  onTeardown(t, () => deadlines.close());
  const told = new Recording();
  const pool = new MultiplexPool({
    generation: 1,
    deadlines,
    limits: limitsOf(limits),
    listener: {
      ...recordingListener(told),
      onWorkerLost: (worker, request, others) =>
        told.add(`lost ${worker} with ${request?.target ?? "nothing"} and ${others} more`),
      onWorkerSilent: (worker, { count }) => told.add(`silent ${worker} with ${count}`),
    },
  });
  const { dial } = await openChannelServer(t, (socket) => {
    pool.add(new MultiplexChannel({ socket, deadlines, listener: pool, timeoutMs: () => 1000 }));
  });
  const boot: OpenedPool["boot"] = async (worker, options) => {
    const dialled = await dial();
    dialled.send(multiplexingHello(worker, options), ready);
    await told.waitFor(`ready ${worker}`);
    return dialled;
  };
  return { pool, told, boot, passDeadlines: (now) => deadlines.sweep(now) };
}

async function receiveTypes(worker: FakeWorker, count: number): Promise<readonly number[]> {
  const types: number[] = [];
  while (types.length < count) types.push((await worker.receive()).type);
  return types;
}

test("MultiplexPool gives each request to the worker that has the fewest", async (t) => {
  const { pool, boot } = await openPool(t);
  const workers = [await boot(1), await boot(2), await boot(3)];
  const requests = Array.from({ length: 9 }, (_, number) => submit(pool, `/${number}`));
  for (const worker of workers) {
    for (let count = 0; count < 3; count += 1) await receiveRequest(worker);
  }
  const [first] = workers;
  assert(first !== undefined);
  const finished = requests.filter(({ lines }) => lines.includes("started by 4001"));
  first.send(response(1, "", END), response(2, "", END));
  for (const request of finished.slice(0, 2)) await request.events.waitFor("response 200  (end)");
  submit(pool, "/a");
  submit(pool, "/b");
  assert.deepEqual(
    [await receiveRequest(first), await receiveRequest(first)],
    [
      [4, "/a"],
      [5, "/b"],
    ],
  );
});

test("MultiplexPool lets requests beyond the credit wait, in their order", async (t) => {
  const { pool, boot } = await openPool(t);
  const worker = await boot(1, { credit: 2 });
  for (const target of ["/a", "/b", "/c", "/d"]) submit(pool, target);
  assert.equal(pool.waiting, 2);
  assert.deepEqual([await receiveRequest(worker), await receiveRequest(worker)], [[1, "/a"], [2, "/b"]]); // prettier-ignore
  worker.send(response(2, "", END));
  assert.deepEqual(await receiveRequest(worker), [3, "/c"]);
  worker.send(failed(1));
  assert.deepEqual(await receiveRequest(worker), [4, "/d"]);
  assert.equal(pool.waiting, 0);
});

test("MultiplexPool keeps requests until the first worker is there", async (t) => {
  const { pool, boot } = await openPool(t);
  submit(pool, "/a");
  submit(pool, "/b");
  const worker = await boot(1);
  assert.deepEqual([await receiveRequest(worker), await receiveRequest(worker)], [[1, "/a"], [2, "/b"]]); // prettier-ignore
});

test("MultiplexPool refuses a request beyond the queue, and one that has waited too long", async (t) => {
  const { pool, passDeadlines } = await openPool(t, { queuedRequests: 1, queueMs: 500 });
  const waiting = submit(pool, "/a", 1000);
  const refused = submit(pool, "/b", 1000);
  assert.deepEqual(refused.lines, ["failure overloaded"]);
  passDeadlines(1499);
  assert.deepEqual(waiting.lines, []);
  passDeadlines(1500);
  assert.deepEqual(waiting.lines, ["failure overloaded"]);
  assert.equal(pool.waiting, 0);
});

test("MultiplexPool forgets a request whose client has left before a worker had it", async (t) => {
  const { pool, boot } = await openPool(t);
  pool.cancel(submit(pool, "/a"));
  submit(pool, "/b");
  const worker = await boot(1);
  assert.deepEqual(await receiveRequest(worker), [1, "/b"]);
});

test("MultiplexPool lets a worker of an older generation finish what it has, and leave", async (t) => {
  const { pool, told, boot } = await openPool(t);
  const older = await boot(1);
  const request = submit(pool, "/old");
  await receiveRequest(older);
  const newer = await boot(2, { generation: 2 });
  pool.activate(2);
  submit(pool, "/new");
  assert.deepEqual(await receiveRequest(newer), [1, "/new"]);
  assert.equal((await older.receive()).type, FrameType.drain);
  older.send(response(1, "late", END));
  await request.events.waitFor("response 200 late (end)");
  older.end();
  await told.waitFor("lost 1 with nothing and 0 more");
});

test("MultiplexPool gives nothing to a generation that is not active yet", async (t) => {
  const { pool, boot } = await openPool(t);
  const next = await boot(1, { generation: 2 });
  submit(pool, "/a");
  assert.equal(pool.waiting, 1);
  pool.activate(2);
  assert.deepEqual(await receiveRequest(next), [1, "/a"]);
});

test("MultiplexPool tells that a worker wants to leave, and still gives it requests until it is retired", async (t) => {
  const { pool, told, boot } = await openPool(t);
  const worker = await boot(1);
  worker.send(leaving);
  await told.waitFor("leaving 1");
  submit(pool, "/a");
  assert.deepEqual(await receiveRequest(worker), [1, "/a"]);
  pool.retireWorker(1);
  assert.equal((await worker.receive()).type, FrameType.drain);
  submit(pool, "/b");
  assert.equal(pool.waiting, 1);
});

test("MultiplexPool answers for the requests of a worker that dies, and for no others", async (t) => {
  const { pool, told, boot } = await openPool(t);
  const first = await boot(1);
  const second = await boot(2);
  const requests = ["/a", "/b", "/c", "/d"].map((target) => submit(pool, target));
  await receiveRequest(first);
  await receiveRequest(first);
  first.destroy();
  await told.waitFor("lost 1 with /c and 1 more");
  assert.deepEqual(
    requests.map(({ lines }) => lines.at(-1)),
    ["failure worker-died", "started by 4002", "failure worker-died", "started by 4002"],
  );
  second.send(response(1, "", END));
  await requests[1]?.events.waitFor("response 200  (end)");
});

test("MultiplexPool asks a silent worker for a sign of life, and gives it up when none comes", async (t) => {
  const { pool, told, boot, passDeadlines } = await openPool(t);
  const worker = await boot(1);
  const request = submit(pool, "/stuck");
  await receiveRequest(worker);
  const start = performance.now();
  passDeadlines(start + 600);
  assert.equal((await worker.receive()).type, FrameType.ping);
  passDeadlines(start + 1200);
  assert.deepEqual(request.lines, ["started by 4001"]);
  passDeadlines(start + 1700);
  await told.waitFor("silent 1 with 1");
  assert.deepEqual(request.lines.slice(1), ["failure worker-timeout"]);
  submit(pool, "/next");
  assert.equal(pool.waiting, 1);
});

test("MultiplexPool takes anything that a worker says for a sign of life", async (t) => {
  const { pool, told, boot, passDeadlines } = await openPool(t);
  const worker = await boot(1);
  const request = submit(pool, "/slow");
  await receiveRequest(worker);
  const start = performance.now();
  passDeadlines(start + 600);
  assert.equal((await worker.receive()).type, FrameType.ping);
  worker.send(response(1, "piece", 0));
  await request.events.waitFor("response 200 piece");
  passDeadlines(start + 1700);
  assert.deepEqual(await receiveTypes(worker, 1), [FrameType.ping]);
  assert(!told.lines.includes("silent 1 with 1"));
});
