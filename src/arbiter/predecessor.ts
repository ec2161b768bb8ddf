import type { SuccessorMessage } from "./successor.ts";

/** How often we look whether it is still there. */
const LOOK_MS = 100;

/** The arbiter that started us to take its place, as long as it is there: our parent. */
export class Predecessor {
  readonly pid: number;
  #timer: NodeJS.Timeout | null = null;

  constructor(pid: number) {
    this.pid = pid;
  }

  get isGone(): boolean {
    return process.ppid !== this.pid;
  }

  /** Calls back once, when it has left and its place is ours. */
  watch(onGone: () => void): void {
    this.#timer = setInterval(() => {
      if (!this.isGone) return;
      this.unwatch();
      onGone();
    }, LOOK_MS);
    this.#timer.unref();
  }

  unwatch(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** A Gunicorn does not listen. */
  tell(message: SuccessorMessage): void {
    // It may end at this very moment, which is no failure of ours.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  }
}
