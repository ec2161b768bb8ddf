import { EXIT_APPLICATION_LOAD, TunicornError } from "../errors.ts";
import type { WorkerExited } from "./mold-messages.ts";
import { howEnded } from "./wording.ts";
import type { WorkerHandle } from "./worker-handle.ts";

const LEAVING_SIGNALS: ReadonlySet<string> = new Set(["SIGTERM", "SIGINT", "SIGQUIT"]);

/** What a process does to itself, by the instruction that it runs or by abort(3). */
const FAULT_SIGNALS: ReadonlySet<string> = new Set([
  "SIGSEGV",
  "SIGBUS",
  "SIGILL",
  "SIGFPE",
  "SIGABRT",
  "SIGTRAP",
  "SIGSYS",
]);

/** Whether a worker has ended by itself: nobody has killed it, or asked it to leave. */
export function isOwnFault({ signal, status, report }: WorkerExited, worker: WorkerHandle): boolean {
  if (signal === null) return status !== 0 || report !== null;
  return worker.isCondemned || FAULT_SIGNALS.has(signal);
}

/** The error for a worker, or a mold, that could not load the application. */
export function bootError(exitStatus: number, report: string): TunicornError {
  const code = exitStatus === EXIT_APPLICATION_LOAD ? "ERR_APPLICATION_LOAD" : "ERR_WORKER_BOOT";
  return new TunicornError(code, report);
}

/** The error for a worker that ended before it was ready. Where it could not say why, its end is all that is known. */
export function workerBootError({ pid, signal, status, report }: WorkerExited): TunicornError {
  if (report !== null) return bootError(status, report);
  return new TunicornError(
    "ERR_WORKER_BOOT",
    `A worker (pid:${pid}) was ended ${howEnded(status, signal)} while it booted`,
    {
      hint: "What it wrote last, and the error log, say more",
    },
  );
}

/** A line about a worker that is ended because it does not get ready. */
export function describeBootTimeout(pid: number, timeoutSeconds: number): string {
  return `WORKER TIMEOUT (pid:${pid}): it did not boot within ${timeoutSeconds} s; its stack follows`;
}

/** A line about an exit that somebody should look at, or null for the ordinary ones. */
export function describeExit(message: WorkerExited, worker: WorkerHandle, isLeaving: boolean): string | null {
  const { pid, signal, status } = message;
  // It was told to leave, and had nothing to end yet.
  if (isLeaving && worker.isCondemned && !worker.wasReady) return null;
  if (worker.isCondemned) return `Worker (pid:${pid}) was killed: it did not end in time`;
  if (signal === "SIGKILL") return `Worker (pid:${pid}) was sent SIGKILL! Perhaps out of memory?`;
  // It was told to leave, and ended by it: in code of the user's own that changed what the signal does.
  if (isLeaving && signal !== null && LEAVING_SIGNALS.has(signal)) return null;
  if (signal !== null) return `Worker (pid:${pid}) was ended by ${signal}`;
  // What kept it from booting is told by its report.
  if (status === 0 || (!worker.wasReady && !isLeaving)) return null;
  return `Worker (pid:${pid}) exited with status ${status}`;
}
