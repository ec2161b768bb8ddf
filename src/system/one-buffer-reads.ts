import { Socket } from "node:net";

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
 * `onread`, which does so, is for sockets that are made by hand. So the connection moves to one: `handle` is what
 * Node's own `child_process` makes a socket from. The one that was accepted is at its end, and must not be used.
 */
export function readIntoOneBuffer(accepted: Socket, { bufferBytes, onBytes }: OneBufferReadsOptions): Socket {
  let buffer = Buffer.allocUnsafeSlow(bufferBytes);
  const take = (count: number): boolean => {
    // Few bytes are not to hold a large buffer.
    if (count < bufferBytes / 2) onBytes(Buffer.from(buffer.subarray(0, count)));
    else if (onBytes(buffer.subarray(0, count))) buffer = Buffer.allocUnsafeSlow(bufferBytes);
    return true;
  };
  const handle: unknown = Reflect.get(accepted, "_handle");
  const readBefore: unknown = accepted.read();
  Reflect.set(accepted, "_handle", null);
  accepted.destroy();
  const socket = new Socket({ handle, onread: { buffer: () => buffer, callback: take } } as object);
  // It was closed meanwhile: "close" follows, as with any socket.
  if (handle === null) socket.destroy();
  if (readBefore instanceof Buffer) {
    // As if it came now: the caller does not have the socket yet.
    process.nextTick(() => socket.destroyed || onBytes(readBefore));
  }
  return socket;
}
