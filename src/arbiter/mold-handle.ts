import { spawn, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { join } from "node:path";
import { TunicornError } from "../errors.ts";
import { makeDeferred } from "../system/deferred.ts";
import { pythonPackage } from "../system/python-package.ts";
import { parseMoldMessage, type ArbiterToMold, type MoldToArbiter } from "./mold-messages.ts";

type WorkerExited = Extract<MoldToArbiter, { type: "worker-exited" }>;

/** What a mold tells without being asked. */
export interface MoldListener {
  onWorkerExited(message: WorkerExited): void;
  onForked(worker: number, pid: number): void;
  /** The process is gone, for whatever reason. */
  onExit(status: number | null, signal: NodeJS.Signals | null): void;
}

export interface MoldOptions {
  readonly interpreter: string;
  /** Folder in which the configuration file is read. */
  readonly workingFolder: string;
  readonly listener: MoldListener;
}

/** Time for the interpreter to start and say hello. */
const HELLO_MS = 30_000;

/** Status of a mold whose interpreter is too old; python/tunicorn/start_mold.py has it too. */
const EXIT_PYTHON_TOO_OLD = 78;

const MOLD_PROGRAM = join(pythonPackage, "start_mold.py");

/** The arbiter's view of a mold: it is asked one thing after another and tells of the workers in between. */
export class MoldHandle {
  readonly #process: ChildProcess;
  readonly #control: Socket;
  readonly #listener: MoldListener;
  #rest = "";
  #waiting: { resolve: (message: MoldToArbiter) => void; reject: (error: Error) => void } | null = null;
  /** Fulfilled when the mold has said hello, and then when the question before has its answer. */
  #turn: Promise<void>;
  #isGone = false;
  #python = "";
  readonly exited: Promise<void>;

  /** Starts a mold. It can be asked at once, and answers when it is there. */
  constructor(options: MoldOptions) {
    this.#listener = options.listener;
    this.#process = spawn(options.interpreter, [MOLD_PROGRAM], {
      cwd: options.workingFolder,
      // The process group stays the arbiter's: a terminal's signals reach all, and the mold ignores them.
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    });
    this.#control = this.#process.stdio[3] as Socket;
    this.#control.setEncoding("utf8");
    this.#control.on("data", (text: string) => this.#onData(text));
    this.#control.on("error", () => this.#control.destroy());
    this.exited = new Promise((resolve) => {
      this.#process.once("exit", (status, signal) => {
        this.#onGone(status, signal);
        resolve();
      });
      this.#process.once("error", (error) => {
        this.#fail(
          new TunicornError("ERR_INTERPRETER", `Cannot run ${options.interpreter}: ${error.message}`),
        );
        resolve();
      });
    });
    this.#turn = this.#hear();
    // Whoever asks it is told.
    this.#turn.catch(() => undefined);
  }

  /** Waits until the mold is there. */
  async #hear(): Promise<void> {
    const hello = await this.#receive("hello", HELLO_MS);
    if (hello.type === "hello") this.#python = `Python ${hello.python} (${hello.executable})`;
  }

  /** Version and path of the interpreter, for the log; "" until the mold is there. */
  get python(): string {
    return this.#python;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Sends an order that has no answer. */
  send(message: ArbiterToMold): void {
    if (!this.#isGone && !this.#control.destroyed) this.#control.write(`${JSON.stringify(message)}\n`);
  }

  /**
   * Sends an order, after those before it, and waits for its answer. Rejects when the mold dies meanwhile, or could
   * not be started.
   */
  async ask(message: ArbiterToMold, deadlineMs: number): Promise<MoldToArbiter> {
    const before = this.#turn;
    const turn = makeDeferred();
    this.#turn = turn.promise;
    try {
      await before;
      const answer = this.#receive(message.type, deadlineMs);
      this.send(message);
      return await answer;
    } finally {
      turn.resolve();
    }
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  #receive(what: string, deadlineMs: number): Promise<MoldToArbiter> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(
          new TunicornError(
            "ERR_DEADLINE",
            `The mold did not answer "${what}" within ${deadlineMs / 1000} s`,
          ),
        );
        this.kill();
      }, deadlineMs);
      const settle =
        <Value>(done: (value: Value) => void) =>
        (value: Value): void => {
          clearTimeout(timer);
          this.#waiting = null;
          done(value);
        };
      this.#waiting = { resolve: settle(resolve), reject: settle(reject) };
      if (this.#isGone) this.#fail(new TunicornError("ERR_MOLD_LOST", "The mold process is gone"));
    });
  }

  #onData(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#onMessage(parseMoldMessage(line));
  }

  #onMessage(message: MoldToArbiter): void {
    if (message.type === "worker-exited") this.#listener.onWorkerExited(message);
    else if (message.type === "forked") this.#listener.onForked(message.worker, message.pid);
    else this.#waiting?.resolve(message);
  }

  #onGone(status: number | null, signal: NodeJS.Signals | null): void {
    this.#isGone = true;
    const how = signal === null ? `with status ${status}` : `by ${signal}`;
    // A Python that is too old has said so itself, in words of its own version.
    const isTooOld = status === EXIT_PYTHON_TOO_OLD;
    this.#fail(
      isTooOld
        ? new TunicornError("ERR_INTERPRETER", "")
        : new TunicornError("ERR_MOLD_LOST", `The mold process ended ${how}`),
    );
    this.#listener.onExit(status, signal);
  }

  #fail(error: TunicornError): void {
    this.#waiting?.reject(error);
  }
}
