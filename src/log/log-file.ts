import { once } from "node:events";
import { closeSync, constants, fstatSync, openSync, statSync, write } from "node:fs";
import { dirname, resolve as absolute } from "node:path";
import sonicBoom, { type SonicBoom } from "sonic-boom";
import { ownUserName, reasonOf, systemCodeOf, TunicornError } from "../errors.ts";

/** Lines that may wait for a stuck target; beyond it the newest are dropped rather than memory taken. */
const WAITING_LIMIT_BYTES = 16 * 1024 * 1024;

/** How long written() waits at most. */
const TURN_MS = 1000;

/** A target that takes no more lines is given up after this when it is closed. */
const CLOSE_MS = 1000;

/** Paths of the standard streams: opened by path, one that is a socket (as under systemd) fails. */
const STANDARD_STREAMS: ReadonlyMap<string, 1 | 2> = new Map([
  ["/dev/stdout", 1],
  ["/dev/fd/1", 1],
  ["/proc/self/fd/1", 1],
  ["/dev/stderr", 2],
  ["/dev/fd/2", 2],
  ["/proc/self/fd/2", 2],
]);

export interface LogFileOptions {
  /** A path, or `-` for the standard stream `standardFd`. */
  readonly path: string;
  readonly standardFd: 1 | 2;
  /** Many lines are to be expected: a full pipe is written to as soon as it has room. */
  readonly isBusy?: boolean;
  /** What the operator should hear about the target; said once until it works again. */
  readonly onTrouble: (message: string) => void;
}

/**
 * A log target opened for appending. Lines are gathered while a write is under way, so that a reader who is
 * stuck, a full disk or a closed pipe stops nobody but itself; what waited is written when there is room.
 */
export class LogFile {
  readonly #options: LogFileOptions;
  readonly #file: SonicBoom;
  readonly #canReopen: boolean;
  readonly #mayBlock: boolean;
  #isWriting = false;
  #isInTrouble = false;
  #lost = 0;
  #closed: Promise<void> | null = null;

  /** Throws ERR_LOG_FILE when the target cannot be opened. */
  constructor(options: LogFileOptions) {
    this.#options = options;
    const target = openTarget(options);
    this.#canReopen = "dest" in target;
    this.#mayBlock = "fd" in target && target.mayBlock;
    this.#file = new sonicBoom.SonicBoom({
      ...("fd" in target ? { fd: target.fd } : target),
      append: true,
      sync: false,
      maxLength: WAITING_LIMIT_BYTES,
    });
    this.#file.on("error", (error: Error) => this.#onTrouble(error.message));
    this.#file.on("drop", (text: string) => this.#onLost(text));
    this.#file.on("drain", () => this.#onDrain());
  }

  /** Writes whole lines; never waits, never throws. */
  write(lines: string): void {
    if (this.#closed !== null) return;
    this.#isWriting = true;
    this.#file.write(lines);
  }

  /** Resolves when what was given to write() is written, so that another process may follow; soon, if it cannot be. */
  async written(): Promise<void> {
    if (!this.#isWriting || this.#isInTrouble) return;
    await once(this.#file, "drain", { signal: AbortSignal.timeout(TURN_MS) }).catch(() => undefined);
  }

  /** Opens the path anew, after the file was moved away. When that fails the old one stays. */
  reopen(): void {
    if (!this.#canReopen || this.#closed !== null) return;
    try {
      // The writer does not recover from a failed reopening: so it is tried here first.
      closeSync(openSync(this.#options.path, "a"));
    } catch (error) {
      this.#options.onTrouble(
        `Cannot reopen log file "${this.#options.path}", the old one stays: ${reasonOf(error)}`,
      );
      return;
    }
    this.#file.reopen();
  }

  /** Writes what is waiting, in order, and closes the file. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      const timer = setTimeout(() => {
        if (this.#mayBlock) stuckThreads += 1;
        resolve();
      }, CLOSE_MS);
      this.#file.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      this.#file.end();
    });
    return this.#closed;
  }

  #onTrouble(reason: string): void {
    if (this.#isInTrouble) return;
    this.#isInTrouble = true;
    this.#options.onTrouble(`Cannot write to log file "${this.#options.path}", lines wait: ${reason}`);
  }

  #onLost(lines: string): void {
    this.#onTrouble("its reader is stuck");
    this.#lost += lines.split("\n").length - 1;
  }

  /** All that waited is written. */
  #onDrain(): void {
    this.#isWriting = false;
    if (!this.#isInTrouble) return;
    this.#isInTrouble = false;
    const lost = this.#lost;
    this.#lost = 0;
    const what = lost === 0 ? "nothing is lost" : `${lost} lines are lost`;
    this.#options.onTrouble(`Log file "${this.#options.path}" takes lines again; ${what}`);
  }
}

/** Threads of the pool that wait in a write for a reader who may never read. */
let stuckThreads = 0;

/**
 * Ends the process, after its logs were closed. Node would wait for its threads, so a process with one that is
 * stuck in a write must be killed: everything else is done by then.
 */
export function exitProcess(status: number): never {
  if (stuckThreads > 0) process.kill(process.pid, "SIGKILL");
  process.exit(status);
}

type Target = { readonly fd: number; readonly mayBlock: boolean } | { readonly dest: string };

function openTarget({ path, standardFd, isBusy = false }: LogFileOptions): Target {
  const standard = path === "-" ? standardFd : STANDARD_STREAMS.get(path);
  if (standard !== undefined) return openStandardStream(standard, isBusy);
  try {
    // A pipe that is open for reading too neither waits for a reader nor breaks when its reader leaves.
    if (isPipe(path)) return { fd: openSync(path, constants.O_RDWR), mayBlock: true };
    // The writer opens the file later, when a failure could only be logged: so it is tried here first.
    closeSync(openSync(path, "a"));
    return { dest: path };
  } catch (error) {
    throw new TunicornError("ERR_LOG_FILE", `Cannot open log file "${path}": ${withoutCall(error)}`, {
      cause: error,
      hint: hintFor(path, error),
    });
  }
}

function hintFor(path: string, error: unknown): string {
  const folder = dirname(absolute(path));
  const code = systemCodeOf(error);
  if (code === "ENOENT") return `Create its folder: mkdir -p ${folder}`;
  if (code === "EISDIR") return "It is a folder: name a file in it";
  if (code !== "EACCES") return "Create its folder, or make it writable for this user";
  return `Let the user ${ownUserName()} enter the folder ${folder} and write to the file, or name another file`;
}

/**
 * A pipe or terminal is opened a second time, without blocking: a mode that was set on the stream itself would
 * change for every process that shares it. The writer looks for room in a full one ten times a second, which is
 * too seldom for a busy log.
 */
function openStandardStream(fd: 1 | 2, isBusy: boolean): Target {
  const status = fstatSync(fd);
  if (status.isFile()) return { fd, mayBlock: false };
  if (isBusy || status.isSocket()) return { fd, mayBlock: true };
  try {
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
    return { fd: openSync(`/proc/self/fd/${fd}`, flags), mayBlock: false };
  } catch {
    return { fd, mayBlock: true };
  }
}

/** Tells on standard error what no log can be told. */
export function tellOperator(message: string): void {
  const target = openStandardStream(2, false);
  if (!("fd" in target)) return;
  write(target.fd, `tunicorn: ${message}\n`, () => {
    if (target.fd !== 2) closeSync(target.fd);
  });
}

function isPipe(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFIFO() === true;
}

/** The reason without the path, which the message has already. */
function withoutCall(error: unknown): string {
  return reasonOf(error).replace(/, (?:open|stat) '.*'$/, "");
}
