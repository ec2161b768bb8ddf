import { spawn } from "node:child_process";
import type { TestContext } from "node:test";

import { PROGRAM_DEADLINE_MS, withDeadline } from "./deadlines.ts";
import { onTeardown } from "./teardown.ts";

export interface ProgramEnd {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** As whom, by number; only root may choose. */
  readonly uid?: number;
  readonly gid?: number;
  readonly deadlineMs?: number;
}

/** Runs a program to its end; its exit status is for the caller to judge. */
export async function runProgram(
  t: TestContext,
  command: string,
  args: readonly string[],
  { deadlineMs = PROGRAM_DEADLINE_MS, ...options }: ProgramOptions = {},
): Promise<ProgramEnd> {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  onTeardown(t, () => void child.kill("SIGKILL"));
  const pieces = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (pieces.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (pieces.stderr += text));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const status = await withDeadline(ended, {
    deadlineMs,
    what: () => `end of ${command} ${args.join(" ")}\n${pieces.stdout}${pieces.stderr}`,
  });
  return { status, ...pieces };
}

/** The output of a Python client program of test/fixtures/clients, which is one JSON text. */
export function parseOutput({ status, stdout, stderr }: ProgramEnd): unknown {
  if (status !== 0) {
    throw new Error(`The client program ended with ${status}:\n${stdout}${stderr}`);
  }
  return JSON.parse(stdout);
}
