import type { MoldHandle } from "./mold-handle.ts";
import { isRunning, signalPid, waitForPids } from "./pids.ts";
import type { WorkerHandle } from "./worker-handle.ts";

/** From ABRT to KILL: time for the stack, the hook worker_abort and the application's own clean-up. */
const ABORT_MS = 2_000;
/** From QUIT to KILL: for the clean-up of calls that are cancelled, and for the application's own end. */
const QUIT_MS = 2_000;
/** Has a worker write the stacks of its threads; python/tunicorn/workers/base.py. */
const STACKS_SIGNAL = "SIGIO";
const NUDGES = 3;
const NUDGE_MS = 500;

/** Sends signals to the workers of a generation. Those that are gone get none. */
export class WorkerSignals {
  readonly #workers: ReadonlyMap<number, WorkerHandle>;
  readonly #mold: () => MoldHandle | null;

  constructor(workers: ReadonlyMap<number, WorkerHandle>, mold: () => MoldHandle | null) {
    this.#workers = workers;
    this.#mold = mold;
  }

  /** By the mold, which knows that the pid is still the worker's; directly, when there is no mold. */
  send(age: number, signal: NodeJS.Signals): void {
    const worker = this.#workers.get(age);
    if (worker === undefined) return;
    if (signal === "SIGKILL") worker.condemn();
    const mold = this.#mold();
    if (mold?.isGone === false) mold.send({ type: "signal", worker: age, signal });
    else signalPid(worker.pid, signal);
  }

  /** KILL, unless it has left by then. */
  killAfter(age: number, timeoutMs: number): void {
    this.#workers.get(age)?.limitLife(timeoutMs, () => this.send(age, "SIGKILL"));
  }

  /** QUIT when the time is over, by which a worker names and cancels what it still has; KILL soon after. */
  endAfter(age: number, timeoutMs: number): void {
    this.#workers.get(age)?.limitLife(timeoutMs, () => {
      this.send(age, "SIGQUIT");
      setTimeout(() => this.send(age, "SIGKILL"), QUIT_MS).unref();
    });
  }

  /** Ends a worker that has been silent for too long: ABRT shows its stack, KILL follows. */
  abort(age: number): void {
    this.send(age, "SIGABRT");
    this.killAfter(age, ABORT_MS);
  }

  /** The stacks of all its threads go to the log; it goes on. */
  showStacks(age: number): void {
    this.send(age, STACKS_SIGNAL);
  }

  /** Nobody tells of exits any more: the process table does. Those that are there when the time is over are killed. */
  async endWithoutMold(limitMs: number): Promise<void> {
    const workers = [...this.#workers.values()];
    await waitForPids(() => workers.map(({ pid }) => pid), limitMs);
    for (const worker of workers) {
      if (isRunning(worker.pid)) this.send(worker.age, "SIGKILL");
      // Its timers would kill its pid later, which may be another process by then.
      worker.enter("exit");
    }
  }

  /** One that waits in the shared queue must be woken to look at its channel; a signal may come a moment too soon. */
  nudge(age: number, times = NUDGES): void {
    if (!this.#workers.has(age) || times === 0) return;
    this.send(age, "SIGTERM");
    setTimeout(() => this.nudge(age, times - 1), NUDGE_MS).unref();
  }
}
