import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import {
  BOOT_DEADLINE_MS,
  CLEANUP_DEADLINE_MS,
  EXIT_DEADLINE_MS,
  LOG_DEADLINE_MS,
  TEARDOWN_DEADLINE_MS,
  untilTrue,
  withDeadline,
} from "./deadlines.ts";
import { descendants, openPathsOf, type ProcessEntry } from "./processes.ts";
import { onTeardown } from "./teardown.ts";

export const repositoryRoot = fileURLToPath(new URL("../..", import.meta.url));
export const fixtureApps = join(repositoryRoot, "test/fixtures/apps");
export const examples = join(repositoryRoot, "examples");
export const python = join(repositoryRoot, ".venv/bin/python");

/** The bind of nearly every test: the kernel picks a free port, and the log names it. */
export const LOOPBACK = ["-b", "127.0.0.1:0"] as const;

const LISTENING = /Listening at: (\S+) \(\d+\)$/;
const BOOTING = /Booting worker with pid: (\d+)$/;
const MARK = "TUNICORN_TEST_MARK";

/** Variables that would change the settings of the command if the tests' own environment had them, or its cost. */
const NOT_INHERITED = new Set([
  "FORWARDED_ALLOW_IPS",
  "GUNICORN_CMD_ARGS",
  // A third of what a start costs, for certificates that no server reads.
  "NODE_EXTRA_CA_CERTS",
  "NODE_OPTIONS",
  "NODE_TEST_CONTEXT",
  "PORT",
  "SENDFILE",
  "VIRTUAL_ENV",
  "WEB_CONCURRENCY",
]);

export interface LaunchOptions {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The interpreter of the applications; by default the one of the repository's `.venv`. */
  readonly python?: string;
  /** Another way to the command than Node and its file. */
  readonly command?: readonly string[];
  /** A program that becomes the command, whose arguments are the rest of its own. */
  readonly through?: readonly string[];
  /** A descriptor for standard output and standard error; the lines cannot be read then. */
  readonly outputFd?: number;
}

export interface StartOptions extends LaunchOptions {
  /** How many workers are booting before the start counts as done. */
  readonly workers?: number;
}

export interface Exit {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface OutputLine {
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

export interface LineWait {
  readonly deadlineMs?: number;
  /** Lines before this position of `lines` are not looked at. */
  readonly from?: number;
  /** How many lines must match; the last of them is returned. */
  readonly count?: number;
}

/** The command as a process, seen from outside: its lines, its signals, its exit. */
export class ServerProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** Resolves when the command and everything that inherited its output have let go of it. */
  readonly outputClosed: Promise<void>;
  readonly #child: ChildProcess;
  readonly #mark: string;
  readonly #output: OutputLine[] = [];
  #exit: Exit | undefined;
  #isOutputClosed = false;
  #onOutput = new Set<() => void>();

