/** Where things stand in a ring's file. queue.md draws it; python/tunicorn/queue.py reads the offsets from the header. */

/** "tunq", little-endian. */
export const RING_MAGIC = 0x716e7574;
export const RING_VERSION = 1;

/** A power of two: the low bits of a stream are its slot. */
export const SLOT_COUNT = 512;
/** Holds the usual request; a larger one takes several slots, up to `SLOTS_LIMIT`. */
export const SLOT_BYTES = 4096;
export const SLOTS_LIMIT = 16;
/** Octets of a slot before the request: stream, flags, size, reserved. */
export const SLOT_HEADER_BYTES = 16;

export const HEADER_BYTES = 64;
export const CLAIM_BYTES = 8;
export const CLAIMS_OFFSET = HEADER_BYTES;
/** Channels beyond this number share a cell, which only costs accuracy. */
export const FINISHED_CELLS = 1024;
export const FINISHED_CELL_BYTES = 4;
export const FINISHED_OFFSET = CLAIMS_OFFSET + SLOT_COUNT * CLAIM_BYTES;
/** On a page of its own. */
export const SLOTS_OFFSET =
  Math.ceil((FINISHED_OFFSET + FINISHED_CELLS * FINISHED_CELL_BYTES) / SLOT_BYTES) * SLOT_BYTES;
export const RING_BYTES = SLOTS_OFFSET + SLOT_COUNT * SLOT_BYTES;

/** The largest request that fits in a ring, as a REQUEST frame's payload. */
export const RING_REQUEST_BYTES = SLOTS_LIMIT * SLOT_BYTES - SLOT_HEADER_BYTES;

/** In a slot's flags: the request is too large for a ring; the worker asks for it over its channel. */
export const BY_CHANNEL = 128;

export const TOKEN_BYTES = 8;

/** The header of a ring whose router has this epoch. */
export function ringHeader(epoch: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(RING_MAGIC, 0);
  header.writeUInt16LE(RING_VERSION, 4);
  header.writeUInt16LE(epoch, 6);
  const numbers = [SLOT_COUNT, SLOT_BYTES, CLAIMS_OFFSET, FINISHED_OFFSET, FINISHED_CELLS, SLOTS_OFFSET];
  for (const [index, number] of numbers.entries()) header.writeUInt32LE(number, 8 + index * 4);
  return header;
}

/** The slot of a stream. */
export function slotOf(stream: number): number {
  return stream % SLOT_COUNT;
}

/** Threads of one worker that can be told apart. */
const THREADS = 1024;

/** Tells the channels of all workers of a server apart, in a claim. */
export function channelKey(worker: number, thread: number): number {
  return (worker * THREADS + (thread % THREADS)) % 2 ** 32;
}
