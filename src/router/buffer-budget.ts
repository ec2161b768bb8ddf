import type { Deadlines, Waiting } from "../system/deadlines.ts";

/** Bytes of a response that wait in memory for its client before the rest goes to a file. */
const RESPONSE_MEMORY_BYTES = 1024 * 1024;
/** Bytes of a request body in memory before it goes to a file. */
const REQUEST_MEMORY_BYTES = 1024 * 1024;
/** The same, while all bodies together take more memory than they should. */
const TIGHT_MEMORY_BYTES = 64 * 1024;

/** How often the memory of all connections is added up. */
const MEASURE_MS = 250;

export interface BufferBudgetOptions {
  readonly limits: () => { readonly memoryBytes: number; readonly diskBytes: number };
  /** Bytes of bodies that all connections hold at the moment. */
  readonly measure: () => number;
  /** Told whenever `isExhausted` was measured. */
  readonly onExhausted: () => void;
  readonly deadlines: Deadlines;
}

/** What all bodies in passing may take together, in memory and on disk. */
export class BufferBudget implements Waiting {
  deadlineAt = 0;
  readonly #options: BufferBudgetOptions;
  #memoryBytes = 0;
  #diskBytes = 0;

  constructor(options: BufferBudgetOptions) {
    this.#options = options;
    options.deadlines.add(this);
  }

  /** So much memory is taken that no further request should be begun. */
  get isExhausted(): boolean {
    return this.#memoryBytes > 2 * this.#options.limits().memoryBytes;
  }

  /** So much memory is taken that bodies should go to files. */
  get isTight(): boolean {
    this.refresh();
    return this.#memoryBytes > this.#options.limits().memoryBytes;
  }

  get responseMemoryBytes(): number {
    return this.isTight ? TIGHT_MEMORY_BYTES : RESPONSE_MEMORY_BYTES;
  }

  get requestMemoryBytes(): number {
    return this.isTight ? TIGHT_MEMORY_BYTES : REQUEST_MEMORY_BYTES;
  }

  /** Stored responses have reached their limit; workers of slow clients have to wait. */
  get isDiskFull(): boolean {
    return this.#diskBytes >= this.#options.limits().diskBytes;
  }

  takeDisk(bytes: number): void {
    this.#diskBytes += bytes;
  }

  releaseDisk(bytes: number): void {
    this.#diskBytes -= bytes;
  }

  /** Measures if it is time to: a flood of input keeps the event loop from its timers. */
  refresh(): void {
    const now = performance.now();
    if (now >= this.deadlineAt) this.onDeadline(now);
  }

  onDeadline(now: number): void {
    this.deadlineAt = now + MEASURE_MS;
    this.#memoryBytes = this.#options.measure();
    if (this.isExhausted) this.#options.onExhausted();
  }
}
