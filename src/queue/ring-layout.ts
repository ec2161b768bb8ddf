/** Where things stand in a ring's file. queue.md draws it; python/tunicorn/queue.py reads the offsets from the header. */

/** "tunq", little-endian. */
const RING_MAGIC = 0x716e7574;
const RING_VERSION = 2;

/** A power of two: the low bits of a stream are its slot. */
export const SLOT_COUNT = 512;
/** Holds the usual request; a larger one takes several slots, up to `SLOTS_LIMIT`. */
export const SLOT_BYTES = 4096;
export const SLOTS_LIMIT = 16;
/** Octets of a slot before the request: stream, flags, size, reserved. */
export const SLOT_HEADER_BYTES = 16;

export const HEADER_BYTES = 64;
/** Where the header says whose the ring is. */
export const EPOCH_OFFSET = 6;
/** One for each channel that pulls; far more than there are slots to be claimed at once. */
export const CLAIM_COUNT = 4096;
export const CLAIM_BYTES = 4;
export const CLAIMS_OFFSET = HEADER_BYTES;
/** On a page of its own. */
export const SLOTS_OFFSET = Math.ceil((CLAIMS_OFFSET + CLAIM_COUNT * CLAIM_BYTES) / SLOT_BYTES) * SLOT_BYTES;
export const RING_BYTES = SLOTS_OFFSET + SLOT_COUNT * SLOT_BYTES;

/** Behind the slots: places for large bodies. They take memory once they are used, and not all need be there. */
export const PLACES_OFFSET = RING_BYTES;
export const PLACE_BYTES = 1024 * 1024;
export const PLACES_LIMIT = 64;
/** A body that is larger than a place takes several in a row. */
export const PLACES_OF_A_BODY = 4;

/** In a slot's flags: the request is not in the ring; the worker asks for it over its channel. */
export const BY_CHANNEL = 128;

export const TOKEN_BYTES = 8;

/** The header of a ring, with the epoch of its router and the number of places for bodies. */
export function ringHeader(epoch: number, places: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(RING_MAGIC, 0);
  header.writeUInt16LE(RING_VERSION, 4);
  header.writeUInt16LE(epoch, EPOCH_OFFSET);
  const numbers = [
    SLOT_COUNT,
    SLOT_BYTES,
    CLAIMS_OFFSET,
    CLAIM_COUNT,
    SLOTS_OFFSET,
    PLACES_OFFSET,
    PLACE_BYTES,
    places,
  ];
  for (const [index, number] of numbers.entries()) header.writeUInt32LE(number, 8 + index * 4);
  return header;
}

/** The slot of a stream. */
export function slotOf(stream: number): number {
  return stream % SLOT_COUNT;
}
