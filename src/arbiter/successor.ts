import { spawn, type ChildProcess } from "node:child_process";
import type { ErrorLog } from "../log/error-log.ts";
import { describeInheritance } from "./inherited-sockets.ts";
import type { ListenerSet } from "./listener-set.ts";
import type { StartCommand } from "./start-command.ts";
import { howEnded } from "./wording.ts";

/** Descriptors 0 to 2 are the standard streams. */
const FIRST_SOCKET_FD = 3;

/** What the next arbiter says: all its workers are ready, or it is about to leave again. A Gunicorn says nothing. */
export type SuccessorMessage = typeof READY | typeof LEAVING;

const READY = "ready";
const LEAVING = "leaving";

export interface SuccessorOptions {
  readonly command: StartCommand;
  readonly listeners: ListenerSet;
  readonly log: ErrorLog;
  readonly onExit: () => void;
}

/** The arbiter that is to take our place (USR2): a process of the same command line, with our listening sockets. */
export class Successor {
  readonly #process: ChildProcess;
  #isGone = false;
  #isLeaving = false;
  #isReady = false;
  readonly #exited: Promise<void>;

  constructor({ command, listeners, log, onExit }: SuccessorOptions) {
    this.#process = spawnSuccessor(command, listeners);
    // It lives on when we have left.
    this.#process.unref();
    this.#process.channel?.unref();
    this.#exited = new Promise((resolve) => {
      const leave = (): void => {
        if (this.#isGone) return;
        this.#isGone = true;
        onExit();
        resolve();
      };
      this.#process.on("error", (error) => {
        log.error(`Cannot start a new arbiter: ${error.message}`);
        leave();
      });
      this.#process.on("exit", (status, signal) => {
        log.warning(`The new arbiter (pid:${this.pid}) ended ${howEnded(status, signal)}`);
        leave();
      });
    });
    this.#process.on("message", (message: unknown) => this.#onMessage(message, log));
  }

  #onMessage(message: unknown, log: ErrorLog): void {
    if (message === LEAVING) this.#isLeaving = true;
    if (message !== READY) return;
    this.#isReady = true;
    log.info(
      `The new arbiter (pid:${this.pid}) is ready: TERM to this one (pid:${process.pid}) completes the upgrade, ` +
        "TERM to the new one takes it back",
    );
  }

  /** 0 when it could not be started. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async waitForExit(): Promise<void> {
    // Nothing else may keep us here any more.
    this.#process.ref();
    await this.#exited;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** It was told to leave: it is not going to take our place. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }
}

function spawnSuccessor(command: StartCommand, listeners: ListenerSet): ChildProcess {
  const handedOver = listeners.all.map((listener, index) => ({
    fd: FIRST_SOCKET_FD + index,
    address: listener.address,
    ownsFile: listener.socketFile !== null,
  }));
  return spawn(command.program, command.arguments, {
    cwd: command.workingFolder,
    env: {
      ...withoutWatchdogPid(command.environment),
      ...describeInheritance(process.pid, handedOver, listeners.replacesBind),
    },
    stdio: ["inherit", "inherit", "inherit", ...listeners.all.map(({ fd }) => fd), "ipc"],
  });
}

/** systemd's watchdog will be the next arbiter's to feed, which has another pid. */
function withoutWatchdogPid(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { WATCHDOG_PID: _, ...rest } = environment;
  return rest;
}
