import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test, type TestContext } from "node:test";

import { Tokens, type TokensOptions } from "../../src/queue/tokens.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { makeFifos, TokensEnd } from "../router/fake-puller.ts";
import { openFilesBelow } from "../system/open-files.ts";
import { recordedPart, recordedRing } from "./recorded-ring.ts";

/** More than any FIFO holds. */
const TOO_MANY = 20_000;

async function openFifo(t: TestContext): Promise<{
  readonly folder: string;
  readonly path: string;
  readonly open: (options?: Partial<TokensOptions>) => Tokens;
  readonly end: TokensEnd;
}> {
  const folder = await temporaryFolder(t);
  const [path = ""] = makeFifos(folder, 1);
  const open = (options: Partial<TokensOptions> = {}): Tokens => {
    const tokens = new Tokens({ path, router: 3, epoch: 300, isLive: () => true, ...options });
    onTeardown(t, () => {
      try {
        tokens.close();
      } catch {
        // The test has closed it.
      }
    });
    return tokens;
  };
  return { folder, path, open, end: new TokensEnd(t, path) };
}

function streams(end: TokensEnd): number[] {
  return end.takeAll().map(({ stream }) => stream);
}

test("Tokens writes the recorded tokens", async (t) => {
  const { open, end } = await openFifo(t);
  const tokens = open({ router: 0, epoch: recordedRing.epoch });
  for (const { stream } of recordedRing.requests) tokens.push(stream);
  tokens.flush();
  const recorded = recordedPart("tokens");
  const expected = Array.from({ length: recorded.length / 8 }, (_, index) => ({
    stream: recorded.readUInt32LE(index * 8),
    router: recorded.readUInt16LE(index * 8 + 4),
    epoch: recorded.readUInt16LE(index * 8 + 6),
  }));
  assert.deepEqual(end.takeAll(), expected);
});

test("Tokens opens a FIFO that nobody reads, and holds tokens for who comes later", async (t) => {
  const folder = await temporaryFolder(t);
  const [path = ""] = makeFifos(folder, 1);
  const tokens = new Tokens({ path, router: 0, epoch: 1, isLive: () => true });
  t.after(() => tokens.close());
  tokens.push(4711);
  tokens.flush();
  assert.deepEqual(streams(new TokensEnd(t, path)), [4711]);
});

test("Tokens writes nothing before flush(), and everything then, in its order", async (t) => {
  const { open, end } = await openFifo(t);
  const tokens = open();
  const pushed = Array.from({ length: 1000 }, (_, index) => index + 512);
  for (const stream of pushed) tokens.push(stream);
  assert.equal(end.take(), null);
  tokens.flush();
  assert.deepEqual(streams(end), pushed);
  tokens.flush();
  assert.equal(end.take(), null);
});

test("Tokens.flush() of more than the FIFO holds keeps the rest, and loses and doubles nothing", async (t) => {
  const { open, end } = await openFifo(t);
  const tokens = open();
  const pushed = Array.from({ length: TOO_MANY }, (_, index) => index + 512);
  for (const stream of pushed) tokens.push(stream);
  const read: number[] = [];
  for (let round = 0; round < 20 && read.length < TOO_MANY; round += 1) {
    tokens.flush();
    read.push(...streams(end));
  }
  assert.deepEqual(read, pushed);
});

test("Tokens.flush() throws stale tokens out of a full FIFO rather than wait for room", async (t) => {
  const { open, end } = await openFifo(t);
  const tokens = open({ isLive: (stream) => stream === 77 || stream > TOO_MANY });
  for (let stream = 1; stream <= TOO_MANY; stream += 1) {
    tokens.push(stream);
    tokens.flush();
  }
  tokens.push(TOO_MANY + 1);
  tokens.flush();
  const left = streams(end);
  assert.deepEqual(
    left.filter((stream) => stream === 77 || stream > TOO_MANY),
    [77, TOO_MANY + 1],
  );
  assert.ok(left.length < 10_000, `${left.length} tokens`);
});

test("Tokens.takeBack() takes out what nobody has read, of the live ones, in their order", async (t) => {
  const { open, end } = await openFifo(t);
  const tokens = open({ isLive: (stream) => stream !== 3 });
  for (const stream of [1, 2, 3, 4]) tokens.push(stream);
  tokens.flush();
  tokens.push(5);
  assert.deepEqual(end.take(), { stream: 1, router: 3, epoch: 300 });
  assert.deepEqual(tokens.takeBack(), [2, 4, 5]);
  assert.equal(end.take(), null);
  tokens.flush();
  assert.equal(end.take(), null);
  assert.deepEqual(tokens.takeBack(), []);
});

test("Tokens.takeBack() leaves the tokens of other routers in the FIFO, and throws out those of a dead one's epoch", async (t) => {
  const { open, end } = await openFifo(t);
  const [dead, other, own] = [open({ epoch: 299 }), open({ router: 4, epoch: 7 }), open()];
  for (const [index, tokens] of [dead, other, own, other, own].entries()) {
    tokens.push(600 + index);
    tokens.flush();
  }
  assert.deepEqual(own.takeBack(), [602, 604]);
  assert.deepEqual(end.takeAll(), [
    { stream: 601, router: 4, epoch: 7 },
    { stream: 603, router: 4, epoch: 7 },
  ]);
});

test("Tokens.close() lets readers see the end once they have taken what is there, and keeps nothing open", async (t) => {
  const { folder, open, end, path } = await openFifo(t);
  const tokens = open();
  tokens.push(4711);
  tokens.flush();
  tokens.close();
  assert.deepEqual(end.take(), { stream: 4711, router: 3, epoch: 300 });
  assert.equal(end.take(), "end");
  assert.deepEqual(openFilesBelow(folder), [path]);
});

test("Tokens passes on that its path is no FIFO of anybody's", async (t) => {
  const { folder } = await openFifo(t);
  const options = { router: 0, epoch: 1, isLive: () => true };
  assert.throws(() => new Tokens({ path: `${folder}/missing`, ...options }), { code: "ENOENT" });
  writeFileSync(`${folder}/closed`, "", { mode: 0 });
  assert.throws(() => new Tokens({ path: folder, ...options }), { code: "EISDIR" });
});
