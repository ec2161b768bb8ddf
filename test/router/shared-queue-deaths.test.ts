import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { FrameType } from "../../src/channel/frame.ts";
import { Ring } from "../../src/queue/ring.ts";
import { bodyPiece, END, LAST, response } from "./fake-worker.ts";
import { nextTurn, targetOf } from "./fake-puller.ts";
import { openQueue } from "./opened-queue.ts";

const NOTED = { notesCustody: true };
/** Longer than any test takes, however loaded the machine. */
const HOUR_MS = 3_600_000;

// Workers that die.

test("SharedQueue fails the request of a worker that dies before its first frame, and lets nobody else begin it", async (t) => {
  const { queue, told, boot, submit, settle } = await openQueue(t);
  const [dying, other] = [await boot(1), await boot(2)];
  const request = submit("/killer", NOTED);
  await dying.take();
  dying.worker.destroy();
  await told.waitFor("lost 1 with /killer");
  await settle();
  await settle();
  await nextTurn();
  assert.deepEqual(request.lines, ["issued", "failure worker-died", "released"]);
  assert.equal(other.tokens.take(), null);
  assert.equal(queue.takeStock(), "0 slots are taken, 0 places are taken, 0 tokens are left");
});

test("SharedQueue fails the request of a worker that dies in its response", async (t) => {
  const { told, boot, submit } = await openQueue(t);
  const worker = await boot(1);
  const request = submit("/killer", NOTED);
  const { stream } = await worker.take();
  worker.worker.send(response(stream, "a", 0), bodyPiece(stream, "b"));
  await request.events.waitFor("body b");
  worker.worker.destroy();
  await told.waitFor("lost 1 with /killer");
  assert.deepEqual(request.lines, [
    "issued",
    "started by 4001",
    "response 200 a",
    "body b",
    "failure worker-died",
    "released",
  ]);
});

test("SharedQueue takes a worker with several threads for lost with the last of their channels", async (t) => {
  const { told, boot } = await openQueue(t);
  const threads = [await boot(1), await boot(1)];
  for (const { worker } of threads) worker.destroy();
  await told.waitFor("lost 1 with nothing");
  for (let turn = 0; turn < 4; turn += 1) await nextTurn();
  assert.equal(told.lines.filter((line) => line.startsWith("lost")).length, 1, told.lines.join());
});

test("SharedQueue takes a worker with several threads for lost with the first that takes a request to its grave", async (t) => {
  const { told, boot, submit } = await openQueue(t);
  const [dying] = [await boot(1), await boot(1)];
  const request = submit("/a", NOTED);
  await dying.take();
  dying.worker.destroy();
  await told.waitFor("lost 1 with /a");
  assert.deepEqual(request.lines, ["issued", "failure worker-died", "released"]);
});

test("SharedQueue names no request when a worker dies that has answered", async (t) => {
  const { told, boot, submit } = await openQueue(t);
  const worker = await boot(1);
  const request = submit("/a", NOTED);
  await worker.serve();
  worker.worker.destroy();
  await told.waitFor("lost 1 with nothing");
  assert.deepEqual(request.lines, ["issued", "started by 4001", "response 200 hi (end)", "released"]);
});

test("SharedQueue issues a request anew whose token a worker took to its grave, as another stream", async (t) => {
  const { queue, told, boot, submit, settle } = await openQueue(t);
  const [dying, other] = [await boot(1), await boot(2)];
  const request = submit("/a", NOTED);
  const token = await dying.tokens.next();
  dying.worker.destroy();
  await told.waitFor("lost 1 with nothing");
  await settle();
  const { stream, target } = await other.take();
  assert.equal(target, "/a");
  assert.notEqual(stream, token.stream);
  other.answer(stream);
  await request.events.waitFor("released");
  assert.deepEqual(request.lines, [
    "issued",
    "withdrawn",
    "issued",
    "started by 4002",
    "response 200 hi (end)",
    "released",
  ]);
  assert.equal(queue.takeStock(), "0 slots are taken, 0 places are taken, 0 tokens are left");
});

