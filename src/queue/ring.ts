import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { writeRequestPayload, type RequestBody } from "../channel/messages.ts";
import {
  BY_CHANNEL,
  CLAIMS_OFFSET,
  CLAIM_BYTES,
  FINISHED_CELLS,
  FINISHED_CELL_BYTES,
  FINISHED_OFFSET,
  RING_BYTES,
  RING_REQUEST_BYTES,
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

/** Makes a ring's file with all its blocks, so that no later store can find the file system full. */
export function createRing(path: string): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    writeFully(fd, Buffer.alloc(RING_BYTES), 0);
  } finally {
    closeSync(fd);
  }
}

/** Who claimed what, as it stood in the file when it was read. */
export class Claims {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The key of the channel whose worker claimed the stream; 0: nobody did. */
  keyOf(stream: number): number {
    const offset = slotOf(stream) * CLAIM_BYTES;
    return this.#bytes.readUInt32LE(offset + 4) === stream ? this.#bytes.readUInt32LE(offset) : 0;
  }
}

/** A router's ring of slots: it writes requests, workers map the file and read them. queue.md draws it. */
export class Ring {
  /** Sets this router's tokens apart from those of the one before it. */
  readonly epoch: number;
  readonly #fd: number;
  readonly #slots: Slots;
  readonly #batch = Buffer.alloc(BATCH_BYTES);
  readonly #claims = Buffer.allocUnsafe(SLOT_COUNT * CLAIM_BYTES);
  #batchOffset = 0;
  #batchBytes = 0;

  /** Takes over a file that `createRing` made. What a router before has left in it is wiped out. */
  constructor(path: string, epoch: number) {
    this.epoch = epoch;
    this.#fd = openSync(path, "r+");
    // A file of a wrong size would make the workers' stores fail by a signal.
    ftruncateSync(this.#fd, RING_BYTES);
    writeFully(this.#fd, Buffer.alloc(RING_BYTES), 0);
    writeFully(this.#fd, ringHeader(epoch), 0);
    this.#slots = new Slots(Math.floor(Math.random() * SLOT_COUNT * SLOT_COUNT));
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
    const bytes = 4 + environ.length + bodyBytes(body);
    const isByChannel = bytes > RING_REQUEST_BYTES;
    const count = isByChannel ? 1 : slotsFor(bytes);
    const stream = this.#slots.take(count);
    if (stream === 0) return 0;
    const at = this.#reserve(slotOf(stream), count);
    const batch = this.#batch;
    batch.writeUInt32LE(stream, at);
    batch.writeUInt32LE(isByChannel ? 0 : bytes, at + 8);
    const flags = isByChannel
      ? BY_CHANNEL
      : writeRequestPayload(batch, at + SLOT_HEADER_BYTES, environ, body);
    batch.writeUInt32LE(flags, at + 4);
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

  /** Gives the slots of a stream back: nobody reads them any more. */
  release(stream: number): void {
    this.#slots.release(slotOf(stream));
  }

  readClaims(): Claims {
    readSync(this.#fd, this.#claims, 0, this.#claims.length, CLAIMS_OFFSET);
    return new Claims(this.#claims);
  }

  /** The stream that the worker behind a channel has wholly finished last. */
  readFinished(key: number): number {
    const cell = Buffer.allocUnsafe(FINISHED_CELL_BYTES);
    readSync(this.#fd, cell, 0, cell.length, FINISHED_OFFSET + (key % FINISHED_CELLS) * FINISHED_CELL_BYTES);
    return cell.readUInt32LE(0);
  }

  close(): void {
    closeSync(this.#fd);
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

function slotsFor(bytes: number): number {
  return Math.ceil((bytes + SLOT_HEADER_BYTES) / SLOT_BYTES);
}

function bodyBytes(body: RequestBody): number {
  return body.type === "file" ? Buffer.byteLength(body.path) : body.bytes;
}

function writeFully(fd: number, bytes: Buffer, position: number): void {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(fd, bytes, written, bytes.length - written, position + written);
  }
}
