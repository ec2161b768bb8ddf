import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { FrameType } from "../../src/channel/frame.ts";
import type { Dispatcher, WorkerRequest } from "../../src/router/dispatcher.ts";
import { openFilesBelow } from "../system/open-files.ts";
import { type FakePuller, nextTurn } from "./fake-puller.ts";
import { LAST } from "./fake-worker.ts";
import { openQueue } from "./opened-queue.ts";
import type { RecordedRequest } from "./recording.ts";

const NOTED = { notesCustody: true };
const NOTHING_LEFT = "0 slots are taken, 0 places are taken, 0 tokens are left";

async function expectDrain({ worker }: FakePuller): Promise<void> {
  assert.equal((await worker.receive()).type, FrameType.drain);
}

/** A dispatcher that only keeps what it is given. */
function openElsewhere(): Dispatcher & { readonly submitted: WorkerRequest[] } {
  const submitted: WorkerRequest[] = [];
  return { submitted, submit: (request) => submitted.push(request), cancel: () => undefined };
}

test("SharedQueue lets no worker pull before its generation is active", async (t) => {
  const { queue, tokensPath, dial } = await openQueue(t);
  const worker = await dial(5, 2);
  queue.activate(2, tokensPath(2));
  await worker.waitForPull();
});

test("SharedQueue keeps requests that come before any generation is active", async (t) => {
  const { queue, tokensPath, boot, submit } = await openQueue(t, { active: null });
  const request = submit("/early", NOTED);
  assert.deepEqual(request.lines, []);
  queue.activate(1, tokensPath(1));
  const worker = await boot(1);
  assert.equal(await worker.serve(), "/early");
});

test("SharedQueue.activate() lets the workers of the generation before read the end, and tells them to leave", async (t) => {
  const { queue, tokensPath, boot } = await openQueue(t);
  const older = await boot(1, 1);
  queue.activate(2, tokensPath(2));
  await expectDrain(older);
  assert.equal(older.tokens.take(), "end");
});

test("SharedQueue.activate() brings what waits behind busy workers to the idle ones of the next generation", async (t) => {
  const { queue, tokensPath, boot, dial, submit } = await openQueue(t);
  const busy = await boot(1, 1);
  const slow = submit("/slow", NOTED);
  const { stream } = await busy.take();
  const requests = ["/1", "/2"].map((target) => submit(target, NOTED));
  await nextTurn();
  // Not even written when the generation changes.
  requests.push(submit("/3", NOTED));
  const next = await dial(2, 2);
  queue.activate(2, tokensPath(2));
  await next.waitForPull();
  assert.deepEqual([await next.serve(), await next.serve(), await next.serve()], ["/1", "/2", "/3"]);
  for (const request of requests) await request.events.waitFor("released");
  assert.deepEqual(requests[0]?.lines, ["issued", "started by 4002", "response 200 hi (end)", "released"]);
  busy.answer(stream);
  await slow.events.waitFor("released");
  assert.equal(queue.takeStock(), NOTHING_LEFT);
});

test("SharedQueue issues a request anew whose token came over from an older generation, when a worker of the next dies with it", async (t) => {
  const { queue, tokensPath, told, boot, dial, submit, settle } = await openQueue(t);
  const busy = await boot(1, 1);
  const slow = submit("/slow", NOTED);
  const { stream } = await busy.take();
  const request = submit("/a", NOTED);
  const [dying, other] = [await dial(2, 2), await dial(3, 2)];
  queue.activate(2, tokensPath(2));
  await Promise.all([dying.waitForPull(), other.waitForPull()]);
  await dying.tokens.next();
  dying.worker.destroy();
  await told.waitFor("lost 2 with nothing");
  await settle();
  assert.equal(await other.serve(), "/a");
  await request.events.waitFor("released");
  busy.answer(stream);
  await slow.events.waitFor("released");
  assert.equal(queue.takeStock(), NOTHING_LEFT);
});

test("SharedQueue.activate() leaves a request to the older worker that has its token", async (t) => {
  const { queue, tokensPath, boot, submit, settle } = await openQueue(t);
  const older = await boot(1, 1);
  const request = submit("/a", NOTED);
  const token = await older.tokens.next();
  queue.activate(2, tokensPath(2));
  await settle();
  await settle();
  assert.notEqual(older.find(token), null);
  assert.notEqual(older.claimStream(token.stream), null);
  older.answer(token.stream);
  await request.events.waitFor("released");
  assert.deepEqual(request.lines, ["issued", "started by 4001", "response 200 hi (end)", "released"]);
});

for (const { what, leaves } of [
  { what: "dies", leaves: (older: FakePuller) => older.worker.destroy() },
  {
    what: "leaves in order, and lies about it",
    leaves: (older: FakePuller) => {
      older.worker.send({ type: FrameType.ready, flags: LAST });
      older.worker.end();
    },
  },
]) {
  test(`SharedQueue issues a request anew that the last worker of an older generation had a token of, when it ${what}`, async (t) => {
    const { queue, tokensPath, told, boot, dial, submit, settle } = await openQueue(t);
    const older = await boot(1, 1);
    const request = submit("/a", NOTED);
    await older.tokens.next();
    const next = await dial(2, 2);
    queue.activate(2, tokensPath(2));
    await expectDrain(older);
    leaves(older);
    await told.waitFor("lost 1 with nothing");
    await settle();
    await next.waitForPull();
    assert.equal(await next.serve(), "/a");
    await request.events.waitFor("released");
    assert.equal(queue.takeStock(), NOTHING_LEFT);
  });
}