test("SharedQueue leaves requests alone whose tokens are still in the FIFO when a worker dies", async (t) => {
  const { told, boot, submit } = await openQueue(t);
  const [dying, other] = [await boot(1), await boot(2)];
  const requests = ["/1", "/2", "/3"].map((target) => submit(target, NOTED));
  const taken = await dying.tokens.next();
  dying.worker.destroy();
  await told.waitFor("lost 1 with nothing");
  const tokens = other.tokens.takeAll();
  assert.deepEqual(
    tokens.map(({ stream }) => targetOf(other.ring.slot(stream).payload)),
    ["/2", "/3"],
  );
  assert.equal(other.find(taken), null, "the one that may be lost is withdrawn");
  assert.deepEqual(requests[1]?.lines, ["issued"]);
});

test("SharedQueue does not withdraw what a worker has claimed when another dies", async (t) => {
  const { told, boot, submit, settle } = await openQueue(t);
  const [dying, other] = [await boot(1), await boot(2)];
  const request = submit("/a", NOTED);
  // Both may have the token, as far as the router can see: the other one does.
  const token = await other.tokens.next();
  dying.worker.destroy();
  other.ring.store(other.claim, token.stream);
  await told.waitFor("lost 1 with nothing");
  await settle();
  await settle();
  other.answer(token.stream);
  await request.events.waitFor("released");
  assert.deepEqual(request.lines, ["issued", "started by 4002", "response 200 hi (end)", "released"]);
});

test("SharedQueue does not issue anew what was answered and finished, though the answer is not read yet", async (t) => {
  const { queue, told, boot, submit, look } = await openQueue(t);
  const [dying, other] = [await boot(1), await boot(2)];
  const request = submit("/a", NOTED);
  const { stream } = await other.tokens.next();
  dying.worker.destroy();
  // It was withdrawn when the other worker had just seen it in its slot.
  await told.waitFor("lost 1 with nothing");
  other.ring.store(other.claim, stream);
  other.answer(stream);
  other.finish();
  look(HOUR_MS);
  await request.events.waitFor("released");
  // What was to follow the withdrawal has had its turn.
  for (let turn = 0; turn < 4; turn += 1) await nextTurn();
  assert.deepEqual(request.lines, ["issued", "started by 4002", "response 200 hi (end)", "released"]);
  assert.equal(other.tokens.take(), null);
  assert.equal(queue.takeStock(), "0 slots are taken, 0 places are taken, 0 tokens are left");
});

for (const { what, frames, isBooted } of [
  {
    what: "said that it holds nothing",
    frames: [{ type: FrameType.ready, flags: LAST }],
    isBooted: true,
  },
  { what: "was never told to pull", frames: [], isBooted: false },
]) {
  test(`SharedQueue looks for no lost token when a worker leaves that ${what}`, async (t) => {
    const { told, dial, boot, submit, settle } = await openQueue(t);
    const other = await boot(2);
    const leaving = isBooted ? await boot(1) : await dial(1, 2);
    leaving.worker.send(...frames);
    const request = submit("/a", NOTED);
    const token = await other.tokens.next();
    leaving.worker.end();
    await told.waitFor("lost 1 with nothing");
    await settle();
    assert.notEqual(other.find(token), null);
    assert.deepEqual(request.lines, ["issued"]);
  });
}

test("SharedQueue drops a request whose client left before its lost token was issued anew", async (t) => {
  const { queue, told, boot, submit, settle } = await openQueue(t);
  const worker = await boot(1);
  const request = submit("/a", NOTED);
  await worker.tokens.next();
  worker.worker.destroy();
  await told.waitFor("lost 1 with nothing");
  queue.cancel(request);
  await settle();
  assert.deepEqual(request.lines, ["issued", "released"]);
});

test("SharedQueue fails at once what the process behind a closed channel claims, as nobody can answer it", async (t) => {
  const { told, boot, submit, look } = await openQueue(t);
  const worker = await boot(1);
  worker.worker.send(Buffer.alloc(64, 0xff));
  await told.waitFor("ERR_PROTOCOL by 1");
  await told.waitFor("lost 1 with nothing");
  const request = submit("/a", NOTED);
  await worker.take();
  look();
  look(1000);
  assert.deepEqual(request.lines, ["issued", "failure worker-died", "released"]);
});

test("SharedQueue gives a worker that dials anew another claim than it had", async (t) => {
  const { told, boot } = await openQueue(t);
  const before = await boot(1);
  before.worker.destroy();
  await told.waitFor("lost 1 with nothing");
  const after = await boot(1);
  assert.notEqual(after.claim, before.claim);
});

