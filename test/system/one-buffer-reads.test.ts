import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { readIntoOneBuffer } from "../../src/system/one-buffer-reads.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const BUFFER_BYTES = 64;

/** Two ends of a connection; the first one was accepted. */
async function openPair(t: TestContext): Promise<{ readonly accepted: Socket; readonly peer: Socket }> {
  const path = join(await temporaryFolder(t), "socket");
  const server = createServer({ pauseOnConnect: true });
  onTeardown(t, () => void server.close());
  const accepting = new Promise<Socket>((resolve) => server.once("connection", resolve));
  server.listen(path);
  await once(server, "listening");
  const peer = connect(path);
  onTeardown(t, () => void peer.destroy());
  return { accepted: await accepting, peer };
}

/** Reads until so many bytes have come; `keeps` says of each piece whether it is still needed. */
async function readSome(
  socket: Socket,
  { bytes, keeps, onPiece = () => undefined }: { bytes: number; keeps: boolean; onPiece?: () => void },
): Promise<readonly Buffer[]> {
  const pieces: Buffer[] = [];
  const reading = new Promise<readonly Buffer[]>((resolve) => {
    let count = 0;
    const reader = readIntoOneBuffer(socket, {
      bufferBytes: BUFFER_BYTES,
      onBytes: (piece) => {
        pieces.push(piece);
        count += piece.length;
        if (count >= bytes) {
          reader.destroy();
          resolve(pieces);
        } else onPiece();
        return keeps;
      },
    });
    reader.resume();
  });
  return withDeadline(reading, { deadlineMs: ANSWER_DEADLINE_MS, what: () => `${bytes} bytes` });
}

const CONTENT = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251));

test("pieces that are still needed are not overwritten", async (t) => {
  const { accepted, peer } = await openPair(t);
  peer.write(CONTENT);
  const pieces = await readSome(accepted, { bytes: CONTENT.length, keeps: true });
  assert(Buffer.concat(pieces).equals(CONTENT));
  assert(pieces.every(({ length }) => length <= BUFFER_BYTES));
});

test("the memory of pieces that are not needed is used again", async (t) => {
  const { accepted, peer } = await openPair(t);
  peer.write(CONTENT);
  const pieces = await readSome(accepted, { bytes: CONTENT.length, keeps: false });
  const [first, second] = pieces;
  assert(first?.length === BUFFER_BYTES && first.buffer === second?.buffer);
});

test("a small piece is never overwritten, as it is a copy", async (t) => {
  const { accepted, peer } = await openPair(t);
  peer.write("a");
  const onPiece = (): void => void peer.write("b");
  const pieces = await readSome(accepted, { bytes: 2, keeps: false, onPiece });
  assert.deepEqual(pieces.map(String), ["a", "b"]);
});

test("what was read before comes first", async (t) => {
  const { accepted, peer } = await openPair(t);
  accepted.unshift(Buffer.from("before, "));
  peer.write("after");
  const pieces = await readSome(accepted, { bytes: 13, keeps: false });
  assert.equal(Buffer.concat(pieces).toString(), "before, after");
});

test("the end of the peer closes it", async (t) => {
  const { accepted, peer } = await openPair(t);
  const socket = readIntoOneBuffer(accepted, { bufferBytes: BUFFER_BYTES, onBytes: () => false });
  peer.end();
  await withDeadline(once(socket, "close"), { deadlineMs: ANSWER_DEADLINE_MS, what: () => "close" });
});

test("one that was closed before closes at once", async (t) => {
  const { accepted } = await openPair(t);
  accepted.destroy();
  const socket = readIntoOneBuffer(accepted, { bufferBytes: BUFFER_BYTES, onBytes: () => false });
  await withDeadline(once(socket, "close"), { deadlineMs: ANSWER_DEADLINE_MS, what: () => "close" });
});