  constructor({ args, cwd, env = {}, python: interpreter = python, ...options }: LaunchOptions) {
    const { through = [], outputFd } = options;
    const replacement = process.env["TUNICORN_TEST_COMMAND"]?.split(/\s+/).filter(Boolean);
    const usual = [process.execPath, join(repositoryRoot, "bin/tunicorn.js"), "--python", interpreter];
    const [program = "", ...given] = [...through, ...(replacement ?? options.command ?? usual)];
    this.#mark = randomUUID();
    const inherited = Object.entries(process.env).filter(([name]) => !NOT_INHERITED.has(name));
    const child = spawn(program, [...given, ...args], {
      cwd,
      // No bytecode: a module rewritten within one second, with the same length, would be served from its old cache.
      env: {
        ...Object.fromEntries(inherited),
        PYTHONDONTWRITEBYTECODE: "1",
        ...env,
        [MARK]: this.#mark,
      },
      stdio: ["ignore", outputFd ?? "pipe", outputFd ?? "pipe"],
    });
    this.#child = child;
    this.exited = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (status, signal) => {
        this.#exit = { status, signal };
        resolve(this.#exit);
      });
    });
    this.exited.catch(() => {}); // Whoever awaits it is told; nobody has to.
    this.outputClosed = new Promise((resolve) => {
      child.once("close", () => {
        this.#isOutputClosed = true;
        this.#announceOutput();
        resolve();
      });
    });
    if (child.pid === undefined) {
      throw new Error(`Cannot start ${program}`);
    }
    this.pid = child.pid;
    this.#readLines("stdout");
    this.#readLines("stderr");
  }

  /** What came on standard output and standard error so far. */
  get lines(): readonly string[] {
    return this.#output.map(({ text }) => text);
  }

  linesOf(stream: "stdout" | "stderr"): readonly string[] {
    return this.#output.filter((line) => line.stream === stream).map(({ text }) => text);
  }

  get text(): string {
    return this.lines.join("\n");
  }

  /** The pids of all workers that were ever announced, in their order. */
  get bootedPids(): readonly number[] {
    return this.lines.map((line) => Number(BOOTING.exec(line)?.[1])).filter(Number.isInteger);
  }

  /** The match of the first (or `count`th) line that matches, past or future. */
  async waitForLine(
    pattern: RegExp,
    { deadlineMs = LOG_DEADLINE_MS, from = 0, count = 1 }: LineWait = {},
  ): Promise<RegExpExecArray> {
    const search = async (): Promise<RegExpExecArray> => {
      for (;;) {
        const matches = this.lines.slice(from).map((line) => pattern.exec(line));
        const found = matches.filter((match) => match !== null)[count - 1];
        if (found !== undefined) {
          return found;
        }
        if (this.#isOutputClosed) {
          throw new Error(`The output ended without ${pattern} (${count} times):\n${this.text}`);
        }
        await this.#nextOutput();
      }
    };
    return withDeadline(search(), {
      deadlineMs,
      what: () => `${pattern} (${count} times) in the output:\n${this.text}`,
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async waitForExit({ deadlineMs = EXIT_DEADLINE_MS }: { deadlineMs?: number } = {}): Promise<Exit> {
    return withDeadline(this.exited, { deadlineMs, what: () => `exit of the command:\n${this.text}` });
  }

  /** All living processes that the command started, and what those started. */
  processTree(): ProcessEntry[] {
    const mark = `${MARK}=${this.#mark}`;
    return descendants(this.pid, mark).filter(({ pid }) => pid !== this.pid);
  }

  /** The paths of all files that the command and its processes hold open or mapped. */
  openPaths(): string[] {
    const pids = [this.pid, ...this.processTree().map(({ pid }) => pid)];
    return [...new Set(pids.flatMap(openPathsOf))];
  }

  /** Resolves when nothing of the command lives any more, however it ended. */
  async waitForNoProcess({ deadlineMs = CLEANUP_DEADLINE_MS }: { deadlineMs?: number } = {}): Promise<void> {
    await untilTrue(() => this.#exit !== undefined && this.processTree().length === 0, {
      deadlineMs,
      what: () => `end of all processes, still there: ${JSON.stringify(this.processTree(), null, 2)}`,
    });
  }

  /** Asks for the graceful end and awaits it; what does not leave in time is killed and is a failure. */
  async stop({ deadlineMs = EXIT_DEADLINE_MS }: { deadlineMs?: number } = {}): Promise<Exit> {
    this.signal("SIGTERM");
    try {
      const exit = await this.waitForExit({ deadlineMs });
      await this.waitForNoProcess();
      return exit;
    } catch (failure) {
      this.#killAll();
      throw failure;
    }
  }

  /** The teardown: whatever the test left, nothing lives after this, and a straggler is a failure. */
  async end(): Promise<void> {
    try {
      if (this.#exit === undefined) {
        this.signal("SIGQUIT");
        await this.waitForExit({ deadlineMs: TEARDOWN_DEADLINE_MS });
      }
      await this.waitForNoProcess({ deadlineMs: TEARDOWN_DEADLINE_MS });
    } finally {
      this.#killAll();
    }
  }

  #killAll(): void {
    const pids = this.processTree().map(({ pid }) => pid);
    this.#child.kill("SIGKILL");
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It had ended by itself.
      }
    }
  }

  #readLines(stream: "stdout" | "stderr"): void {
    const input = this.#child[stream];
    if (input === null) {
      return;
    }
    createInterface({ input, crlfDelay: Infinity }).on("line", (text) => {
      this.#output.push({ stream, text });
      this.#announceOutput();
    });
  }

  #announceOutput(): void {
    for (const announce of this.#onOutput) {
      announce();
    }
    this.#onOutput.clear();
  }

  #nextOutput(): Promise<void> {
    return new Promise((resolve) => {
      this.#onOutput.add(resolve);
    });
  }
}

/** A command that listens. */
export interface Server extends ServerProcess {
  /** The addresses of the line "Listening at", such as http://127.0.0.1:41234. */
  readonly addresses: readonly string[];
  /** The port of the first address that has one. */
  readonly port: number;
}

/** Starts the command and awaits nothing: for starts that are meant to fail, and for logs that go elsewhere. */
export function launch(t: TestContext, options: LaunchOptions): ServerProcess {
  const server = new ServerProcess(options);
  onTeardown(t, () => server.end());
  return server;
}

/** Starts the command and awaits that it listens and its workers boot. It ends with the test at the latest. */
export async function startServer(
  t: TestContext,
  { workers = 1, ...options }: StartOptions,
): Promise<Server> {
  const server = launch(t, options);
  const [, listening = ""] = await server.waitForLine(LISTENING, { deadlineMs: BOOT_DEADLINE_MS });
  await server.waitForLine(BOOTING, { deadlineMs: BOOT_DEADLINE_MS, count: workers });
  const addresses = listening.split(",");
  const port = addresses.map((address) => Number(/:(\d+)$/.exec(address)?.[1])).find(Number.isInteger);
  return Object.assign(server, { addresses, port: port ?? Number.NaN });
}

export interface CommandEnd extends Exit {
  readonly stdout: string;
  readonly stderr: string;
  /** Both, in the order in which they came. */
  readonly text: string;
}

/** Runs the command to its end: for starts that fail and for options that only print. */
export async function runCommand(
  t: TestContext,
  { deadlineMs = EXIT_DEADLINE_MS, ...options }: LaunchOptions & { readonly deadlineMs?: number },
): Promise<CommandEnd> {
  const server = launch(t, options);
  const exit = await server.waitForExit({ deadlineMs });
  await withDeadline(server.outputClosed, {
    deadlineMs: CLEANUP_DEADLINE_MS,
    what: () => `end of the output, still alive: ${JSON.stringify(server.processTree(), null, 2)}`,
  });
  const stdout = server.linesOf("stdout").join("\n");
  return { ...exit, stdout, stderr: server.linesOf("stderr").join("\n"), text: server.text };
}

/** Starts one of test/fixtures/apps on a free loopback port. */
export function startFixture(
  t: TestContext,
  application: string,
  { args = [], ...options }: Partial<StartOptions> = {},
): Promise<Server> {
  return startServer(t, { cwd: fixtureApps, ...options, args: [...LOOPBACK, ...args, application] });
}
