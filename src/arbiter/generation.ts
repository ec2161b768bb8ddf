import { setTimeout as delay } from "node:timers/promises";
import { describeError, TunicornError } from "../errors.ts";
import { makeDeferred } from "../system/deferred.ts";
import { timerMs } from "../system/timer-limit.ts";
import { EndedWorkers } from "./ended-workers.ts";
import { ForkBrake } from "./fork-brake.ts";
import type { GenerationOptions } from "./generation-options.ts";
import { describePlace, type GenerationPlace } from "./generation-place.ts";
import { readSettings, type GenerationSettings } from "./generation-settings.ts";
import type { Identity } from "./identity.ts";
import { MoldHandle, USER_CODE_MS } from "./mold-handle.ts";
import { MoldHooks } from "./mold-hooks.ts";
import type { WorkerExited } from "./mold-messages.ts";
import { signalPid } from "./pids.ts";
import { Succession } from "./succession.ts";
import { bootError, describeBootTimeout, describeExit, isOwnFault, workerBootError } from "./worker-exit.ts";
import { WorkerHandle } from "./worker-handle.ts";
import { WorkerSignals } from "./worker-signals.ts";

/** For answers that need no user code. */
const ANSWER_MS = 30_000;
/** For a mold to leave once its workers are gone. */
const MOLD_LEAVE_MS = 5_000;
/** For workers that have served to end with a start, or a reload, that failed. */
const DISCARD_MS = 2_000;
/** Beyond the graceful timeout: for KILL to arrive and for the mold to tell of it. */
const LEAVE_MARGIN_MS = 3_000;

/**
 * A generation of the application: a mold and its workers. Its settings hold for as long as it is the
 * active one.
 */
export class Generation {
  readonly number: number;
  readonly #options: GenerationOptions;
  readonly #workers = new Map<number, WorkerHandle>();
  readonly #ended = new EndedWorkers();
  readonly #signals = new WorkerSignals(this.#workers, () => this.#mold);
  /** Null when another process has taken it over. */
  #mold: MoldHandle | null;
  #place: GenerationPlace | null = null;
  #read: GenerationSettings | null = null;
  #hooks: MoldHooks | null = null;
  /** Workers that there should be: those of the settings, and what TTIN and TTOU made of them. */
  #wanted = 0;
  #isLeaving = false;
  readonly #brake = new ForkBrake();
  readonly #succession = new Succession((age) => this.#beginReplacing(age));
  #boot: { resolve: () => void; reject: (error: TunicornError) => void } | null = null;
  /** Fulfilled when no worker is left, or none can be heard of any more. */
  readonly #emptied = makeDeferred();

