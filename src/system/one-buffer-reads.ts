import type { Socket } from "node:net";
import { takeConnection, type AcceptedConnection } from "./accepting.ts";

/** How bytes that were read are taken. */
export interface OneBufferReadsOptions {
  readonly bufferBytes: number;
  /** Takes what was read. True: the bytes are still needed later, and must not be overwritten. */
  readonly onBytes: (bytes: Buffer) => boolean;
}

/**
 * Lets a socket read into one buffer, again and again. Node's streams take new memory for each 64 KiB, which is
 * cold, and costs the garbage collector; a buffer that stays in the processor's cache halves what a large body costs.
 *
 * `onread`, which does so, is for sockets that are made by hand. So the connection moves to one; that which was
 * accepted is at its end, and must not be used.
 */
export function readIntoOneBuffer(accepted: Socket, { bufferBytes, onBytes }: OneBufferReadsOptions): Socket {
  let buffer = Buffer.allocUnsafeSlow(bufferBytes);
  const take = (count: number): boolean => {
    // Few bytes are not to hold a large buffer.
    if (count < bufferBytes / 2) onBytes(Buffer.from(buffer.subarray(0, count)));
    else if (onBytes(buffer.subarray(0, count))) buffer = Buffer.allocUnsafeSlow(bufferBytes);
    return true;
  };
  const readBefore: unknown = accepted.read();
  const socket = takeConnection(accepted).open({
    allowHalfOpen: accepted.allowHalfOpen,
    onread: { buffer: () => buffer, callback: take },
  });
  if (readBefore instanceof Buffer) {
    // As if it came now: the caller does not have the socket yet.
    process.nextTick(() => socket.destroyed || onBytes(readBefore));
  }
  return socket;
}

/** Stays in the cache of a processor, together with what is written from it. */
const LENT_BYTES = 256 * 1024;
let lent: Buffer | null = null;

/**
 * The same for many connections with one buffer for all: what was read is lent for the time of the call, and is
 * overwritten afterwards. They stay half open. `onBytes` returns whether to go on reading.
 */
export function readIntoLentBuffer(
  accepted: AcceptedConnection,
  onBytes: (bytes: Buffer) => boolean,
): Socket {
  const buffer = (lent ??= Buffer.allocUnsafeSlow(LENT_BYTES));
  const onread = { buffer, callback: (count: number) => onBytes(buffer.subarray(0, count)) };
  return accepted.open({ allowHalfOpen: true, onread });
}
