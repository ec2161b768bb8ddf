import { describeError } from "../errors.ts";
import type { ErrorLog } from "../log/error-log.ts";
import { Predecessor } from "./predecessor.ts";
import type { ServerParts } from "./server-parts.ts";
import type { StartCommand } from "./start-command.ts";
import { Successor } from "./successor.ts";

export interface UpgradesOptions {
  /** Pid of the arbiter that started us to take its place, or null. */
  readonly predecessor: number | null;
  readonly command: StartCommand;
}

/** Upgrades (USR2): the arbiter whose place we are to take, and the one that is to take ours. */
export class Upgrades {
  readonly #command: StartCommand;
  #predecessor: Predecessor | null;
  #successor: Successor | null = null;
  #isUpgrading = false;
  #onPromoted: () => void = () => undefined;

  constructor({ predecessor, command }: UpgradesOptions) {
    this.#command = command;
    this.#predecessor = predecessor === null ? null : new Predecessor(predecessor);
  }

  /** Another arbiter has the first place, which ours is to become. */
  get isSecond(): boolean {
    return this.#predecessor !== null;
  }

  /** Pid of the arbiter that goes on when we leave, or null. */
  get heir(): number | null {
    return this.#successor?.isLeaving === false ? this.#successor.pid : null;
  }

  /** Calls back when the arbiter before us has left. */
  follow(onPromoted: () => void): void {
    this.#onPromoted = onPromoted;
    this.#predecessor?.watch(() => this.#look());
  }

  /** All our workers are ready. */
  tellReady(): void {
    this.#predecessor?.tell("ready");
  }

  /** We are about to stop. */
  tellLeaving(log: ErrorLog | null): void {
    this.#predecessor?.tell("leaving");
    if (this.#successor?.isLeaving === false && !this.#successor.isReady)
      log?.warning(`The new arbiter (pid:${this.#successor.pid}) has not said yet that it is ready`);
  }

  /** When everything is over: who of us is the last one removes what we share. */
  async settle(): Promise<void> {
    if (this.#successor?.isLeaving === true) await this.#successor.waitForExit();
    this.#look();
    // What is removed now must not be taken once more.
    this.#predecessor?.unwatch();
  }

  #look(): void {
    if (this.#predecessor?.isGone !== true) return;
    this.#predecessor.unwatch();
    this.#predecessor = null;
    this.#onPromoted();
  }

  /** Starts an arbiter of the same command line, which takes the listening sockets over; not while we stop. */
  async upgrade(parts: ServerParts, ending: AbortSignal): Promise<void> {
    if (this.#isRefused(parts.log)) return;
    this.#isUpgrading = true;
    try {
      await parts.generations.active?.hooks?.run("pre_exec");
      if (!ending.aborted) this.#start(parts);
    } catch (error) {
      parts.log.error(`The upgrade is given up: ${describeError(error)}`);
    }
    this.#isUpgrading = this.#successor !== null;
  }

  #start({ log, belongings, router }: ServerParts): void {
    const { listeners } = belongings;
    const share = (isShared: boolean): void => {
      listeners.isShared = isShared;
      router.send({ type: "leftovers", leftovers: belongings.leftovers });
    };
    const successor = new Successor({
      command: this.#command,
      listeners,
      log,
      onExit: () => {
        this.#successor = null;
        this.#isUpgrading = false;
        share(false);
      },
    });
    this.#successor = successor;
    share(true);
    // That it could not be started is told by itself.
    if (successor.pid > 0)
      log.info(`Started a new arbiter (pid:${successor.pid}), which takes over the listening sockets`);
  }

  #isRefused(log: ErrorLog): boolean {
    if (this.#predecessor !== null) {
      log.warning(
        `USR2 is ignored: the arbiter before this one (pid:${this.#predecessor.pid}) is still there`,
      );
    } else if (this.#isUpgrading) {
      log.warning(
        `USR2 is ignored: a new arbiter (pid:${this.#successor?.pid ?? "soon"}) was started already`,
      );
    }
    return this.#predecessor !== null || this.#isUpgrading;
  }
}
