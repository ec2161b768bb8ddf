/** Something that must not wait for ever. */
export interface Waiting {
  /** When `onDeadline` is due, in milliseconds of `performance.now()`; Infinity while nothing is awaited. */
  readonly deadlineAt: number;
  onDeadline(now: number): void;
}

/**
 * One timer for many deadlines. Setting a deadline is a store into `deadlineAt`, which a request can
 * afford many times; all are looked at once per interval, so they fire up to one interval late.
 */
export class Deadlines {
  readonly #waiting = new Set<Waiting>();
  readonly #timer: NodeJS.Timeout;

  constructor(intervalMs: number) {
    this.#timer = setInterval(() => this.#sweep(), intervalMs);
    this.#timer.unref();
  }

  add(waiting: Waiting): void {
    this.#waiting.add(waiting);
  }

  delete(waiting: Waiting): void {
    this.#waiting.delete(waiting);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#waiting.clear();
  }

  #sweep(): void {
    const now = performance.now();
    for (const waiting of this.#waiting) {
      if (waiting.deadlineAt <= now) waiting.onDeadline(now);
    }
  }
}
