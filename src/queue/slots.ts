import { SLOT_COUNT } from "./ring-layout.ts";

/** Streams are 32 bits wide; the rest beside the slot counts how often the slot was given out. */
const COUNTER_LIMIT = 2 ** 32 / SLOT_COUNT;

/** Gives out slots in rising order, so that the requests of one turn mostly lie side by side, and streams. */
export class Slots {
  readonly #used = new Uint8Array(SLOT_COUNT);
  /** For the first of several slots that were given out together, how many they are. */
  readonly #counts = new Uint8Array(SLOT_COUNT);
  readonly #counters = new Uint32Array(SLOT_COUNT);
  #next = 0;
  #free = SLOT_COUNT;

  /** `firstCounter` sets the streams of one router apart from those of the one before it. */
  constructor(firstCounter: number) {
    this.#counters.fill(firstCounter % COUNTER_LIMIT);
  }

  get free(): number {
    return this.#free;
  }

  /** A new stream whose slot is the first of `count` free ones in a row; 0 when there are none. */
  take(count: number): number {
    if (this.#free < count) return 0;
    const last = SLOT_COUNT - count;
    const start = this.#find(count, this.#next, last) ?? this.#find(count, 0, Math.min(this.#next, last));
    if (start === null) return 0;
    this.#used.fill(1, start, start + count);
    this.#counts[start] = count;
    this.#free -= count;
    this.#next = (start + count) % SLOT_COUNT;
    const counter = ((this.#counters[start] ?? 0) + 1) % COUNTER_LIMIT || 1;
    this.#counters[start] = counter;
    return counter * SLOT_COUNT + start;
  }

  /** How many slots were taken together with this first one. */
  countOf(slot: number): number {
    return this.#counts[slot] ?? 0;
  }

  /** Gives back what was taken together with its first slot. */
  release(slot: number): void {
    const count = this.countOf(slot);
    this.#counts[slot] = 0;
    this.#used.fill(0, slot, slot + count);
    this.#free += count;
  }

  #find(count: number, first: number, last: number): number | null {
    let run = 0;
    for (let slot = first; slot < last + count; slot += 1) {
      run = this.#used[slot] === 0 ? run + 1 : 0;
      if (run === count) return slot - count + 1;
    }
    return null;
  }
}
