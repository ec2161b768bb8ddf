import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { requestPayloadBytes, writeRequestPayload, type RequestBody } from "../channel/messages.ts";
import { BodyPlaces, countPlaces } from "./body-places.ts";
import { ClaimNumbers, Claims } from "./claims.ts";
import {
  BY_CHANNEL,
  CLAIMS_OFFSET,
  CLAIM_BYTES,
  CLAIM_COUNT,
  EPOCH_OFFSET,
  HEADER_BYTES,
  PLACE_BYTES,
  RING_BYTES,
  ringHeader,
  SLOT_BYTES,
  SLOT_COUNT,
  SLOT_HEADER_BYTES,
  slotOf,
  SLOTS_LIMIT,
  SLOTS_OFFSET,
} from "./ring-layout.ts";
import { Slots } from "./slots.ts";

/** Requests are gathered up to this size before they are written. */
const BATCH_BYTES = 16 * SLOTS_LIMIT * SLOT_BYTES;

const EPOCH_LIMIT = 2 ** 16;
const STREAMS_APART = 128;
const CLAIMS_APART = 512;

/**
 * Makes a ring's file with all its blocks, so that no later store can find the file system full; but not those of
 * the places for bodies behind it.
 */
export function createRing(path: string, places = 0): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    writeFully(fd, Buffer.alloc(RING_BYTES), 0);
    addPlaces(fd, places);
  } finally {
    closeSync(fd);
  }
}

/** A router's ring of slots: it writes requests, workers map the file and read them. queue.md draws it. */
export class Ring {
  /** Tells this router from the one before it, in the header and in tokens. */
  readonly epoch: number;
  /** For bodies that are too large for slots. */
  readonly places: BodyPlaces;
  readonly #fd: number;
  readonly #slots: Slots;
  readonly #claimNumbers: ClaimNumbers;
  /** 1 for each slot whose request has its body in a place. */
  readonly #withPlace = new Uint8Array(SLOT_COUNT);
  readonly #batch = Buffer.alloc(BATCH_BYTES);
  readonly #claims = Buffer.alloc(CLAIM_COUNT * CLAIM_BYTES);
  #batchOffset = 0;
  #batchBytes = 0;

