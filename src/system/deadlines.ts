import { Roster, type Seat } from "./roster.ts";

/** Something that must not wait for ever. */
export interface Waiting {
  /** When `onDeadline` is due, in milliseconds of `performance.now()`; Infinity while nothing is awaited. */
  readonly deadlineAt: number;
  onDeadline(now: number): void;
}

/** What `Deadlines` gives to who waits, until it is over. */
export type DeadlineSeat = Seat<Waiting>;

/**
 * One timer for many deadlines. Setting a deadline is a store into `deadlineAt`, which a request can
 * afford many times; all are looked at once per interval, so they fire up to one interval late.
 */
export class Deadlines {
  readonly #waiting = new Roster<Waiting>();
  readonly #timer: NodeJS.Timeout;

  constructor(intervalMs: number) {
    this.#timer = setInterval(() => {
      const now = performance.now();
      // When the process stood still, timers run first: what has come meanwhile is to be read before them.
      setImmediate(() => this.sweep(now));
    }, intervalMs);
    this.#timer.unref();
  }

  /** Looks after it until what is returned here is given to `remove`. */
  add(waiting: Waiting): DeadlineSeat {
    return this.#waiting.add(waiting);
  }

  remove(seat: DeadlineSeat): void {
    this.#waiting.remove(seat);
  }

  /** Looks at all deadlines now, which the timer does by itself. */
  sweep(now: number): void {
    this.#waiting.forEach((waiting) => {
      if (waiting.deadlineAt <= now) waiting.onDeadline(now);
    });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#waiting.clear();
  }
}
