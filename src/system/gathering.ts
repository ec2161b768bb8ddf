/** What comes so long after the last write is written at once, not at the end of its turn of the event loop. */
const GATHER_MS = 0.2;

interface Clock {
  /** Milliseconds. */
  now(): number;
}

/**
 * When to write what was gathered. What comes in one turn of the event loop leaves together, since each write wakes
 * somebody; but a turn in which much has come is long, and nobody should be idle until its end.
 */
export class Gathering {
  #writtenAt = 0;
  #isDue = false;
  readonly #write: () => void;
  readonly #clock: Clock;

  /** @param write Writes all that was gathered; it may find nothing. */
  constructor(write: () => void, clock: Clock = performance) {
    this.#write = write;
    this.#clock = clock;
  }

  /** Something was gathered which is not worth a write of its own: what it belongs to may come in this turn, too. */
  addPart(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(this.#end);
  }

  /** Something was gathered that somebody can begin with: it is written now if the last write was a while ago. */
  add(): void {
    const now = this.#clock.now();
    if (now - this.#writtenAt >= GATHER_MS) {
      this.#writtenAt = now;
      this.#write();
    } else {
      this.addPart();
    }
  }

  readonly #end = (): void => {
    this.#isDue = false;
    this.#writtenAt = this.#clock.now();
    this.#write();
  };
}
