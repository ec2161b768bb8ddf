import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { FrameType } from "../../src/channel/frame.ts";
import { GenerationDispatcher, type GenerationWay } from "../../src/router/generation-dispatcher.ts";
import { WorkerChannel } from "../../src/router/worker-channel.ts";
import { MultiplexPool } from "../../src/router/multiplex-pool.ts";
import { WorkerPool, type WorkerPoolListener } from "../../src/router/worker-pool.ts";
import { Deadlines } from "../../src/system/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { nextTurn, targetOf } from "./fake-puller.ts";
import { END, type FakeWorker, hello, openChannelServer, ready, READY, response } from "./fake-worker.ts";
import { openQueue, type OpenedQueue } from "./opened-queue.ts";
import { RecordedRequest, Recording } from "./recording.ts";

const NOTED = { notesCustody: true };

interface Opened extends Omit<OpenedQueue, "submit"> {
  readonly dispatcher: GenerationDispatcher;
  readonly pool: WorkerPool;
  readonly multiplex: MultiplexPool;
  readonly submit: (target: string) => RecordedRequest;
  /** A worker that is sent its requests over its channel. */
  readonly bootChanneled: (worker: number, generation: number) => Promise<FakeWorker>;
}

/** A dispatcher before its first generation is active. */
async function openDispatcher(t: TestContext): Promise<Opened> {
  const opened = await openQueue(t, { active: null });
  const deadlines = new Deadlines(60_000);
  onTeardown(t, () => deadlines.close());
  const told = new Recording();
  const listener: WorkerPoolListener = {
    onWorkerDialled: () => undefined,
    onWorkerReady: (worker) => told.add(`ready ${worker}`),
    onWorkerLeaving: () => undefined,
    onWorkerLost: () => undefined,
    onWorkerTimeout: () => undefined,
    onProtocolError: () => undefined,
  };
  const unlimited = Number.MAX_SAFE_INTEGER;
  const limits = () => ({ queuedRequests: unlimited, queueMs: unlimited });
  const pool = new WorkerPool({ generation: 1, deadlines, limits, listener });
  const { dial } = await openChannelServer(t, (socket) => {
    pool.add(new WorkerChannel({ socket, deadlines, listener: pool, timeoutMs: () => 0 }));
  });
  const multiplex = new MultiplexPool({
    generation: 1,
    deadlines,
    limits,
    listener: { ...listener, onWorkerSilent: () => undefined },
  });
  const dispatcher = new GenerationDispatcher({
    pool,
    queue: opened.queue,
    places: opened.ownRing.places,
    multiplex,
  });
  return {
    ...opened,
    dispatcher,
    pool,
    multiplex,
    submit: (target) => {
      const request = new RecordedRequest(target, NOTED);
      dispatcher.submit(request);
      return request;
    },
    bootChanneled: async (worker, generation) => {
      const dialled = await dial();
      dialled.send(hello(worker, generation), ready);
      await told.waitFor(`ready ${worker}`);
      return dialled;
    },
  };
}

/** That of a generation which takes one request at a time. */
function way(tokensPath: string | null): GenerationWay {
  return { multiplexes: false, tokensPath };
}

/** Answers the next request that is sent to a worker; its target. */
async function answerSent(worker: FakeWorker): Promise<string> {
  const { type, stream, payload } = await worker.receive();
  assert.equal(type, FrameType.request);
  worker.send(response(stream, "sent", END | READY));
  return targetOf(payload);
}

async function expectDrain(worker: FakeWorker): Promise<void> {
  assert.equal((await worker.receive()).type, FrameType.drain);
}

test("GenerationDispatcher sends requests through the queue while the active generation pulls", async (t) => {
  const { dispatcher, tokensPath, boot, submit, pool } = await openDispatcher(t);
  dispatcher.activate(1, way(tokensPath(1)));
  const worker = await boot(1);
  const request = submit("/a");
  assert.equal(await worker.serve(), "/a");
  await request.events.waitFor("released");
  assert.equal(pool.waiting, 0);
});

test("GenerationDispatcher sends requests over the channels while the active generation does not pull", async (t) => {
  const { dispatcher, queue, submit, bootChanneled } = await openDispatcher(t);
  dispatcher.activate(1, way(null));
  const worker = await bootChanneled(1, 1);
  const request = submit("/a");
  assert.equal(await answerSent(worker), "/a");
  await request.events.waitFor("released");
  assert.equal(queue.takeStock(), "0 slots are taken, 0 places are taken, 0 tokens are left");
});

test("GenerationDispatcher has places for bodies while workers pull, and takes bodies out for all others", async (t) => {
  const { dispatcher, tokensPath, ownRing, bootChanneled } = await openDispatcher(t);
  const placed = (target: string): RecordedRequest => {
    const request = new RecordedRequest(target, { body: { type: "placed", place: 0, bytes: 70_000 } });
    dispatcher.submit(request);
    return request;
  };
  assert.equal(dispatcher.bodyPlaces, null);
  dispatcher.activate(1, way(tokensPath(1)));
  assert.equal(dispatcher.bodyPlaces, ownRing.places);
  const waits = placed("/waits");
  assert.deepEqual(waits.lines, []);

  dispatcher.activate(2, way(null));
  assert.equal(dispatcher.bodyPlaces, null);
  assert.deepEqual(waits.lines, ["body taken out"]);
  // Its body was on its way to a place when the generations changed.
  const comes = placed("/comes");
  assert.deepEqual(comes.lines, ["body taken out"]);
  const worker = await bootChanneled(1, 2);
  assert.equal(await answerSent(worker), "/waits");
});

