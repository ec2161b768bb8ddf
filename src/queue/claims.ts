import { CLAIM_BYTES, CLAIM_COUNT } from "./ring-layout.ts";

/** Which request each worker was busy with when the claims were read. */
export class Claims {
  readonly #claims = new Map<number, number>();

  constructor(bytes: Buffer) {
    for (let claim = 0; claim < CLAIM_COUNT; claim += 1) {
      const stream = bytes.readUInt32LE(claim * CLAIM_BYTES);
      if (stream !== 0) this.#claims.set(stream, claim);
    }
  }

  /** The claim that names the stream; null: nobody is busy with it. */
  claimOf(stream: number): number | null {
    return this.#claims.get(stream) ?? null;
  }
}

/**
 * Gives out the numbers of claims, each to one channel at a time. One that was given back comes last again: a
 * process that lost its channel may store into its claim a moment longer.
 */
export class ClaimNumbers {
  readonly #used = new Uint8Array(CLAIM_COUNT);
  #next: number;

  constructor(first: number) {
    this.#next = first % CLAIM_COUNT;
  }

  /** Null: all are in use. */
  take(): number | null {
    for (let tried = 0; tried < CLAIM_COUNT; tried += 1) {
      const claim = this.#next;
      this.#next = (claim + 1) % CLAIM_COUNT;
      if (this.#used[claim] === 1) continue;
      this.#used[claim] = 1;
      return claim;
    }
    return null;
  }

  release(claim: number): void {
    this.#used[claim] = 0;
  }
}
