import { spawn } from "node:child_process";
import type { ExitGuard } from "./exit-guard.ts";

export interface ChildOptions {
  readonly command: readonly string[];
  readonly deadlineMs: number;
  readonly guard: ExitGuard;
  readonly cwd?: string;
  /** Beside what this process has. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a command to its end and resolves to its standard output; rejects on failure or past the deadline. */
export function runChild(options: ChildOptions): Promise<string> {
  const [file = "", ...args] = options.command;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const release = options.guard.add(() => void child.kill("SIGKILL"));
    const timer = setTimeout(() => child.kill("SIGKILL"), options.deadlineMs);
    let output = "";
    let complaint = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
    const finish = (): void => {
      clearTimeout(timer);
      release();
    };
    child.on("error", (error) => {
      finish();
      reject(error);
    });
    child.on("close", (status, signal) => {
      finish();
      if (status === 0) return resolve(output);
      const line = options.command.join(" ");
      reject(new Error(`"${line}" ended with ${status ?? signal}\n${output}${complaint}`));
    });
  });
}