  /** Takes over a file that `createRing` made. What a router before has left in it is wiped out. */
  constructor(path: string) {
    this.#fd = openSync(path, "r+");
    this.epoch = (readEpoch(this.#fd) + 1) % EPOCH_LIMIT;
    const places = countPlaces(this.#fd);
    // First the epoch: a worker of the router before must not take what is still there for this one's.
    writeFully(this.#fd, ringHeader(this.epoch, places), 0);
    // A file of a wrong size would make the workers' stores fail by a signal: this gives it its own.
    this.places = new BodyPlaces(this.#fd, places);
    writeFully(this.#fd, Buffer.alloc(RING_BYTES - HEADER_BYTES), HEADER_BYTES);
    // Streams and claims begin elsewhere than those of the router before.
    this.#slots = new Slots(this.epoch * STREAMS_APART);
    this.#claimNumbers = new ClaimNumbers(this.epoch * CLAIMS_APART);
  }

  /** Free slots. */
  get free(): number {
    return this.#slots.free;
  }

  /**
   * Puts a request into free slots; it is written by the next `flush`. Returns its stream, or 0 when there is
   * no room now.
   */
  put(environ: string, body: RequestBody): number {
    const bytes = requestPayloadBytes(environ, body);
    const count = slotsFor(bytes);
    let stream = this.#mayTake(count) ? this.#slots.take(count) : 0;
    const isByChannel = stream === 0 && count > 1;
    if (isByChannel) stream = this.#slots.take(1);
    if (stream === 0) return 0;
    if (body.type === "placed") this.#withPlace[slotOf(stream)] = 1;
    const at = this.#reserve(slotOf(stream), isByChannel ? 1 : count);
    const batch = this.#batch;
    const flags = isByChannel
      ? BY_CHANNEL
      : writeRequestPayload(batch, at + SLOT_HEADER_BYTES, environ, body);
    batch.writeUInt32LE(stream, at);
    batch.writeUInt32LE(flags, at + 4);
    batch.writeUInt32LE(isByChannel ? 0 : bytes, at + 8);
    batch.writeUInt32LE(0, at + 12);
    // What lies behind the last request of a batch need not be written.
    this.#batchBytes = at + SLOT_HEADER_BYTES + (isByChannel ? 0 : bytes);
    return stream;
  }

  /** Writes what was put. */
  flush(): void {
    if (this.#batchBytes === 0) return;
    writeFully(this.#fd, this.#batch.subarray(0, this.#batchBytes), this.#batchOffset);
    this.#batchBytes = 0;
  }

  /** From now on nobody may begin the request; who has claimed it before, goes on. */
  withdraw(stream: number): void {
    this.flush();
    writeFully(this.#fd, Buffer.alloc(4), SLOTS_OFFSET + slotOf(stream) * SLOT_BYTES);
  }

  /** Gives the slots of a stream back: nobody reads them any more. The place of its body is free afterwards. */
  release(stream: number): void {
    const slot = slotOf(stream);
    if (this.#withPlace[slot] === 1) {
      this.#withPlace[slot] = 0;
      // A worker that is still about to read the place must find out that another body may lie there.
      this.withdraw(stream);
    }
    this.#slots.release(slot);
  }

  /** How many slots a stream has. */
  slotsOf(stream: number): number {
    return this.#slots.countOf(slotOf(stream));
  }

  /** A claim for a channel that is to pull; null when all are in use. */
  openClaim(): number | null {
    const claim = this.#claimNumbers.take();
    if (claim !== null) this.#clearClaim(claim);
    return claim;
  }

  /** The channel is gone. */
  closeClaim(claim: number): void {
    this.#clearClaim(claim);
    this.#claimNumbers.release(claim);
  }

  readClaims(): Claims {
    readSync(this.#fd, this.#claims, 0, this.#claims.length, CLAIMS_OFFSET);
    return new Claims(this.#claims);
  }

  #clearClaim(claim: number): void {
    writeFully(this.#fd, Buffer.alloc(CLAIM_BYTES), CLAIMS_OFFSET + claim * CLAIM_BYTES);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /**
   * Several slots are taken only while there are plenty. Else a few large requests that take long would leave
   * no slots for others, though workers are idle; they go by channel, which needs one slot.
   */
  #mayTake(count: number): boolean {
    return count === 1 || (count <= SLOTS_LIMIT && this.#slots.free > SLOT_COUNT / 2);
  }

  /** Room in the batch for `count` slots; what does not follow the slots before is begun anew. */
  #reserve(slot: number, count: number): number {
    const offset = SLOTS_OFFSET + slot * SLOT_BYTES;
    const at = offset - this.#batchOffset;
    const isNext = this.#batchBytes > 0 && at >= this.#batchBytes && at - this.#batchBytes < SLOT_BYTES;
    if (isNext && at + count * SLOT_BYTES <= BATCH_BYTES) return at;
    this.flush();
    this.#batchOffset = offset;
    return 0;
  }
}

function addPlaces(fd: number, count: number): void {
  try {
    ftruncateSync(fd, RING_BYTES + count * PLACE_BYTES);
  } catch {
    // This user's files may not be so large. There are none, then.
  }
}

function readEpoch(fd: number): number {
  const header = Buffer.alloc(HEADER_BYTES);
  readSync(fd, header, 0, HEADER_BYTES, 0);
  return header.readUInt16LE(EPOCH_OFFSET);
}

function slotsFor(bytes: number): number {
  return Math.ceil((bytes + SLOT_HEADER_BYTES) / SLOT_BYTES);
}

function writeFully(fd: number, bytes: Buffer, position: number): void {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(fd, bytes, written, bytes.length - written, position + written);
  }
}
