/**
 * Process 1 of a container has to wait for orphans, and Node waits for its own children only. So a small program
 * (python/tunicorn/init.py) takes the place of process 1 and runs the server as its child. A Node before 22.15
 * cannot give its place away: there the program runs below it, and takes the orphans of the server.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { pythonPackage } from "../system/python-package.ts";

const PROGRAM = join(pythonPackage, "init.py");

/** What `kill` may send to a container. Node itself uses SIGUSR1 for its inspector unless somebody listens. */
const PASSED_ON: readonly NodeJS.Signals[] = [
  ...(["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const),
  ...(["SIGTTIN", "SIGTTOU", "SIGWINCH"] as const),
];

type Execve = (file: string, args: readonly string[], environment: NodeJS.ProcessEnv) => never;

/** Whether this process is the first of its container. Sockets that were passed to it could not be passed on. */
export function needsInit(environment: NodeJS.ProcessEnv): boolean {
  return process.pid === 1 && environment["LISTEN_FDS"] === undefined;
}

/** Starts this command again below an init, and ends as it ends. */
export async function runBelowInit(interpreter: string): Promise<never> {
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const args = ["-I", "-S", PROGRAM, ...command];
  const { execve } = process as { readonly execve?: Execve };
  execve?.(interpreter, [interpreter, ...args], process.env);
  const init = spawn(interpreter, args, { stdio: "inherit" });
  for (const signal of PASSED_ON) process.on(signal, () => init.kill(signal));
  const status = await new Promise<number>((resolve) => {
    init.once("error", () => resolve(1));
    init.once("exit", (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
  process.exit(status);
}
