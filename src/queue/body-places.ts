import { fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";
import type { Waiting } from "../system/deadlines.ts";
import { PLACE_BYTES, PLACES_LIMIT, PLACES_OFFSET, RING_BYTES } from "./ring-layout.ts";

/** Places that nobody has used for so long give their memory back. */
const IDLE_MS = 10_000;

/**
 * Places behind the slots of a ring, each for one large body: the router writes it there as it comes, and the worker
 * reads it from there into the object that the application gets. No socket lies between, and the memory of a
 * place is used again and again. A worker compares the stream of its slot afterwards, so whoever gives a place
 * back has to withdraw the stream first.
 */
export class BodyPlaces implements Waiting {
  deadlineAt = Infinity;
  readonly count: number;
  readonly #fd: number;
  /** The one that was used last is given out first: it is in the processor's cache. */
  #free: number[];
  #isAllocated = false;

  /** `fd`: of a ring's file. What it held in places before is gone. */
  constructor(fd: number, count: number) {
    this.#fd = fd;
    this.count = count;
    this.#free = Array.from({ length: this.count }, (_, index) => this.count - 1 - index);
    this.#giveMemoryBack();
  }

  /** How many places have a body. */
  get taken(): number {
    return this.count - this.#free.length;
  }

  /** A place that nobody has; null: there is none. */
  take(): number | null {
    return this.#free.pop() ?? null;
  }

  release(place: number): void {
    this.#free.push(place);
    if (this.taken === 0) this.deadlineAt = performance.now() + IDLE_MS;
  }

  /** Writes into a place. False: the file system has no room for it. */
  write(place: number, offset: number, bytes: Buffer): boolean {
    this.#isAllocated = true;
    const position = startOf(place) + offset;
    try {
      let written = 0;
      while (written < bytes.length) {
        written += writeSync(this.#fd, bytes, written, bytes.length - written, position + written);
      }
      return true;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOSPC") return false;
      throw error;
    }
  }

  /** A copy of the first bytes of a place. */
  read(place: number, bytes: number): Buffer {
    const copy = Buffer.allocUnsafeSlow(bytes);
    let read = 0;
    while (read < bytes) {
      const count = readSync(this.#fd, copy, read, bytes - read, startOf(place) + read);
      if (count === 0) throw new Error("the file of the ring was cut");
      read += count;
    }
    return copy;
  }

  onDeadline(): void {
    this.deadlineAt = Infinity;
    if (this.taken === 0 && this.#isAllocated) this.#giveMemoryBack();
  }

  #giveMemoryBack(): void {
    ftruncateSync(this.#fd, RING_BYTES);
    ftruncateSync(this.#fd, RING_BYTES + this.count * PLACE_BYTES);
    this.#isAllocated = false;
  }
}

/** How many places a ring's file has. */
export function countPlaces(fd: number): number {
  const places = Math.floor((fstatSync(fd).size - PLACES_OFFSET) / PLACE_BYTES);
  return Math.min(Math.max(places, 0), PLACES_LIMIT);
}

function startOf(place: number): number {
  return PLACES_OFFSET + place * PLACE_BYTES;
}
