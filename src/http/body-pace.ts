import { BODY_RATE_GRACE_SECONDS } from "./connection-limits.ts";

/** Watches whether a request body arrives at the minimum rate (`body_min_rate`). */
export class BodyPace {
  readonly #bytesPerSecond: number;
  #bytes = 0;
  #startedAt = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** The time of the body is counted from now on. */
  restart(now: number): void {
    this.#bytes = 0;
    this.#startedAt = now;
  }

  /** Counts bytes that have arrived. Returns false when the body is too slow. */
  add(bytes: number, now: number): boolean {
    this.#bytes += bytes;
    const seconds = (now - this.#startedAt) / 1000;
    return seconds <= BODY_RATE_GRACE_SECONDS || this.#bytes >= this.#bytesPerSecond * seconds;
  }
}
