import { BODY_RATE_GRACE_SECONDS } from "./connection-limits.ts";

/** Whether a request body comes at the least rate that is wanted. */
export class BodyPace {
  readonly #bytesPerSecond: number;
  #bytes = 0;
  #startedAt = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** From now on its time counts. */
  restart(now: number): void {
    this.#bytes = 0;
    this.#startedAt = now;
  }

  /** Some of it has come. False: it comes too slowly. */
  add(bytes: number, now: number): boolean {
    this.#bytes += bytes;
    const seconds = (now - this.#startedAt) / 1000;
    return seconds <= BODY_RATE_GRACE_SECONDS || this.#bytes >= this.#bytesPerSecond * seconds;
  }
}
