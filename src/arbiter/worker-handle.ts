import { makeDeferred } from "../system/deferred.ts";

/**
 * The life of a worker as the arbiter sees it:
 *
 * - forking: the mold was told to fork it
 * - booting: it has a pid
 * - ready: it takes requests
 * - leaving: it was asked, or asked itself, to leave
 * - exited: it was reaped
 */
export type WorkerState = "forking" | "booting" | "ready" | "leaving" | "exited";

export type WorkerEvent = "forked" | "ready" | "leave" | "exit";

const transitions: Readonly<Record<WorkerState, Readonly<Partial<Record<WorkerEvent, WorkerState>>>>> = {
  // The router may hear of a worker before the mold's word about its fork arrives.
  forking: { forked: "booting", ready: "ready", exit: "exited" },
  booting: { ready: "ready", leave: "leaving", exit: "exited" },
  // A worker that dialled a new router is ready a second time.
  ready: { ready: "ready", forked: "ready", leave: "leaving", exit: "exited" },
  leaving: { ready: "leaving", leave: "leaving", exit: "exited" },
  exited: {},
};

/** The state after an event, or null when the event may not happen in this state. */
export function nextWorkerState(state: WorkerState, event: WorkerEvent): WorkerState | null {
  return transitions[state][event] ?? null;
}

/** The arbiter's view of one worker. */
export class WorkerHandle {
  /** Its number in the order of forks, unique while the arbiter lives. */
  readonly age: number;
  readonly generation: number;
  readonly createdAt: number;
  pid = 0;
  #state: WorkerState = "forking";
  #bootTimer: NodeJS.Timeout | null = null;
  #killTimer: NodeJS.Timeout | null = null;
  #killAt = Infinity;
  #readyAt: number | null = null;
  #leftInOrder = false;
  #hasEndedWell = false;
  readonly #exited = makeDeferred();
  #isCondemned = false;

  constructor(age: number, generation: number, createdAt = performance.now()) {
    this.age = age;
    this.generation = generation;
    this.createdAt = createdAt;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** It has taken requests at some time. */
  get wasReady(): boolean {
    return this.#readyAt !== null;
  }

  /** It was asked, or asked itself, to leave before it ended. */
  get leftInOrder(): boolean {
    return this.#leftInOrder;
  }

  /** We have killed it: its end tells nothing about the machine. */
  get isCondemned(): boolean {
    return this.#isCondemned;
  }

  /** It has ended with status 0: it was told to, or has told itself. */
  get hasEndedWell(): boolean {
    return this.#hasEndedWell;
  }

  /** Fulfilled when its end is known. */
  get exited(): Promise<void> {
    return this.#exited.promise;
  }

  /** It was reaped. */
  exit(status: number, signal: string | null): void {
    this.#hasEndedWell = signal === null && status === 0;
    this.enter("exit");
    this.#exited.resolve();
  }

  condemn(): void {
    this.#isCondemned = true;
  }

  /** How long it has taken requests. */
  readyForMs(now: number): number {
    return this.#readyAt === null ? 0 : now - this.#readyAt;
  }

  /** Events that make no sense in the present state are ignored: they crossed one another on the way. */
  enter(event: WorkerEvent): void {
    this.#state = nextWorkerState(this.#state, event) ?? this.#state;
    if (event === "ready") this.#readyAt ??= performance.now();
    if (event === "leave") this.#leftInOrder = true;
    if (event === "ready" || event === "exit") this.#clearBootTimer();
    if (event === "exit") this.#clearKillTimer();
  }

  /** Calls back unless the worker is ready within the time; 0: no limit. */
  limitBoot(timeoutMs: number, onTimeout: () => void): void {
    if (timeoutMs > 0 && this.#state === "booting") this.#bootTimer = setTimeout(onTimeout, timeoutMs);
  }

  /** Calls back unless the worker has exited within the time. Of several limits the nearest counts. */
  limitLife(timeoutMs: number, onTimeout: () => void): void {
    const deadlineAt = performance.now() + timeoutMs;
    if (deadlineAt >= this.#killAt) return;
    this.#killAt = deadlineAt;
    this.#clearKillTimer();
    this.#killTimer = setTimeout(onTimeout, timeoutMs);
  }

  #clearKillTimer(): void {
    if (this.#killTimer !== null) clearTimeout(this.#killTimer);
    this.#killTimer = null;
  }

  #clearBootTimer(): void {
    if (this.#bootTimer !== null) clearTimeout(this.#bootTimer);
    this.#bootTimer = null;
  }
}
