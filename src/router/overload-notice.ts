import type { ErrorLog } from "../log/error-log.ts";

/** Overload lasts, and a line for each refused request would make it worse. */
const INTERVAL_MS = 60_000;

/** Tells the error log that requests or connections got 503: the first at once, then once a minute how many. */
export class OverloadNotice {
  readonly #errorLog: Pick<ErrorLog, "warning">;
  readonly #now: () => number;
  #unnamed = 0;
  #nextAt = -Infinity;

  constructor(errorLog: Pick<ErrorLog, "warning">, now: () => number = () => performance.now()) {
    this.#errorLog = errorLog;
    this.#now = now;
  }

  requestRefused(method: string, target: string): void {
    this.#note(
      `${method} ${target}`,
      "too many requests wait for a worker, or for too long, or too much memory is taken " +
        "(queue_size, queue_timeout, buffer_memory)",
    );
  }

  connectionRefused(address: string): void {
    this.#note(
      `a connection from ${address}`,
      "the router has no room for more (max_connections, ulimit -n)",
    );
  }

  #note(what: string, reason: string): void {
    this.#unnamed += 1;
    const now = this.#now();
    if (now < this.#nextAt) return;
    const others = this.#unnamed - 1;
    const since = others === 0 ? "" : ` and, since the last such line, to ${others} more`;
    this.#errorLog.warning(`Answered 503 to ${what}${since}: ${reason}`);
    this.#unnamed = 0;
    this.#nextAt = now + INTERVAL_MS;
  }
}