  /** Starts a mold. */
  constructor(options: GenerationOptions) {
    this.number = options.number;
    this.#options = options;
    this.#mold = new MoldHandle({
      interpreter: options.interpreter,
      workingFolder: options.invocation.workingFolder,
      words: options.invocation.words ?? [],
      adopted: options.adoptedMold,
      listener: {
        onWorkerExited: (message) => this.#onWorkerExited(message),
        onForked: (worker, pid) => this.#onForked(worker, pid),
        onExit: () => this.#onMoldExit(),
      },
    });
  }

  /** Reads and validates the settings: without waiting for the mold, unless there is a configuration file. */
  async prepare(): Promise<void> {
    const mold = this.#requireMold();
    try {
      this.#read = await readSettings(mold, this.#options.invocation);
      this.#wanted = this.#read.settings.workers;
      this.#hooks = new MoldHooks(mold, this.#read.hooks);
    } catch (error) {
      this.kill();
      throw error;
    }
  }

  /** What was read of its settings. */
  get read(): GenerationSettings {
    if (this.#read === null) throw new Error("a generation was used before it was prepared");
    return this.#read;
  }

  get settings(): GenerationSettings["settings"] {
    return this.read.settings;
  }

  /** How long workers may take to leave. */
  get gracefulMs(): number {
    return timerMs(this.settings.graceful_timeout);
  }

  /** The worker class as people name it; that of the settings is a known one. */
  get workerClass(): string {
    return this.#read?.workerClass ?? "";
  }

  /** Its workers have many requests at a time. */
  get multiplexes(): boolean {
    return this.#read?.multiplexes === true;
  }

  /** Workers that there should be. */
  get wanted(): number {
    return this.#wanted;
  }

  /** What its mold was told; null before that. */
  get place(): GenerationPlace | null {
    return this.#place;
  }

  get python(): string {
    return this.#mold?.python ?? "";
  }

  /** Also if it has ended a moment ago. */
  findWorker(age: number): WorkerHandle | null {
    return this.#workers.get(age) ?? this.#ended.get(age) ?? null;
  }

  get workers(): readonly WorkerHandle[] {
    return [...this.#workers.values()];
  }

  /** Hands the settings to the mold, which changes folder and environment. Who they name as user and group. */
  async configure(place: GenerationPlace): Promise<Identity> {
    this.#place = place;
    const answer = await this.#requireMold().ask(
      {
        type: "configure",
        settings: this.settings,
        workerClass: this.workerClass,
        generation: this.number,
        ...describePlace(place, this.settings),
      },
      ANSWER_MS,
    );
    if (answer.type === "configure-failed") throw new TunicornError("ERR_SETTING_VALUE", answer.message);
    if (answer.type === "configured") return { uid: answer.uid, gid: answer.gid };
    throw new TunicornError("ERR_PROTOCOL", `The mold answered ${answer.type}`);
  }

  /** Imports the application in the mold. Throws ERR_APPLICATION_LOAD or ERR_WORKER_BOOT. */
  async load(): Promise<void> {
    const answer = await this.#requireMold().ask({ type: "load" }, USER_CODE_MS);
    if (answer.type === "load-failed") throw bootError(answer.exitStatus, answer.message);
  }

  /** The hooks that its mold runs for the arbiter; null before the settings are read. */
  get hooks(): MoldHooks | null {
    return this.#hooks;
  }

  /** Tells the mold how many workers there will be; the hook nworkers_changed may raise ERR_HOOK. */
  async announceWorkers(before: number | null): Promise<void> {
    await this.#hooks?.tellWorkers(this.#wanted, before);
  }

  /** Forks all workers and resolves when every one is ready. Rejects when one cannot boot. */
  async bootWorkers(): Promise<void> {
    const booted = new Promise<void>((resolve, reject) => {
      this.#boot = { resolve, reject };
    });
    for (let count = 0; count < this.#wanted; count += 1) this.#forkWorker();
    await booted;
    this.#boot = null;
  }

  onWorkerReady(age: number): void {
    const worker = this.#workers.get(age);
    if (worker === undefined) return;
    worker.enter("ready");
    const isComplete = this.workers.filter((other) => other.wasReady).length >= this.#wanted;
    if (isComplete) this.#boot?.resolve();
  }

  /** A worker has closed its channel: it is to leave, and its place is free, whatever keeps the process. */
  onWorkerLost(age: number): void {
    const worker = this.#workers.get(age);
    if (worker === undefined) return;
    worker.enter("leave");
    this.#signals.killAfter(worker.age, this.gracefulMs);
    this.#keepCount();
    this.#succession.done(age);
  }

  /** A worker is to leave: another takes its place first, when its turn has come. */
  replaceWorker(age: number): void {
    this.#succession.add(age);
  }

  /** The server stops: only workers that die are replaced. */
  endSuccession(): void {
    this.#succession.end();
  }

  isToBeReplaced(age: number): boolean {
    return this.#succession.has(age);
  }

  #beginReplacing(age: number): boolean {
    const worker = this.#workers.get(age);
    if (worker === undefined || this.#isLeaving) return false;
    worker.enter("leave");
    this.#keepCount();
    return true;
  }

  /** More workers than the settings say, or fewer: forked after nworkers_changed; a surplus is the caller's to retire. */
  wantWorkers(count: number): void {
    const before = this.#wanted;
    if (count === before) return;
    this.#wanted = count;
    void this.announceWorkers(before)
      .catch((error: unknown) => this.#place?.log.error(describeError(error)))
      .finally(() => this.#keepCount());
  }

  /** The longest serving workers beyond the number that is wanted. */
  takeSurplus(): readonly number[] {
    const staying = this.workers.filter((worker) => worker.state !== "leaving");
    const surplus = staying.slice(0, Math.max(0, staying.length - this.#wanted));
    for (const worker of surplus) {
      worker.enter("leave");
      this.#signals.nudge(worker.age);
    }
    return surplus.map((worker) => worker.age);
  }

  /** Workers that left their place to a younger one, which is ready. */
  takeReplaced(): readonly number[] {
    const ready = this.workers.filter((worker) => worker.state === "ready").length;
    if (ready < this.#wanted) return [];
    const leaving = this.workers.filter((worker) => worker.state === "leaving").map((worker) => worker.age);
    // One with a stuck thread did not ask to leave, and does not listen yet.
    for (const age of leaving) this.#signals.nudge(age);
    for (const age of leaving) this.#succession.done(age);
    return leaving;
  }

  /** Ends a worker that has been silent for too long. */
  abortWorker(age: number): void {
    this.#signals.abort(age);
  }

  /** One of its threads is stuck: the others finish what they have, and serve on until another worker is ready. */
  replaceStuckWorker(age: number): void {
    this.#signals.showStacks(age);
    this.#beginReplacing(age);
    this.#signals.killAfter(age, this.gracefulMs);
  }

  /** No worker is forked any more; those that leave are not replaced. */
  beginLeaving(): void {
    this.#isLeaving = true;
    this.#brake.stop();
  }

  /** Waits until all workers have left, which the router told them to; then ends the mold. */
  async leave(gracefulMs: number, { isTold = false } = {}): Promise<void> {
    this.beginLeaving();
    for (const worker of this.workers) {
      // One that is still booting hears nothing from the router.
      if (worker.state === "booting") this.#signals.send(worker.age, "SIGTERM");
      // One with many calls names those that it gives up when its time is over.
      if (this.multiplexes && !isTold) this.#signals.endAfter(worker.age, gracefulMs);
      else this.#signals.killAfter(worker.age, gracefulMs);
    }
    if (this.#workers.size === 0) return;
    const limitMs = gracefulMs + LEAVE_MARGIN_MS;
    if (this.#mold?.isGone === false)
      await Promise.race([this.#emptied.promise, delay(limitMs, undefined, { ref: false })]);
    if (this.#workers.size === 0) return;
    // The mold is gone or stuck, so nobody tells of exits: the process table does.
    this.#mold?.kill();
    await this.#signals.endWithoutMold(limitMs);
    for (const worker of this.workers) this.#ended.add(worker);
    this.#workers.clear();
  }

  /** It is of no use any more: workers that have served get a moment to end, others have nothing to end. */
  async discard(): Promise<void> {
    for (const { age, wasReady } of this.workers) this.#signals.send(age, wasReady ? "SIGQUIT" : "SIGKILL");
    await this.leave(DISCARD_MS, { isTold: true });
  }

  /** Ends the mold, whose workers are gone. */
  async stopMold(): Promise<void> {
    this.beginLeaving();
    const mold = this.#mold;
    if (mold === null || mold.isGone) return;
    mold.send({ type: "stop" });
    // It is busy with the configuration file, and hears nothing.
    if (this.#read === null) mold.kill();
    const timer = setTimeout(() => mold.kill(), MOLD_LEAVE_MS);
    await mold.exited;
    clearTimeout(timer);
  }

  /** Lets its mold go, for another process to take it over. */
  releaseMold(): MoldHandle {
    const mold = this.#requireMold();
    this.beginLeaving();
    this.#mold = null;
    return mold;
  }

  /** The log files of the mold and its workers are opened anew. */
  reopenLogs(): void {
    this.#mold?.send({ type: "reopen-logs" });
  }

  /** Ends all workers now. */
  signalAll(signal: NodeJS.Signals): void {
    this.beginLeaving();
    for (const worker of this.workers) this.#signals.send(worker.age, signal);
  }

  /** Ends mold and workers now. */
  kill(): void {
    this.beginLeaving();
    this.#mold?.kill();
    for (const worker of this.workers) signalPid(worker.pid, "SIGKILL");
  }

  #requireMold(): MoldHandle {
    if (this.#mold === null) throw new TunicornError("ERR_MOLD_LOST", "The mold process is gone");
    return this.#mold;
  }

  #forkWorker(): void {
    const age = this.#options.nextAge();
    this.#workers.set(age, new WorkerHandle(age, this.number));
    this.#mold?.send({ type: "fork", worker: age });
  }

  #onForked(age: number, pid: number): void {
    const worker = this.#workers.get(age);
    if (worker === undefined) return;
    worker.pid = pid;
    worker.enter("forked");
    worker.limitBoot(timerMs(this.settings.timeout), () => {
      this.#place?.log.critical(describeBootTimeout(pid, this.settings.timeout));
      this.abortWorker(age);
    });
  }

  #onWorkerExited(message: WorkerExited): void {
    const worker = this.#workers.get(message.worker);
    if (worker === undefined) return;
    worker.exit(message.status, message.signal);
    this.#workers.delete(message.worker);
    this.#ended.add(worker);
    const description = describeExit(message, worker, this.#isLeaving);
    if (description !== null) this.#place?.log.error(description);
    this.#brake.count(worker, isOwnFault(message, worker));
    if (this.#workers.size === 0 && this.#isLeaving) this.#emptied.resolve();
    if (!worker.wasReady && !worker.leftInOrder && !this.#isLeaving) this.#onBootFailure(message);
    else this.#keepCount();
    this.#succession.done(message.worker);
  }

  /** At the first boot a failure ends it, but for a kill or two; later on the next try waits longer each time. */
  #onBootFailure(message: WorkerExited): void {
    const error = workerBootError(message);
    if (this.#boot !== null && this.#brake.pauseMs() > 0) {
      this.#boot.reject(error);
      return;
    }
    this.#place?.log.error(error.message);
    this.#keepCount();
  }

  /** Forks workers until there are as many as wanted. */
  #keepCount(): void {
    if (this.#isLeaving || this.#mold?.isGone !== false) return;
    const tell = (pause: string): void => this.#place?.log.warning(pause);
    this.#brake.fork(() => this.#forkMissing(), tell);
  }

  #forkMissing(): void {
    const staying = this.workers.filter((worker) => worker.state !== "leaving").length;
    for (let count = staying; count < this.#wanted; count += 1) this.#forkWorker();
  }

  #onMoldExit(): void {
    this.#emptied.resolve();
    if (this.#isLeaving) return;
    this.beginLeaving();
    this.#boot?.reject(new TunicornError("ERR_MOLD_LOST", "The mold process ended while the workers booted"));
    this.#options.listener.onMoldLost(this.number);
  }
}
