import { spawn } from "node:child_process";
import { join } from "node:path";
import { pythonPackage } from "./python-package.ts";

const PROGRAM = join(pythonPackage, "batch_scheduling.py");
/** For the interpreter to start and to ask for it. */
const ASKING_MS = 15_000;

/**
 * Has a process scheduled as `SCHED_BATCH` (Linux, see sched(7)): when it wakes it does not interrupt who runs.
 * Node cannot ask for it, so that the interpreter of the application does. Resolves when it has, or has not: then
 * with the reason.
 */
export function scheduleAsBatch(interpreter: string, pid: number): Promise<string | null> {
  if (process.platform !== "linux") return Promise.resolve("the system has no batch scheduling");
  const child = spawn(interpreter, ["-I", "-S", PROGRAM, String(pid)], {
    stdio: "ignore",
    timeout: ASKING_MS,
    killSignal: "SIGKILL",
  });
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (status, signal) =>
      resolve(
        status === 0 ? null : `the program that asks for it ended with ${signal ?? `status ${status}`}`,
      ),
    );
  });
}
