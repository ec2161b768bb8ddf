import type { Socket } from "node:net";
import { TunicornError } from "../errors.ts";
import { afterWholeTurn } from "../system/whole-turn.ts";
import { makeDeferred } from "../system/deferred.ts";
import {
  parseMoldMessage,
  type ArbiterToMold,
  type MoldToArbiter,
  type WorkerExited,
} from "./mold-messages.ts";
import { passOn } from "./passed-signals.ts";
import { adoptMold, spawnMold, type AdoptedMold, type MoldProcess, type MoldStart } from "./mold-process.ts";

/** What a mold tells without being asked. */
export interface MoldListener {
  onWorkerExited(message: WorkerExited): void;
  onForked(worker: number, pid: number): void;
  /** The process is gone, for whatever reason. */
  onExit(): void;
}

export interface MoldOptions extends MoldStart {
  /** A mold that is there already, in whose place none is started; or null. */
  readonly adopted: AdoptedMold | null;
  readonly listener: MoldListener;
}

/** Time for the interpreter to start and say hello. */
const HELLO_MS = 30_000;
/** For the user's code in a mold: the configuration file, hooks, imports. */
export const USER_CODE_MS = 600_000;
/** Time for a mold to leave its terminal. */
const DETACH_MS = 30_000;

/** The arbiter's view of a mold: it is asked one thing after another and tells of the workers in between. */
export class MoldHandle {
  readonly #process: MoldProcess;
  readonly #control: Socket;
  readonly #listener: MoldListener;
  #rest = "";
  #waiting: { resolve: (message: MoldToArbiter) => void; reject: (error: Error) => void } | null = null;
  /** Fulfilled when the mold has said hello, and then when the question before has its answer. */
  #turn: Promise<void>;
  #isGone = false;
  #pid = 0;
  #python = "";
  readonly exited: Promise<void>;

  /** Starts a mold, or takes one over. It can be asked at once, and answers when it is there. */
  constructor({ adopted, listener, ...start }: MoldOptions) {
    this.#listener = listener;
    this.#process = adopted === null ? spawnMold(start) : adoptMold(adopted);
    this.#control = this.#process.control;
    this.#control.setEncoding("utf8");
    this.#control.on("data", (text: string) => this.#onData(text));
    this.#control.on("error", () => this.#control.destroy());
    this.exited = new Promise((resolve) => {
      this.#process.onGone((reason) => {
        afterWholeTurn(() => {
          this.#onGone(reason);
          resolve();
        });
      });
    });
    this.#pid = adopted?.pid ?? 0;
    this.#python = adopted?.python ?? "";
    this.#turn = adopted === null ? this.#hear() : Promise.resolve();
    // Whoever asks it is told.
    this.#turn.catch(() => undefined);
  }

  /** Waits until the mold is there. */
  async #hear(): Promise<void> {
    const hello = await this.#receive("hello", HELLO_MS);
    if (hello.type !== "hello") return;
    this.#pid = hello.pid;
    this.#python = `Python ${hello.python} (${hello.executable})`;
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
    this.#process.kill();
  }

  /**
   * Has the process leave its terminal, so that another can take it over: with the outcome of the configuration file,
   * and nothing else yet. `silent`: which of its output streams lead nowhere from now on.
   */
  async detach(silent: readonly (1 | 2)[]): Promise<AdoptedMold> {
    await this.ask({ type: "detach", silent }, DETACH_MS);
    return { pid: this.#pid, python: this.#python, control: this.#control };
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
    if (message.type === "worker-exited") afterWholeTurn(() => this.#listener.onWorkerExited(message));
    else if (message.type === "forked") this.#listener.onForked(message.worker, message.pid);
    else if (message.type === "signalled") afterWholeTurn(() => passOn(message.signal));
    else this.#waiting?.resolve(message);
  }

  #onGone(reason: TunicornError): void {
    this.#isGone = true;
    this.#fail(reason);
    this.#listener.onExit();
  }

  #fail(error: TunicornError): void {
    this.#waiting?.reject(error);
  }
}
