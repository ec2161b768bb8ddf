import { constants } from "node:os";

const PARENT_POLL_MS = 500;

/** Runs what must be undone on every way out: normal end, thrown error, INT, TERM, HUP, death of the parent. */
export class ExitGuard {
  readonly #actions = new Set<() => void>();

  constructor() {
    process.on("exit", () => this.#runAll());
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => process.exit(128 + constants.signals[signal]));
    }
    const parentPid = process.ppid;
    const exitIfOrphaned = (): void => {
      if (process.ppid !== parentPid) process.exit(128 + constants.signals.SIGHUP);
    };
    setInterval(exitIfOrphaned, PARENT_POLL_MS).unref();
  }

  /** `action` must be synchronous; the returned function takes it back. */
  add(action: () => void): () => void {
    this.#actions.add(action);
    return () => void this.#actions.delete(action);
  }

  #runAll(): void {
    for (const action of this.#actions) {
      this.#actions.delete(action);
      try {
        action();
      } catch (error) {
        console.error(error);
      }
    }
  }
}