// Workers that break the protocol.

for (const { what, frames } of [
  { what: "a stream that is in no slot", frames: [response(4711, "", END)] },
  { what: "stream 0", frames: [response(0, "", END)] },
  { what: "a frame that only a router sends", frames: [{ type: FrameType.pull, payload: "1234" }] },
]) {
  test(`SharedQueue disconnects a worker that answers with ${what}`, async (t) => {
    const { told, boot } = await openQueue(t);
    const worker = await boot(1);
    worker.worker.send(...frames);
    await told.waitFor("ERR_PROTOCOL by 1");
    await worker.worker.waitForEnd();
    await told.waitFor("lost 1 with nothing");
  });
}

test("SharedQueue disconnects a worker that answers what another has begun to answer, who goes on", async (t) => {
  const { told, boot, submit } = await openQueue(t);
  const [first, second] = [await boot(1), await boot(2)];
  const request = submit("/a");
  const { stream } = await first.take();
  first.worker.send(response(stream, "a", 0));
  await request.events.waitFor("response 200 a");
  second.worker.send(response(stream, "stolen", END));
  await told.waitFor("ERR_PROTOCOL by 2");
  first.worker.send(bodyPiece(stream, "b", END));
  await request.events.waitFor("body b (end)");
});

test("SharedQueue disconnects a worker that answers a request twice", async (t) => {
  const { told, boot, submit } = await openQueue(t);
  const worker = await boot(1);
  const request = submit("/a");
  const { stream } = await worker.take();
  worker.answer(stream);
  worker.answer(stream);
  await told.waitFor("ERR_PROTOCOL by 1");
  assert.deepEqual(request.lines, ["started by 4001", "response 200 hi (end)"]);
});

// Workers that take too long.

test("SharedQueue ends a request that takes too long, though no frame about it has come, and what comes later is dropped", async (t) => {
  const { told, boot, submit, look } = await openQueue(t, { timeoutMs: HOUR_MS });
  const worker = await boot(1);
  const request = submit("/slow", NOTED);
  const { stream } = await worker.take();
  look();
  assert.deepEqual(request.lines, ["issued"]);
  look(HOUR_MS + 1);
  look(HOUR_MS + 2);
  assert.deepEqual(request.lines, ["issued", "failure worker-timeout"]);
  assert.equal((await worker.worker.receive()).type, FrameType.drain);
  worker.worker.send(response(stream, "late", END));
  await request.events.waitFor("released");
  assert.deepEqual(request.lines, ["issued", "failure worker-timeout", "released"]);
  assert.deepEqual(told.lines, ["dialled 1", "ready 1", "timeout 1 of /slow"]);
});

test("SharedQueue ends a worker that takes too long for a client that has left, and tells the request nothing", async (t) => {
  const { queue, told, boot, submit, look } = await openQueue(t, { timeoutMs: HOUR_MS });
  const worker = await boot(1);
  const request = submit("/hangs", NOTED);
  await worker.take();
  look();
  queue.cancel(request);
  look(HOUR_MS + 1000);
  assert.deepEqual(told.lines, ["dialled 1", "ready 1", "timeout 1 of /hangs"]);
  assert.deepEqual(request.lines, ["issued"]);
});

test("SharedQueue counts the time of a request from its claim, not from its arrival", async (t) => {
  const { boot, submit, look } = await openQueue(t, { timeoutMs: HOUR_MS });
  const worker = await boot(1);
  const request = submit("/waits", NOTED);
  look(2 * HOUR_MS);
  await worker.take();
  look(2 * HOUR_MS);
  assert.deepEqual(request.lines, ["issued"]);
});

test("SharedQueue ends a response that takes too long, but not while the worker waits for a slow client", async (t) => {
  const { told, boot, submit, look } = await openQueue(t, { timeoutMs: HOUR_MS });
  const worker = await boot(1);
  const request = submit("/slow");
  const { stream } = await worker.take();
  worker.worker.send(response(stream, "a", 0));
  await request.events.waitFor("response 200 a");
  request.worker.pause();
  look(2 * HOUR_MS);
  assert.deepEqual(told.lines, ["dialled 1", "ready 1"]);
  request.worker.resume();
  look(2 * HOUR_MS);
  assert.deepEqual(told.lines, ["dialled 1", "ready 1", "timeout 1 of /slow"]);
  assert.equal(request.lines.at(-1), "failure worker-timeout");
});

