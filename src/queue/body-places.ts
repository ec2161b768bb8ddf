import { fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { systemCodeOf } from "../errors.ts";
import type { Waiting } from "../system/deadlines.ts";
import { PLACE_BYTES, PLACES_LIMIT, PLACES_OF_A_BODY, PLACES_OFFSET, RING_BYTES } from "./ring-layout.ts";

/** Places give their memory back when none has been used for this long. */
const IDLE_MS = 10_000;

/** The file system is full; a limit of this user, of memory, or of the size of files is reached. */
const NO_ROOM: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "ENOMEM", "EFBIG"]);

/**
 * Places behind the slots of a ring, for large bodies: the router writes one there as it comes, and the worker
 * reads it from there into the object that the application gets. No socket lies between, and the memory of a
 * place is used again and again. A worker compares the stream of its slot afterwards, so whoever gives a place
 * back has to withdraw the stream first.
 */
export class BodyPlaces implements Waiting {
  deadlineAt = Infinity;
  readonly count: number;
  readonly #fd: number;
  /** For the first of several places that were given out together, how many they are; 0 for all others. */
  readonly #counts: Uint8Array;
  readonly #used: Uint8Array;
  #taken = 0;
  #isAllocated = false;

  /** `fd`: of a ring's file. What it held in places before is gone. */
  constructor(fd: number, count: number) {
    this.#fd = fd;
    this.count = count;
    this.#counts = new Uint8Array(count);
    this.#used = new Uint8Array(count);
    this.#giveMemoryBack();
  }

  /** How many places have a body. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes as many places in a row as a body of this size needs, and returns the first; null when there is no room.
   * The lowest are given out first: what was used last is in the processor's cache. Several are given out only while
   * there are plenty: a few large bodies that come slowly leave places for smaller ones.
   */
  take(bytes: number): number | null {
    const count = Math.ceil(bytes / PLACE_BYTES);
    const isTooMuch = count > PLACES_OF_A_BODY || (count > 1 && this.#taken >= this.count / 2);
    const place = isTooMuch ? null : this.#find(count);
    if (place === null) return null;
    this.#used.fill(1, place, place + count);
    this.#counts[place] = count;
    this.#taken += count;
    return place;
  }

  /** Gives back what was taken together with its first place. */
  release(place: number): void {
    const count = this.#counts[place] ?? 0;
    this.#counts[place] = 0;
    this.#used.fill(0, place, place + count);
    this.#taken -= count;
    if (this.#taken === 0) this.deadlineAt = performance.now() + IDLE_MS;
  }

  /** Writes into a place, or those that were taken together with it. False: there is no room for it. */
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
      if (NO_ROOM.has(systemCodeOf(error))) return false;
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
    if (this.#taken === 0 && this.#isAllocated) this.#giveMemoryBack();
  }

  #find(count: number): number | null {
    let run = 0;
    for (let place = 0; place < this.count; place += 1) {
      run = this.#used[place] === 0 ? run + 1 : 0;
      if (run === count) return place - count + 1;
    }
    return null;
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
