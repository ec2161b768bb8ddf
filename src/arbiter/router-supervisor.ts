import { setTimeout as delay } from "node:timers/promises";
import { describeError } from "../errors.ts";
import type { ErrorLog } from "../log/error-log.ts";
import type { ArbiterToRouter, RouterToArbiter } from "../router/messages.ts";
import { scheduleAsBatch } from "../system/batch-scheduling.ts";
import type { Listener } from "./listener.ts";
import { RouterHandle, type RouterOptions } from "./router-handle.ts";
import type { EarlyRouter } from "./router-process.ts";
import { howEnded } from "./wording.ts";

/** Pause before a router that died is started again, so that a broken one does not spin. */
const RESTART_PAUSE_MS = 500;
/** For a router that was told to stop. */
const STOP_MS = 2_000;
/** What a router can serve without is put off, so that it does not slow the start. */
const SETTLED_MS = 1_000;

export interface RouterSupervisorOptions {
  /** What a router is started with; asked anew for each. */
  readonly describe: () => Omit<RouterOptions, "listener" | "early">;
  /** A process for the first one. */
  readonly early: EarlyRouter | null;
  readonly log: ErrorLog;
  /** Of the application. */
  readonly interpreter: string;
  readonly onMessage: (message: RouterToArbiter) => void;
  /** A router died and no other could be started. */
  readonly onGivenUp: () => void;
}

type ListenerAnswer = Extract<RouterToArbiter, { type: "listener-opened" | "listeners-closed" }>;

type Question = (router: RouterHandle) => void;

/** Keeps a router running, on the same listeners, until it is told to drain or to stop. */
export class RouterSupervisor {
  readonly #options: RouterSupervisorOptions;
  #router: RouterHandle | null = null;
  /** One that does not listen yet. */
  #starting: RouterHandle | null = null;
  /** It was told to drain or to stop: it is not replaced. */
  #isEnding = false;
  #hasListened = false;
  #hasAnswered = true;
  /** Called when the router is drained, or gone. */
  readonly #drained = new Set<() => void>();
  /** The router's answer about listeners is awaited; null means that it is gone. */
  #onAnswer: ((message: ListenerAnswer | null) => void) | null = null;
  #lastAnswer: Promise<unknown> = Promise.resolve();

  constructor(options: RouterSupervisorOptions) {
    this.#options = options;
  }