test("GenerationDispatcher brings what waits for a worker of the pool to the next generation, which pulls", async (t) => {
  const { dispatcher, tokensPath, boot, submit, bootChanneled, pool } = await openDispatcher(t);
  dispatcher.activate(1, way(null));
  const older = await bootChanneled(1, 1);
  const begun = submit("/begun");
  const waiting = ["/1", "/2"].map((target) => submit(target));
  dispatcher.activate(2, way(tokensPath(2)));
  const worker = await boot(2, 2);
  assert.deepEqual([await worker.serve(), await worker.serve()], ["/1", "/2"]);
  for (const request of waiting) await request.events.waitFor("response 200 hi (end)");
  assert.equal(pool.waiting, 0);
  assert.equal(await answerSent(older), "/begun");
  await begun.events.waitFor("response 200 sent (end)");
  await expectDrain(older);
});

test("GenerationDispatcher brings what waits in the queue to the next generation, which does not pull", async (t) => {
  const { dispatcher, tokensPath, queue, boot, submit, bootChanneled } = await openDispatcher(t);
  dispatcher.activate(1, way(tokensPath(1)));
  const older = await boot(1);
  const begun = submit("/begun");
  const { stream } = await older.take();
  const waiting = ["/1", "/2"].map((target) => submit(target));
  await nextTurn();
  const worker = await bootChanneled(2, 2);
  dispatcher.activate(2, way(null));
  assert.deepEqual([await answerSent(worker), await answerSent(worker)], ["/1", "/2"]);
  await waiting[1]?.events.waitFor("released");
  assert.deepEqual(waiting[0]?.lines, [
    "issued",
    "withdrawn",
    "issued",
    "started by 4002",
    "response 200 sent (end)",
    "released",
  ]);
  older.answer(stream);
  await begun.events.waitFor("released");
  await expectDrain(older.worker);
  assert.equal(queue.takeStock(), "0 slots are taken, 0 places are taken, 0 tokens are left");
});

for (const [what, path] of [
  ["pulls", (opened: Opened) => opened.tokensPath(1)],
  ["does not pull", () => null],
] as const) {
  test(`GenerationDispatcher.cancel() forgets a request that waits while the generation ${what}`, async (t) => {
    const opened = await openDispatcher(t);
    const { dispatcher, submit, settle, pool, queue } = opened;
    dispatcher.activate(1, way(path(opened)));
    dispatcher.cancel(submit("/gone"));
    await settle();
    assert.equal(pool.waiting, 0);
    assert.equal(queue.takeStock(), "0 slots are taken, 0 places are taken, 0 tokens are left");
  });
}

test("GenerationDispatcher.cancel() finds a request that has gone from the queue to the pool", async (t) => {
  const { dispatcher, tokensPath, submit, pool } = await openDispatcher(t);
  dispatcher.activate(1, way(tokensPath(1)));
  const request = submit("/gone");
  dispatcher.activate(2, way(null));
  assert.equal(pool.waiting, 1);
  dispatcher.cancel(request);
  assert.equal(pool.waiting, 0);
  assert.deepEqual(request.lines, ["issued", "withdrawn"], "nobody has it, so its body may go");
});

test("GenerationDispatcher.retireWorker() tells a worker to leave, whichever way its requests come", async (t) => {
  const { dispatcher, tokensPath, boot, bootChanneled } = await openDispatcher(t);
  dispatcher.activate(1, way(tokensPath(1)));
  const pulling = await boot(1);
  dispatcher.activate(2, way(null));
  await expectDrain(pulling.worker);
  const channeled = await bootChanneled(2, 2);
  dispatcher.retireWorker(2);
  await expectDrain(channeled);
});

test("GenerationDispatcher.retireAll() tells all workers to leave, those too that dial from then on", async (t) => {
  const { dispatcher, tokensPath, boot, dial, bootChanneled } = await openDispatcher(t);
  dispatcher.activate(1, way(tokensPath(1)));
  const pulling = await boot(1);
  const channeled = await bootChanneled(2, 2);
  const next = await dial(3, 3);
  dispatcher.retireAll();
  for (const worker of [pulling.worker, channeled, next.worker]) await expectDrain(worker);
  assert.equal(pulling.tokens.take(), "end");
  await expectDrain((await dial(4, 3)).worker);
});

test("GenerationDispatcher.destroy() ends every channel at once and may be called twice", async (t) => {
  const { dispatcher, tokensPath, boot, bootChanneled } = await openDispatcher(t);
  dispatcher.activate(1, way(tokensPath(1)));
  const pulling = await boot(1);
  const channeled = await bootChanneled(2, 2);
  dispatcher.destroy();
  dispatcher.destroy();
  await pulling.worker.waitForEnd();
  await channeled.waitForEnd();
});

test("GenerationDispatcher without a queue sends every generation's requests over the channels", async (t) => {
  const { pool, multiplex, bootChanneled } = await openDispatcher(t);
  const dispatcher = new GenerationDispatcher({ pool, queue: null, places: null, multiplex });
  dispatcher.activate(1, way(null));
  const worker = await bootChanneled(1, 1);
  const request = new RecordedRequest("/a");
  dispatcher.submit(request);
  assert.equal(await answerSent(worker), "/a");
  dispatcher.cancel(request);
  dispatcher.retireWorker(9);
  dispatcher.retireAll();
  await expectDrain(worker);
  dispatcher.destroy();
});
