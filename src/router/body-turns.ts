import { Fifo } from "./fifo.ts";

/** So many bodies at a time stay in the processors' caches on their way; more only when there are more workers, */
const LEAST_TURNS = 8;
/** each of which is to find the next one when it has answered. */
const TURNS_OF_A_WORKER = 2;
/** After this time a turn is over for those that wait, answered or not. */
const TURN_MS = 50;

/** The turn of one body. */
export class BodyTurn {
  /** In milliseconds of `performance.now()`; Infinity: not yet. */
  begunAt = Infinity;
  readonly onBegin: () => void;

  constructor(onBegin: () => void) {
    this.onBegin = onBegin;
  }

  get isWaiting(): boolean {
    return this.begunAt === Infinity;
  }
}

/**
 * Lets a few large bodies at a time come into the places of the ring, and after them the next. What all clients
 * send at once would make every place cold for who writes it and for who reads it; a body that waits for its turn
 * waits in the client's socket, where it is already. A turn lasts until the request is answered, but no longer than
 * some milliseconds; one for a body that comes slowly is ended at once (`placed-body.ts`).
 */
export class BodyTurns {
  readonly #waiting = new Fifo<BodyTurn>();
  /** In the order in which they began. */
  readonly #begun: BodyTurn[] = [];
  readonly #workers: () => number;
  readonly #turnMs: number;
  #timer: NodeJS.Timeout | null = null;

  /** `workers`: how many requests can be under way at once. `turnMs`: how long a turn lasts at most. */
  constructor(workers: () => number, turnMs = TURN_MS) {
    this.#workers = workers;
    this.#turnMs = turnMs;
  }

  /** Begins it when those before it leave room: before this returns, or later. */
  take(turn: BodyTurn): void {
    this.#waiting.push(turn);
    this.#beginWaiting();
  }

  /** The request is answered, or the body is given up; it may not have had its turn yet. */
  end(turn: BodyTurn): void {
    const index = this.#begun.indexOf(turn);
    if (index >= 0) this.#begun.splice(index, 1);
    else if (turn.isWaiting) this.#waiting.delete(turn);
    this.#beginWaiting();
  }

  #beginWaiting(): void {
    for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
      const now = performance.now();
      const first = this.#begun[0];
      const room = Math.max(LEAST_TURNS, TURNS_OF_A_WORKER * this.#workers());
      if (first !== undefined && this.#begun.length >= room) {
        const leftMs = first.begunAt + this.#turnMs - now;
        if (leftMs > 0) {
          this.#beginLater(leftMs);
          return;
        }
        this.#begun.shift();
      }
      this.#waiting.shift();
      next.begunAt = now;
      this.#begun.push(next);
      next.onBegin();
    }
  }

  #beginLater(delayMs: number): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#beginWaiting();
    }, delayMs);
    this.#timer.unref();
  }
}