test("SharedQueue leaves the requests of the active generation alone when a worker of an older one dies", async (t) => {
  const { queue, tokensPath, told, boot, dial, submit, settle } = await openQueue(t);
  const older = await boot(1, 1);
  const next = await dial(2, 2);
  queue.activate(2, tokensPath(2));
  await next.waitForPull();
  const request = submit("/a", NOTED);
  const token = await next.tokens.next();
  older.worker.destroy();
  await told.waitFor("lost 1 with nothing");
  await settle();
  assert.notEqual(next.find(token), null);
  assert.deepEqual(request.lines, ["issued"]);
});

test("SharedQueue tells a worker of an older generation that comes late to leave, without letting it pull", async (t) => {
  const { queue, tokensPath, dial } = await openQueue(t);
  queue.activate(2, tokensPath(2));
  await expectDrain(await dial(1, 1));
});

test("SharedQueue.activate() of the active generation leaves its workers and requests where they are", async (t) => {
  const { queue, tokensPath, boot, submit } = await openQueue(t);
  const worker = await boot(1);
  submit("/a");
  await nextTurn();
  queue.activate(1, tokensPath(1));
  assert.equal(await worker.serve(), "/a");
});

test("SharedQueue.activate() that cannot open the FIFO changes nothing", async (t) => {
  const { queue, boot, submit } = await openQueue(t);
  const worker = await boot(1);
  submit("/a");
  assert.throws(() => queue.activate(2, "/not/there"), { code: "ENOENT" });
  assert.equal(await worker.serve(), "/a");
});

test("SharedQueue.deactivate() sends what nobody has begun another way, and lets the rest be answered", async (t) => {
  const { queue, boot, submit, settle } = await openQueue(t);
  const [worker, stopped] = [await boot(1), await boot(2)];
  const begun = submit("/begun", NOTED);
  const { stream } = await worker.take();
  const held = submit("/held", NOTED);
  await stopped.tokens.next();
  const left = ["/1", "/2"].map((target) => submit(target, NOTED));
  const elsewhere = openElsewhere();
  queue.deactivate(2, elsewhere);
  assert.deepEqual(elsewhere.submitted, left);
  assert.deepEqual(left[0]?.lines, ["issued", "withdrawn"]);
  const later = submit("/later");
  assert.deepEqual(elsewhere.submitted.at(-1), later);
  worker.answer(stream);
  await begun.events.waitFor("released");
  stopped.worker.destroy();
  worker.worker.destroy();
  await settle();
  await settle();
  await expectLost(elsewhere, held, settle);
  assert.equal(queue.takeStock(), NOTHING_LEFT);
});

async function expectLost(
  { submitted }: { readonly submitted: readonly WorkerRequest[] },
  request: RecordedRequest,
  settle: () => Promise<void>,
): Promise<void> {
  while (!submitted.includes(request)) {
    await nextTurn();
    await settle();
  }
}

test("SharedQueue.deactivate() sends on what waits for a slot, too, and nothing whose client has left", async (t) => {
  const { queue, submit } = await openQueue(t);
  const requests = Array.from({ length: 600 }, (_, index) => submit(`/${index}`));
  const [first, last] = [requests[0], requests[599]];
  assert.ok(first !== undefined && last !== undefined);
  queue.cancel(first);
  queue.cancel(last);
  const elsewhere = openElsewhere();
  queue.deactivate(2, elsewhere);
  assert.deepEqual(
    elsewhere.submitted.map(({ target }) => target),
    requests.slice(1, 599).map(({ target }) => target),
  );
});

test("SharedQueue.activate() after deactivate() issues requests again", async (t) => {
  const { queue, tokensPath, dial, submit } = await openQueue(t);
  queue.deactivate(2, openElsewhere());
  queue.activate(3, tokensPath(3));
  const worker = await dial(1, 3);
  await worker.waitForPull();
  submit("/a");
  assert.equal(await worker.serve(), "/a");
});

test("SharedQueue lets a worker wait for a claim when all are in use, and pull when there is one", async (t) => {
  const { ownRing, told, dial, boot } = await openQueue(t);
  const other = await boot(1);
  const taken: number[] = [];
  for (let claim = ownRing.openClaim(); claim !== null; claim = ownRing.openClaim()) taken.push(claim);
  assert.equal(taken.length, 4095);
  const waiting = await dial(2);
  other.worker.end();
  await told.waitFor("lost 1 with nothing");
  await waiting.waitForPull();
  assert.equal(waiting.claim, other.claim);
});

test("SharedQueue keeps no descriptor of a generation that has left, and loses no request, however many there were", async (t) => {
  const generations = 1000;
  const { queue, folder, tokensPath, submit } = await openQueue(t, { generations });
  const elsewhere = openElsewhere();
  const requests = Array.from({ length: 10 }, (_, index) => submit(`/${index}`, NOTED));
  for (let generation = 2; generation <= generations; generation += 1) {
    if (generation % 5 === 0) {
      queue.deactivate(generation, elsewhere);
      continue;
    }
    queue.activate(generation, tokensPath(generation));
    for (const request of elsewhere.submitted.splice(0)) queue.submit(request);
    if (generation % 7 === 0) await nextTurn();
  }
  assert.equal(elsewhere.submitted.length, requests.length);
  assert.equal(queue.takeStock(), NOTHING_LEFT);
  assert.deepEqual(openFilesBelow(folder), [join(folder, "ring-0"), join(folder, "ring-0")]);
  queue.destroy();
  assert.deepEqual(openFilesBelow(folder), [join(folder, "ring-0")]);
});
