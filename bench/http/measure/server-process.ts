import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { checkAnswer } from "./answer-check.ts";
import type { ExitGuard } from "./exit-guard.ts";
import { isAlive, killProcesses, processesOf, type ProcessEntry } from "./process-table.ts";
import type { WorkRequest } from "../works/work.ts";

const START_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 10_000;
const LEFTOVER_DEADLINE_MS = 1000;
const POLL_MS = 5;

export interface StartOptions {
  readonly command: readonly string[];
  readonly cwd: string;
  /** Beside the cleaned environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** For its standard output alone; otherwise that goes to `logFile` too. */
  readonly outputFile?: string;
  readonly port: number;
  /** Asked until it is answered. */
  readonly request: WorkRequest;
  readonly guard: ExitGuard;
}

interface Parts {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly startMs: number;
  readonly logFile: string;
  readonly release: () => void;
}

/** A server in a session of its own, from the start to the end of all its processes. */
export class ServerProcess {
  readonly pid: number;
  /** From the start of the command to the first right answer. */
  readonly startMs: number;
  readonly #child: ChildProcess;
  readonly #release: () => void;
  readonly #logFile: string;

  /** Resolves once the server has given the right answer. */
  static async start(options: StartOptions): Promise<ServerProcess> {
    const [file = "", ...args] = [...endWithParent(), ...options.command];
    const log = openSync(options.logFile, "a");
    const output = options.outputFile === undefined ? log : openSync(options.outputFile, "a");
    const startedMs = performance.now();
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...cleanEnvironment(), ...options.env },
      stdio: ["ignore", output, log],
      detached: true,
    });
    for (const descriptor of new Set([log, output])) closeSync(descriptor);
    const { pid } = child;
    if (pid === undefined) {
      const [error] = (await once(child, "error")) as [Error];
      throw error;
    }
    const release = options.guard.add(() => killProcesses(processesOf(pid)));
    try {
      await untilAnswered(options, child);
    } catch (cause) {
      killProcesses(processesOf(pid));
      release();
      const line = options.command.join(" ");
      const message = `Cannot start "${line}" in ${options.cwd}\n${tail(options.logFile)}`;
      throw new Error(message, { cause });
    }
    const startMs = performance.now() - startedMs;
    return new ServerProcess({ child, pid, startMs, logFile: options.logFile, release });
  }

  private constructor(parts: Parts) {
    this.#child = parts.child;
    this.#release = parts.release;
    this.#logFile = parts.logFile;
    this.pid = parts.pid;
    this.startMs = parts.startMs;
  }

  throwIfEnded(): void {
    if (hasEnded(this.#child)) throw new Error(`The server ended under load\n${tail(this.#logFile)}`);
  }

  /** At once, after something went wrong. */
  kill(): void {
    killProcesses(processesOf(this.pid));
    this.#release();
  }

  /** Resolves to the number of processes that TERM did not end in time and that were killed. */
  async stop(): Promise<number> {
    const members = processesOf(this.pid);
    this.#child.kill("SIGTERM");
    await until(() => hasEnded(this.#child), STOP_DEADLINE_MS);
    let leftovers: readonly ProcessEntry[] = [];
    await until(() => {
      leftovers = [...members, ...processesOf(this.pid)].filter(isAlive);
      return leftovers.length === 0;
    }, LEFTOVER_DEADLINE_MS);
    killProcesses(leftovers);
    this.#release();
    return new Set(leftovers.map((entry) => entry.pid)).size;
  }
}

async function untilAnswered(options: StartOptions, child: ChildProcess): Promise<void> {
  const deadlineMs = performance.now() + START_DEADLINE_MS;
  for (;;) {
    const { request, port } = options;
    const timeoutMs = Math.max(1, Math.ceil(deadlineMs - performance.now()));
    const answer = await checkAnswer({ request, port, timeoutMs }).then(
      (difference) => ({ difference }),
      (error: unknown) => ({ error }),
    );
    if (hasEnded(child)) {
      throw new Error(`The server ended with ${child.exitCode ?? child.signalCode}`);
    }
    if ("difference" in answer) {
      if (answer.difference === undefined) return;
      throw new Error(`Wrong answer to ${request.path}: ${answer.difference}`);
    }
    if (performance.now() > deadlineMs) {
      const message = `No answer to ${request.path} within ${START_DEADLINE_MS} ms`;
      throw new Error(message, { cause: answer.error });
    }
    await sleep(POLL_MS);
  }
}

async function until(condition: () => boolean, limitMs: number): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  while (!condition() && performance.now() < deadlineMs) await sleep(POLL_MS);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** For the one way out that cannot be handled here, SIGKILL; in util-linux, so nearly everywhere. */
function endWithParent(): readonly string[] {
  const setpriv = "/usr/bin/setpriv";
  return existsSync(setpriv) ? [setpriv, "--pdeathsig", "TERM", "--"] : [];
}

function tail(file: string): string {
  return readFileSync(file, "utf8").slice(-2000);
}

/** Without what would configure a server behind the benchmark's back. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(GUNICORN_|TUNICORN_|FLASK_|PYTHON|NODE_|npm_|WEB_CONCURRENCY$)/.test(name),
    ),
  );
}
