import assert from "node:assert/strict";
import { test } from "node:test";

import { FrameType } from "../../src/channel/frame.ts";
import { Tokens } from "../../src/queue/tokens.ts";
import { bodyPiece, END, leaving, response } from "./fake-worker.ts";
import { nextTurn, targetOf } from "./fake-puller.ts";
import { openQueue, SETTLED_MS } from "./opened-queue.ts";
import type { RecordedRequest } from "./recording.ts";

const NOTED = { notesCustody: true };
const SLOT_COUNT = 512;
/** Longer than any test takes, however loaded the machine. */
const HOUR_MS = 3_600_000;

/** What an empty queue says of itself. */
const NOTHING_LEFT = "0 slots are taken, 0 places are taken, 0 tokens are left";

test("SharedQueue brings a request to the worker that pulls its token, and the answer back", async (t) => {
  const { queue, boot, submit } = await openQueue(t);
  const worker = await boot(1);
  const request = submit("/a", NOTED);
  const { stream, target } = await worker.take();
  assert.equal(target, "/a");
  worker.answer(stream);
  await request.events.waitFor("released");
  assert.deepEqual(request.lines, ["issued", "started by 4001", "response 200 hi (end)", "released"]);
  assert.equal(queue.takeStock(), NOTHING_LEFT);
});

test("SharedQueue writes the requests of one turn and their tokens within it, in their order", async (t) => {
  const { boot, submit } = await openQueue(t);
  const worker = await boot(1);
  for (const target of ["/1", "/2", "/3"]) submit(target);
  await nextTurn();
  const streams = worker.tokens.takeAll().map(({ stream }) => stream);
  assert.deepEqual(
    streams.map((stream) => targetOf(worker.ring.slot(stream).payload)),
    ["/1", "/2", "/3"],
  );
  assert.equal(new Set(streams).size, 3);
});

test("SharedQueue lets the token of a request go to one worker alone", async (t) => {
  const { boot, submit } = await openQueue(t);
  const [first, second] = [await boot(1), await boot(2)];
  submit("/a");
  await nextTurn();
  const tokens = [first.tokens.take(), second.tokens.take()];
  assert.equal(tokens.filter((token) => token !== null).length, 1);
});

test("SharedQueue tells each worker whose the ring is and which claim is its own", async (t) => {
  const { ring, boot } = await openQueue(t);
  const workers = [await boot(1), await boot(2), await boot(3)];
  assert.deepEqual(
    workers.map(({ epoch }) => epoch),
    [ring.epoch, ring.epoch, ring.epoch],
  );
  assert.equal(new Set(workers.map(({ claim }) => claim)).size, 3);
});

test("SharedQueue tells of a worker that has dialled, is ready, and wants to leave", async (t) => {
  const { told, boot } = await openQueue(t);
  const worker = await boot(7);
  worker.worker.send(leaving);
  await told.waitFor("leaving 7");
  assert.deepEqual(told.lines, ["dialled 7", "ready 7", "leaving 7"]);
});

test("SharedQueue lets a worker that was told to leave take what it pulls until it says that it holds nothing", async (t) => {
  const { queue, boot, submit } = await openQueue(t);
  const worker = await boot(1);
  queue.retireWorker(1);
  assert.equal((await worker.worker.receive()).type, FrameType.drain);
  const request = submit("/a");
  await worker.serve();
  await request.events.waitFor("response 200 hi (end)");
});

test("SharedQueue.retireWorker() tells that worker to leave and no other", async (t) => {
  const { queue, boot } = await openQueue(t);
  const [leaves, stays] = [await boot(1), await boot(2)];
  queue.retireWorker(1);
  queue.retireWorker(1);
  assert.equal((await leaves.worker.receive()).type, FrameType.drain);
  queue.retireWorker(2);
  assert.equal((await stays.worker.receive()).type, FrameType.drain);
});

// More requests than there is room for.

test("SharedQueue keeps requests beyond the slots of the ring and issues them, in their order, as slots are free", async (t) => {
  const { queue, boot, submit } = await openQueue(t);
  const worker = await boot(1);
  const targets = Array.from({ length: SLOT_COUNT + 3 }, (_, index) => `/${index}`);
  const requests = targets.map((target) => submit(target, NOTED));
  assert.equal(requests.filter(({ lines }) => lines.includes("issued")).length, SLOT_COUNT);
  const served: string[] = [];
  for (const request of requests) {
    served.push(await worker.serve());
    await request.events.waitFor("released");
  }
  assert.deepEqual(served, targets);
  assert.equal(queue.takeStock(), NOTHING_LEFT);
});