test("SharedQueue reads on to what a worker has answered behind what a slow client does not take", async (t) => {
  const { told, boot, submit, look } = await openQueue(t, { timeoutMs: HOUR_MS });
  const worker = await boot(1);
  const slow = submit("/slow");
  const next = submit("/next");
  const { stream } = await worker.take();
  worker.worker.send(response(stream, "a", 0));
  await slow.events.waitFor("response 200 a");
  slow.worker.pause();
  worker.worker.send(bodyPiece(stream, "b", END));
  worker.finish();
  const taken = await worker.take();
  worker.answer(taken.stream);
  look(2 * HOUR_MS);
  assert.deepEqual(told.lines, ["dialled 1", "ready 1"]);
  await next.events.waitFor("response 200 hi (end)");
});

test("SharedQueue gives up what waits too long, although a slow client holds a worker back", async (t) => {
  const { boot, submit, look } = await openQueue(t, { limits: { queueMs: HOUR_MS } });
  const worker = await boot(1);
  const slow = submit("/slow");
  const waiting = submit("/waits");
  const { stream } = await worker.take();
  worker.worker.send(response(stream, "a", 0));
  await slow.events.waitFor("response 200 a");
  slow.worker.pause();
  look(2 * HOUR_MS);
  look(2 * HOUR_MS + 1000);
  await waiting.events.waitFor("failure overloaded");
});

test("SharedQueue ends a worker that has answered and hangs in what is left to do", async (t) => {
  const { told, boot, submit, look } = await openQueue(t, { timeoutMs: HOUR_MS });
  const worker = await boot(1);
  const request = submit("/hangs", NOTED);
  const { stream } = await worker.take();
  worker.answer(stream);
  await request.events.waitFor("released");
  look();
  look(HOUR_MS + 1000);
  look(HOUR_MS + 2000);
  assert.deepEqual(told.lines, ["dialled 1", "ready 1", "timeout 1 of /hangs"]);
  assert.equal((await worker.worker.receive()).type, FrameType.drain);
});

test("SharedQueue does not take idle workers for hanging ones, whatever others have finished since", async (t) => {
  const { told, boot, submit, look } = await openQueue(t, { timeoutMs: HOUR_MS });
  const workers = [await boot(1), await boot(2), await boot(3)];
  for (const worker of workers) {
    const request = submit("/a", NOTED);
    await worker.serve();
    await request.events.waitFor("released");
  }
  look();
  look(2 * HOUR_MS);
  assert.deepEqual(
    told.lines.filter((line) => line.startsWith("timeout")),
    [],
  );
});

test("SharedQueue does not take a worker for a hanging one that was told of a client that left as it fetched", async (t) => {
  const { queue, told, boot, submit, look } = await openQueue(t, { timeoutMs: HOUR_MS });
  const worker = await boot(1);
  const bytes = Buffer.alloc(70_000);
  const request = submit("/large", { ...NOTED, body: { type: "memory", pieces: [bytes], bytes: 70_000 } });
  const { stream } = await worker.take();
  queue.cancel(request);
  worker.fetch(stream);
  assert.equal((await worker.worker.receive()).type, FrameType.cancel);
  worker.finish();
  look();
  look(2 * HOUR_MS);
  assert.deepEqual(told.lines, ["dialled 1", "ready 1"]);
});

// A router that dies.

test("SharedQueue of a router that takes over has an epoch of its own, in which nothing of the one before is left", async (t) => {
  const before = await openQueue(t);
  const worker = await before.boot(1);
  before.submit("/old");
  const stale = await worker.tokens.next();
  worker.ring.store(worker.claim, stale.stream);
  const ring = new Ring(join(before.folder, "ring-0"));
  t.after(() => ring.close());
  assert.equal(ring.epoch, before.ring.epoch);
  assert.equal(ring.epoch, stale.epoch + 1);
  assert.equal(worker.find(stale), null);
  assert.equal(ring.readClaims().claimOf(stale.stream), null);
});
