/** Limits messages to a number a second. A second's worth of them may come at once. Times are in milliseconds. */
export class MessageRate {
  readonly perSecond: number;
  #left: number;
  #lastAt: number;
  #pausedAt: number | null = null;

  constructor(perSecond: number, now: number) {
    this.perSecond = perSecond;
    this.#left = perSecond;
    this.#lastAt = now;
  }

  /** Counts a message. Returns false when it is one too many. */
  take(now: number): boolean {
    const refilled = this.#left + this.#of(now - this.#lastAt);
    this.#lastAt = now;
    // What a pause has given lasts until it is used.
    this.#left = Math.max(this.#left, Math.min(refilled, this.perSecond));
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** Nothing is read from now on. */
  pause(now: number): void {
    this.#pausedAt ??= now;
  }

  /** What the sender has sent during the pause comes all at once, which is not its fault. */
  resume(now: number): void {
    if (this.#pausedAt === null) return;
    this.#left += this.#of(now - this.#pausedAt);
    this.#pausedAt = null;
    this.#lastAt = now;
  }

  #of(ms: number): number {
    return (ms / 1000) * this.perSecond;
  }
}
