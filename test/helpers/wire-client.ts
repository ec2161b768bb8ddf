import { connect } from "node:net";

import { ANSWER_DEADLINE_MS } from "./deadlines.ts";

/** Sends the pieces one by one, each in a turn of its own, closes its side, and resolves with all that came back. */
export function exchangeBytes(port: number, pieces: Iterable<Buffer>): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const received: Buffer[] = [];
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    socket.setTimeout(ANSWER_DEADLINE_MS, () =>
      socket.destroy(new Error(`Nothing came for ${ANSWER_DEADLINE_MS} ms`)),
    );
    socket.on("data", (bytes: Buffer) => received.push(bytes));
    socket.once("end", () => socket.end());
    socket.once("error", reject);
    socket.once("close", () => resolve(Buffer.concat(received)));
    void sendPieces(pieces, (piece) => socket.write(piece)).then(() => socket.end());
  });
}

/** Sends the pieces and goes without a word. */
export function sendAndReset(port: number, pieces: Iterable<Buffer>): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.once("error", () => undefined);
    socket.once("close", () => resolve());
    void sendPieces(pieces, (piece) => socket.write(piece)).then(() => socket.resetAndDestroy());
  });
}

async function sendPieces(pieces: Iterable<Buffer>, send: (piece: Buffer) => void): Promise<void> {
  for (const piece of pieces) {
    send(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Runs `job` for each item, as many at once as `lanes`. */
export async function inLanes<Item>(
  items: Iterable<Item>,
  lanes: number,
  job: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) await job(next.value);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
