import type { WorkerHandle } from "./worker-handle.ts";

/** Longest pause before workers that keep dying are forked again. */
const LIMIT_MS = 30_000;
const STEP_MS = 250;
/** A worker that died within this time after it was ready died young. */
const YOUNG_MS = 2_000;
/** So many may die young, one after another, before the brake is put on. */
const FREE_FAILURES = 3;
const FORGET_MS = 60_000;

/** Workers that die young, again and again, are not forked at full speed. */
export class ForkBrake {
  /** Until the first of the workers that fail now. */
  #failuresBefore = 0;
  #failures = 0;
  /** Of the first of the workers that fail now. */
  #failedAt = -Infinity;
  #timer: NodeJS.Timeout | null = null;

  /** Takes note of a worker that has exited. `isOwnFault`: nobody has killed it, it would fail again. */
  count(worker: WorkerHandle, isOwnFault: boolean, now = performance.now()): void {
    const isYoung = worker.readyForMs(now) < YOUNG_MS && !worker.leftInOrder;
    if (!isYoung) return;
    // However many were forked together and fail together: it has happened once.
    if (worker.createdAt > this.#failedAt) {
      this.#failures = this.#failuresBefore = this.#recentFailures(now);
      this.#failedAt = now;
    }
    const weight = isOwnFault && !worker.wasReady ? FREE_FAILURES : 1;
    this.#failures = Math.max(this.#failures, this.#failuresBefore + weight);
  }

  /** How long to wait before the next fork; 0: not at all. */
  pauseMs(now = performance.now()): number {
    const failures = this.#recentFailures(now);
    if (failures < FREE_FAILURES) return 0;
    return Math.min(LIMIT_MS, STEP_MS * 2 ** (failures - FREE_FAILURES + 1));
  }

  /** Has workers forked: at once, or after a pause, of which it tells. Who asks during a pause waits for its end. */
  fork(forkMissing: () => void, tell: (pause: string) => void): void {
    if (this.#timer !== null) return;
    const pauseMs = this.pauseMs();
    if (pauseMs === 0) {
      forkMissing();
      return;
    }
    tell(
      `Workers end as soon as they are forked: the next follow in ${pauseMs / 1000} s. ` +
        `Mend what the lines above tell of; HUP (kill -HUP ${process.pid}) boots others at once`,
    );
    this.#timer = setTimeout(() => {
      this.#timer = null;
      forkMissing();
    }, pauseMs);
  }

  /** No worker is forked any more. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #recentFailures(now: number): number {
    return now - this.#failedAt > FORGET_MS ? 0 : this.#failures;
  }
}
