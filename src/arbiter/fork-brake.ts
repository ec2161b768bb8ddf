import type { WorkerHandle } from "./worker-handle.ts";

/** Longest pause before a worker that keeps dying is forked again. */
const LIMIT_MS = 30_000;
const STEP_MS = 250;
/** A worker that died within this time after it was ready died young. */
const YOUNG_MS = 2_000;
/** So many may die young before the brake is put on. */
const FREE_FAILURES = 3;
const FORGET_MS = 60_000;

/** Workers that die young, again and again, are not forked at full speed. */
export class ForkBrake {
  #failures = 0;
  #failedAt = -Infinity;

  /** Takes note of a worker that has exited. */
  count(worker: WorkerHandle, now = performance.now()): void {
    const isYoung = worker.state !== "leaving" && worker.readyForMs(now) < YOUNG_MS && !worker.leftInOrder;
    if (!isYoung) return;
    this.#failures = this.#recentFailures(now) + (worker.wasReady ? 1 : FREE_FAILURES);
    this.#failedAt = now;
  }

  /** How long to wait before the next fork; 0: not at all. */
  pauseMs(now = performance.now()): number {
    const failures = this.#recentFailures(now);
    if (failures < FREE_FAILURES) return 0;
    return Math.min(LIMIT_MS, STEP_MS * 2 ** (failures - FREE_FAILURES + 1));
  }

  #recentFailures(now: number): number {
    return now - this.#failedAt > FORGET_MS ? 0 : this.#failures;
  }
}
