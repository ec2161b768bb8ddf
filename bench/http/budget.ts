import type { Entry } from "./plan.ts";

/** Starting and stopping a server and all that is not load, before it has been seen. */
const FIRST_GUESS_MS = 2000;
/** For the build before and the report after. */
const RESERVE_MS = 15_000;

/** Keeps a run within its time: knows how long each entry took, and so what still fits. */
export class TimeBudget {
  readonly #endMs: number;
  readonly #loadMs: (entry: Entry) => number;
  readonly #takenMs = new Map<string, number>();

  constructor(limitMs: number, loadMs: (entry: Entry) => number) {
    this.#endMs = performance.now() + limitMs - RESERVE_MS;
    this.#loadMs = loadMs;
  }

  note(entry: Entry, takenMs: number): void {
    this.#takenMs.set(keyOf(entry), takenMs);
  }

  hasTimeFor(entries: readonly Entry[]): boolean {
    return performance.now() + this.estimateMs(entries) <= this.#endMs;
  }

  estimateMs(entries: readonly Entry[]): number {
    return entries.reduce((total, entry) => total + this.#estimateOneMs(entry), 0);
  }

  #estimateOneMs(entry: Entry): number {
    return this.#takenMs.get(keyOf(entry)) ?? FIRST_GUESS_MS + this.#loadMs(entry);
  }
}

function keyOf(entry: Entry): string {
  return `${entry.work.name} ${entry.label}`;
}