  /** Starts a router; resolves when it listens. */
  async start(): Promise<void> {
    const router = new RouterHandle({
      ...this.#options.describe(),
      early: this.#options.early,
      listener: {
        onMessage: (message) => this.#onMessage(message),
        onExit: (status, signal) => void this.#onExit(status, signal),
      },
    });
    this.#starting = router;
    try {
      await router.opened;
    } finally {
      this.#starting = null;
    }
    this.#router = router;
    this.#hasListened = true;
    setTimeout(() => void this.#scheduleAsBatch(router), SETTLED_MS).unref();
  }

  /**
   * Keeps a router that wakes up from interrupting a worker: when the worker is through, there is more to do at once.
   * Where processors are idle, nothing changes.
   */
  async #scheduleAsBatch({ pid, isGone }: RouterHandle): Promise<void> {
    const { log, interpreter } = this.#options;
    if (this.#isEnding || isGone || pid === undefined) return;
    const reason = await scheduleAsBatch(interpreter, pid);
    if (reason !== null) log.debug(`The router is scheduled as any process: ${reason}`);
  }

  /** Also to one that starts: what changes meanwhile it would never hear of. */
  send(message: ArbiterToRouter): void {
    (this.#starting ?? this.#router)?.send(message);
  }

  /** Whether the router has answered since the last call; one that is being replaced counts as well. */
  isWell(): boolean {
    const wasWell = this.#hasAnswered || this.#router?.isGone !== false;
    this.#hasAnswered = false;
    this.send({ type: "ping" });
    return wasWell;
  }

  /** Has a further listener served. Resolves with the reason why it cannot be; null when it is. */
  async openListener(listener: Listener): Promise<string | null> {
    const starting = this.#starting;
    if (starting !== null) {
      // It opens all that there are, this one too. Why it cannot is told by its start.
      await starting.opened.catch(() => undefined);
      return null;
    }
    const { backlog } = this.#options.describe();
    const answer = await this.#ask("listener-opened", (router) => router.openListener(listener, backlog));
    return answer?.type === "listener-opened" ? answer.error : null;
  }

  /** Resolves when listeners are closed, with their backlogs empty. */
  async closeListeners(ids: readonly number[]): Promise<void> {
    await this.#ask("listeners-closed", (router) => router.send({ type: "close-listeners", ids }));
  }

  /** One question after another. Null when the router is gone: the one that follows is started with all that holds. */
  #ask(wanted: ListenerAnswer["type"], question: Question): Promise<ListenerAnswer | null> {
    const answer = this.#lastAnswer.then(() => this.#askNow(wanted, question));
    this.#lastAnswer = answer;
    return answer;
  }

  #askNow(wanted: ListenerAnswer["type"], question: Question): Promise<ListenerAnswer | null> {
    const router = this.#starting ?? this.#router;
    if (router === null || router.isGone) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#onAnswer = (message) => {
        if (message === null || message.type === wanted) resolve(message);
      };
      question(router);
    });
  }

  /** Lets the router answer all that was accepted, for good; resolves when it has, or is gone. */
  async drain({ isHandover }: { readonly isHandover: boolean }): Promise<void> {
    this.#isEnding = true;
    await this.#drain(isHandover);
  }

  /** As drain() at a handover, but listeners may be opened again; resolves when all is answered. */
  async pause(): Promise<void> {
    await this.#drain(true);
  }

  async #drain(isHandover: boolean): Promise<void> {
    const router = this.#router;
    if (router === null || router.isGone) return;
    await new Promise<void>((resolve) => {
      this.#drained.add(resolve);
      router.send({ type: "drain", isHandover });
    });
  }

  /** Cuts every connection off; the process may still be there. */
  cutOff(): void {
    this.#isEnding = true;
    this.#starting?.kill();
    this.#router?.send({ type: "stop" });
  }

  /** Ends the process now. */
  kill(): void {
    this.#isEnding = true;
    this.#starting?.kill();
    this.#router?.kill();
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    // It is handed the listeners as it starts, which are closed once it is gone.
    const starting = this.#starting;
    this.cutOff();
    await starting?.exited;
    const router = this.#router;
    if (router === null || router.isGone) return;
    const timer = setTimeout(() => router.kill(), STOP_MS);
    await router.exited;
    clearTimeout(timer);
  }

  #onMessage(message: RouterToArbiter): void {
    this.#hasAnswered = true;
    if (message.type === "drained") this.#onDrained();
    else if (message.type === "listener-opened" || message.type === "listeners-closed")
      this.#onAnswer?.(message);
    else this.#options.onMessage(message);
  }

  #onDrained(): void {
    for (const resolve of this.#drained) resolve();
    this.#drained.clear();
  }

  async #onExit(status: number | null, signal: NodeJS.Signals | null): Promise<void> {
    this.#onDrained();
    this.#onAnswer?.(null);
    // One that never listened is reported by its start.
    if (this.#isEnding || !this.#hasListened) return;
    const { log, onGivenUp } = this.#options;
    log.critical(
      `The router ended ${howEnded(status, signal)}; its connections are lost, a new one takes over`,
    );
    await delay(RESTART_PAUSE_MS);
    if (this.#isEnding) return;
    try {
      await this.start();
    } catch (error) {
      if (this.#isEnding) return;
      log.critical(`No new router could be started: ${describeError(error)}`);
      onGivenUp();
    }
  }
}