test("SharedQueue refuses a request beyond queue_size and the workers, and takes one again when there is room", async (t) => {
  const { boot, submit } = await openQueue(t, { limits: { queuedRequests: 2 } });
  const worker = await boot(1);
  const requests = ["/1", "/2", "/3", "/4"].map((target) => submit(target));
  assert.deepEqual(
    requests.map(({ lines }) => lines),
    [[], [], [], ["failure overloaded"]],
  );
  await worker.serve();
  await requests[0]?.events.waitFor("response 200 hi (end)");
  assert.deepEqual(submit("/5").lines, []);
});

test("SharedQueue gives up the requests that have waited too long in memory", async (t) => {
  const { submit, look } = await openQueue(t, { limits: { queueMs: HOUR_MS }, active: null });
  const now = performance.now();
  const old = submit("/old", { submittedAt: now - HOUR_MS / 2 });
  const young = submit("/young", { submittedAt: now });
  look();
  assert.deepEqual(old.lines, []);
  look(HOUR_MS * 0.75);
  assert.deepEqual([old.lines, young.lines], [["failure overloaded"], []]);
});

test("SharedQueue has no deadline while it has nothing to look after", async (t) => {
  const { queue, boot, submit, look } = await openQueue(t, { timeoutMs: HOUR_MS });
  const worker = await boot(1);
  assert.equal(queue.deadlineAt, Infinity);
  const request = submit("/a", NOTED);
  assert.ok(queue.deadlineAt <= performance.now() + HOUR_MS);
  const { stream } = await worker.take();
  worker.answer(stream);
  await request.events.waitFor("released");
  look();
  assert.ok(queue.deadlineAt < Infinity, "the worker may hang in close()");
  worker.finish();
  look();
  assert.equal(queue.deadlineAt, Infinity);
});

// Requests that are too large for the ring.

test("SharedQueue sends a request that is too large for the ring to the worker that fetches it", async (t) => {
  const { boot, submit } = await openQueue(t);
  const worker = await boot(1);
  const bytes = Buffer.alloc(70_000, "x");
  const request = submit("/large", { body: { type: "memory", pieces: [bytes], bytes: bytes.length } });
  const { stream, flags, payload } = await worker.take();
  assert.deepEqual([flags, payload.length], [128, 0]);
  worker.fetch(stream);
  const frame = await worker.worker.receive();
  assert.deepEqual(
    [frame.type, frame.stream, targetOf(frame.payload)],
    [FrameType.request, stream, "/large"],
  );
  assert(frame.payload.subarray(-bytes.length).equals(bytes));
  worker.answer(stream);
  await request.events.waitFor("response 200 hi (end)");
});

test("SharedQueue answers the fetch of a request whose client is gone with CANCEL, and frees its slot", async (t) => {
  const { queue, boot, submit } = await openQueue(t);
  const worker = await boot(1);
  const bytes = Buffer.alloc(70_000);
  const request = submit("/large", { ...NOTED, body: { type: "memory", pieces: [bytes], bytes: 70_000 } });
  const { stream } = await worker.take();
  queue.cancel(request);
  worker.fetch(stream);
  const frame = await worker.worker.receive();
  assert.deepEqual([frame.type, frame.stream], [FrameType.cancel, stream]);
  await request.events.waitFor("released");
  assert.deepEqual(request.lines, ["issued", "released"]);
  assert.equal(queue.takeStock(), NOTHING_LEFT);
});

test("SharedQueue lets no large request wait for a row of slots behind others that take long", async (t) => {
  const { boot, submit } = await openQueue(t);
  const worker = await boot(1);
  const many = Array.from({ length: 300 }, (_, index) => submit(`/${index}`, NOTED));
  const streams: number[] = [];
  for (const _ of many) streams.push((await worker.take()).stream);
  // Every eighth one takes long, so that there are never 16 free slots in a row below the last.
  for (const [index, stream] of streams.entries()) {
    if (index % 8 !== 0) worker.answer(stream);
  }
  await many[299]?.events.waitFor("released");
  const bytes = Buffer.alloc(60_000);
  const sent: RecordedRequest[] = [];
  for (let index = 0; index < 100; index += 1) {
    sent.push(submit("/large", { ...NOTED, body: { type: "memory", pieces: [bytes], bytes: 60_000 } }));
  }
  assert.deepEqual([...new Set(sent.map(({ lines }) => lines.join()))], ["issued"]);
  assert.deepEqual(submit("/small", NOTED).lines, ["issued"]);
});

// Clients that leave, and requests that wait too long.

test("SharedQueue.cancel() of a request that nobody has begun costs a stale token, and gives the slot back a little later", async (t) => {
  const { queue, boot, submit, look } = await openQueue(t);
  const worker = await boot(1);
  const gone = submit("/gone", NOTED);
  await nextTurn();
  const token = await worker.tokens.next();
  const cancelledAt = performance.now();
  queue.cancel(gone);
  assert.equal(worker.find(token), null, "the token is stale");
  queue.onDeadline(cancelledAt);
  for (let turn = 0; turn < 4; turn += 1) await nextTurn();
  assert.deepEqual(gone.lines, ["issued"], "a worker may have claimed it a moment ago");
  look(SETTLED_MS);
  await nextTurn();
  await nextTurn();
  assert.deepEqual(gone.lines, ["issued", "released"]);
  assert.equal(queue.takeStock(), NOTHING_LEFT);
});

test("SharedQueue.cancel() in the turn in which the request was issued withdraws it", async (t) => {
  const { queue, boot, submit, settle } = await openQueue(t);
  const worker = await boot(1);
  const gone = submit("/gone", NOTED);
  submit("/stays");
  queue.cancel(gone);
  await nextTurn();
  assert.equal((await worker.take()).target, "/stays");
  await settle();
  assert.deepEqual(gone.lines, ["issued", "released"]);
});

test("SharedQueue.cancel() of a request that a worker has begun tells the worker with its first frame", async (t) => {
  const { queue, boot, submit, look, settle } = await openQueue(t);
  const worker = await boot(1);
  const gone = submit("/gone", NOTED);
  const { stream } = await worker.take();
  queue.cancel(gone);
  await settle();
  await settle();
  assert.deepEqual(gone.lines, ["issued"], "the worker may still open the file of its body");
  worker.worker.send(response(stream, "a", 0));
  const frame = await worker.worker.receive();
  assert.deepEqual([frame.type, frame.stream], [FrameType.cancel, stream]);
  worker.worker.send(bodyPiece(stream, "b", END));
  await gone.events.waitFor("released");
  assert.deepEqual(gone.lines, ["issued", "released"]);
  look();
});

test("SharedQueue.cancel() of a request that is answered already tells the worker once", async (t) => {
  const { queue, boot, submit } = await openQueue(t);
  const worker = await boot(1);
  const request = submit("/a");
  const { stream } = await worker.take();
  worker.worker.send(response(stream, "a", 0));
  await request.events.waitFor("response 200 a");
  request.worker.cancel();
  request.worker.cancel();
  queue.cancel(request);
  assert.equal((await worker.worker.receive()).type, FrameType.cancel);
  queue.retireWorker(1);
  assert.equal((await worker.worker.receive()).type, FrameType.drain);
});

test("SharedQueue.cancel() of a request that waits for a slot leaves nothing of it", async (t) => {
  const { queue, submit } = await openQueue(t, { active: null, limits: { queuedRequests: 1 } });
  const gone = submit("/gone", NOTED);
  queue.cancel(gone);
  assert.deepEqual(gone.lines, []);
  assert.deepEqual(submit("/stays").lines, []);
});

test("SharedQueue gives up a request that waited too long in the ring, and nobody begins it", async (t) => {
  const { queue, boot, submit, look } = await openQueue(t, { limits: { queueMs: HOUR_MS } });
  const worker = await boot(1);
  const request = submit("/late", NOTED);
  look();
  const token = await worker.tokens.next();
  assert.notEqual(worker.find(token), null);
  look(HOUR_MS);
  assert.equal(worker.find(token), null);
  assert.deepEqual(request.lines, ["issued"]);
  look(HOUR_MS + SETTLED_MS);
  await nextTurn();
  await nextTurn();
  assert.deepEqual(request.lines, ["issued", "failure overloaded", "released"]);
  assert.equal(queue.takeStock(), NOTHING_LEFT);
});

test("SharedQueue lets a worker answer that claimed a request in the moment in which it was given up", async (t) => {
  const { boot, submit, look } = await openQueue(t, { limits: { queueMs: HOUR_MS } });
  const worker = await boot(1);
  const request = submit("/late", NOTED);
  const { stream } = await worker.take();
  // The router has not looked at the claims since; the stored claim is what it finds after the withdrawal.
  worker.finish();
  look(HOUR_MS);
  worker.ring.store(worker.claim, stream);
  look(HOUR_MS + SETTLED_MS);
  look(2 * HOUR_MS);
  assert.deepEqual(request.lines, ["issued"]);
  worker.answer(stream);
  await request.events.waitFor("released");
  assert.deepEqual(request.lines, ["issued", "started by 4001", "response 200 hi (end)", "released"]);
});

test("SharedQueue is not misled by a worker that was stopped between token and claim", async (t) => {
  const { told, boot, submit, look, settle } = await openQueue(t, { limits: { queueMs: HOUR_MS } });
  const [stopped, other] = [await boot(1), await boot(2)];
  const old = submit("/old", NOTED);
  const token = await stopped.tokens.next();
  assert.notEqual(stopped.find(token), null);
  look(HOUR_MS);
  look(HOUR_MS + SETTLED_MS);
  await nextTurn();
  await nextTurn();
  assert.deepEqual(old.lines, ["issued", "failure overloaded", "released"]);
  // The ring goes round, so that its slot is another's.
  let stream = 0;
  const requests: RecordedRequest[] = [];
  for (let count = 0; count < SLOT_COUNT; count += 1) {
    requests.push(submit(`/${count}`, NOTED));
    ({ stream } = await other.take());
    if (count < SLOT_COUNT - 1) {
      other.answer(stream);
      await requests[count]?.events.waitFor("released");
    }
  }
  assert.equal(stream % SLOT_COUNT, token.stream % SLOT_COUNT);
  assert.equal(stopped.claimStream(token.stream), null, "it sees that the slot is another's");
  // And its stores have not hidden the claim of the other, which now dies.
  other.worker.destroy();
  await told.waitFor(`lost 2 with /${SLOT_COUNT - 1}`);
  await settle();
  assert.deepEqual(requests.at(-1)?.lines, ["issued", "failure worker-died", "released"]);
});

test("SharedQueue does not drown in the tokens of clients that left while no worker pulled", async (t) => {
  const { queue, boot, submit, settle } = await openQueue(t);
  const worker = await boot(1);
  // More than a FIFO holds.
  for (let round = 0; round < 40; round += 1) {
    for (let count = 0; count < 400; count += 1) queue.cancel(submit("/gone"));
    await nextTurn();
    await settle();
  }
  submit("/stays");
  await nextTurn();
  const tokens = worker.tokens.takeAll();
  const live = tokens.filter((token) => worker.find(token) !== null);
  assert.ok(tokens.length < 10_000, `${tokens.length} tokens`);
  assert.deepEqual(
    live.map((token) => targetOf(worker.ring.slot(token.stream).payload)),
    ["/stays"],
  );
});

// The end.

test("SharedQueue.takeStock() counts what is left, and leaves it where it is", async (t) => {
  const { queue, boot, submit } = await openQueue(t);
  const worker = await boot(1);
  const request = submit("/a");
  const gone = submit("/gone");
  queue.cancel(gone);
  assert.equal(queue.takeStock(), "1 slots are taken, 0 places are taken, 1 tokens are left");
  assert.equal(await worker.serve(), "/a");
  await request.events.waitFor("response 200 hi (end)");
  assert.equal(queue.takeStock(), NOTHING_LEFT);
});

test("SharedQueue.takeStock() does not take a worker that answers a client which has left for one that breaks the protocol", async (t) => {
  const { queue, told, boot, submit } = await openQueue(t);
  const worker = await boot(1);
  const gone = submit("/gone", NOTED);
  const { stream } = await worker.take();
  queue.cancel(gone);
  assert.equal(queue.takeStock(), NOTHING_LEFT);
  worker.answer(stream);
  await gone.events.waitFor("released");
  assert.deepEqual(told.lines, ["dialled 1", "ready 1"]);
});

test("SharedQueue.destroy() ends every channel, may be called twice, and stores nothing afterwards", async (t) => {
  const { queue, tokensPath, told, boot, submit } = await openQueue(t);
  const worker = await boot(1);
  const request = submit("/a");
  queue.destroy();
  queue.destroy();
  // The files that are opened next get the descriptors of the ring and the FIFO.
  const next = [2, 3].map((generation) => {
    const options = { path: tokensPath(generation), router: 0, epoch: 1, isLive: () => true };
    return new Tokens(options);
  });
  queue.cancel(request);
  submit("/b");
  assert.equal(queue.deadlineAt, Infinity);
  await nextTurn();
  assert.deepEqual(
    next.map((tokens) => tokens.takeBack()),
    [[], []],
  );
  for (const tokens of next) tokens.close();
  await worker.worker.waitForEnd();
  assert.deepEqual(told.lines, ["dialled 1", "ready 1"]);
});
