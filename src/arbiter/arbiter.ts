import { setTimeout as delay } from "node:timers/promises";
import { describeError } from "../errors.ts";
import { makeDeferred } from "../system/deferred.ts";
import { CodeWatcher } from "./code-watcher.ts";
import { giveLogFiles } from "./log-files.ts";
import { pauseServing, resumeServing } from "./pausing.ts";
import { renewGeneration } from "./reloading.ts";
import { ServerLife } from "./server-life.ts";
import { Server, type StartOptions } from "./server.ts";
import { endWorkers, finishRequests, giveUpStart } from "./stopping.ts";
import { plural } from "./wording.ts";

const RELOAD_FAILED = "The reload failed, the old workers go on serving; the log says why";
/** Pause before a next generation takes the place of a mold that died, so that a broken one does not spin. */
const RESTART_PAUSE_MS = 500;
const RESTART_PAUSE_LIMIT_MS = 30_000;

/** The arbiter: it decides when its server starts, reloads and ends, and never reads a byte of a request. */
export class Arbiter {
  readonly #interpreter: string;
  readonly #life = new ServerLife();
  readonly #server: Server;
  #codeWatcher: CodeWatcher | null = null;
  #isReloadWanted = false;
  #isUpgradeWanted = false;
  /** The reload that is under way, or was the last one. */
  #reloading = Promise.resolve(false);
  #stopping: Promise<void> | null = null;
  readonly #stopped = makeDeferred();
  /** Requests under way are cut off; fulfilled `#quick` ends the waiting for them. */
  #isQuick = false;
  readonly #quick = makeDeferred();

  constructor(options: StartOptions) {
    this.#interpreter = options.interpreter;
    this.#server = new Server({
      ...options,
      life: this.#life,
      isQuick: () => this.#isQuick,
      onMoldLost: (generation) => void this.#onMoldLost(generation),
      onRouterLost: () => void this.quit("Shutting down: there is no router"),
    });
  }

  /**
   * Starts everything; resolves when all workers are ready. What was started is removed again when it
   * fails. Rejects with the reason, whose exit status is the process's.
   */
  async start(): Promise<void> {
    try {
      await this.#server.start();
    } catch (error) {
      await this.#onStartFailed(error);
      return;
    }
    const { log, belongings } = this.#server.parts;
    this.#codeWatcher = new CodeWatcher({
      log,
      runtimeDirectory: belongings.runtimeDirectory,
      onChange: (file) => void this.reload(`Reloading: ${file} was modified`),
    });
    this.#watchCode();
    if (this.#isReloadWanted) void this.reload("Reloading, as asked during the start");
    if (this.#isUpgradeWanted) void this.upgrade();
  }

  async #onStartFailed(error: unknown): Promise<void> {
    const { generations, service, log } = this.#server;
    if (!this.isServing) {
      // A signal has ended the start; the stop that it began goes on, if there are workers for it.
      if (generations.workerCount === 0) this.#quick.resolve();
      return;
    }
    // Standard error hears of it too, but who looks into a log file must not find it silent.
    if (generations.active?.settings.errorlog !== "-") log?.critical(describeError(error));
    const [firstLine = ""] = describeError(error).split("\n");
    service.status(`Cannot start: ${firstLine}`);
    this.#life.enter("end");
    // A signal that comes now has nothing more to stop.
    this.#stopping = this.#server.takeDown();
    await this.#stopping;
    throw error;
  }

  /**
   * HUP: a next generation with the settings and the code as they are now. Requests during one join it.
   * Resolves with whether the generation that was started last serves now; if not, the log says why.
   */
  reload(reason = "Handling signal: hup"): Promise<boolean> {
    this.#server.log?.info(reason);
    if (this.#life.state === "running") this.#reloading = this.#reload();
    else this.#isReloadWanted = true;
    return this.#reloading;
  }

  async #reload(): Promise<boolean> {
    this.#life.enter("reload");
    const { service } = this.#server;
    let isRenewed: boolean;
    do {
      this.#isReloadWanted = false;
      service.reloading();
      isRenewed = await renewGeneration(this.#server.parts, {
        interpreter: this.#interpreter,
        ending: this.#life.ending,
        onActivated: () => this.#watchCode(),
      });
      if (this.isServing) service.ready(isRenewed ? this.#server.describe() : RELOAD_FAILED);
    } while (this.#isReloadWanted && this.isServing);
    this.#life.enter("reloaded");
    return isRenewed;
  }

  /** With `reload`, for the generation that serves by now. */
  #watchCode(): void {
    const { active } = this.#server.generations;
    if (active !== null && this.isServing) this.#codeWatcher?.follow(active.number, active.settings);
  }

  /** TERM: everything that was accepted is answered, within the graceful timeout. */
  stop(reason = "Handling signal: term"): Promise<void> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  /**
   * INT and QUIT: requests under way are cut off. During a graceful stop it ends the waiting; a second one
   * waits for nothing and nobody.
   */
  quit(reason: string): Promise<void> {
    const { log, generations, router } = this.#server;
    if (this.#isQuick) {
      log?.warning(`${reason}, again: all processes are killed`);
      for (const generation of generations.all) generation.kill();
      router?.kill();
    }
    this.#isQuick = true;
    this.#quick.resolve();
    return this.stop(reason);
  }

  async #stop(reason: string): Promise<void> {
    const { log, generations, service, upgrades } = this.#server;
    log?.info(reason);
    // Workers that are ready serve while others boot, and before we hear that they are.
    const mayServe = this.#life.state !== "starting" || generations.workerCount > 0;
    this.#life.enter("end");
    this.#codeWatcher?.close();
    upgrades.tellLeaving(log);
    // While there is an heir, the service goes on.
    if (upgrades.heir === null) service.stopping();
    if (!mayServe) await giveUpStart(generations);
    else if (!this.#isQuick) await finishRequests(this.#server.parts, this.#quick.promise);
    this.#server.router?.cutOff();
    await endWorkers(generations, { isQuick: this.#isQuick });
    log?.info("Shutting down: tunicorn");
    await this.#server.takeDown();
    this.#stopped.resolve();
  }

  /** TTIN and TTOU: one worker more or fewer, until the next reload; a last one stays. TTIN ends a pause. */
  changeWorkers(difference: 1 | -1): void {
    const { log, generations, router, service } = this.#server;
    log?.info(`Handling signal: ${difference > 0 ? "ttin" : "ttou"}`);
    const { active } = generations;
    if (!this.isServing || active === null) return;
    if (active.wanted + difference > 0) active.wantWorkers(active.wanted + difference);
    for (const worker of active.takeSurplus()) router?.send({ type: "retire-worker", worker });
    log?.info(`${plural(active.wanted, "worker")} wanted`);
    service.status(this.#server.describe());
    if (difference > 0 && this.#life.state === "running") void resumeServing(this.#server.parts);
  }

  /** WINCH: a daemon pauses. To others their terminal sends it whenever its window changes. */
  async pause(): Promise<void> {
    const { log, generations, service } = this.#server;
    if (generations.active?.settings.daemon !== true) {
      log?.debug("SIGWINCH is ignored: the server is no daemon");
      return;
    }
    log?.info("Handling signal: winch");
    await this.#reloading;
    if (this.#life.state === "running") await pauseServing(this.#server.parts);
    service.status(this.#server.describe());
  }

  /** USR1: log files are opened anew, after they were moved away. */
  reopenLogs(): void {
    const { log, generations, belongings, router } = this.#server;
    log?.info("Handling signal: usr1");
    const { active, all } = generations;
    if (active !== null && belongings !== null) giveLogFiles(active.settings, belongings.identity);
    log?.reopen();
    router?.send({ type: "reopen-logs" });
    for (const generation of all) generation.reopenLogs();
  }

  /** USR2: an arbiter of the same command line is started beside us, on the same sockets. */
  async upgrade(): Promise<void> {
    this.#server.log?.info("Handling signal: usr2");
    if (this.#life.state === "starting") this.#isUpgradeWanted = true;
    await this.#reloading;
    if (this.#life.state === "running")
      await this.#server.upgrades.upgrade(this.#server.parts, this.#life.ending);
  }

  /** The addresses that are listened on, as the log names them. */
  get addresses(): readonly string[] {
    return this.#server.belongings?.listeners.all.map(({ url }) => url) ?? [];
  }

  /** Fulfilled when a stop is over, whoever asked for it. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  /** No stop has begun. */
  get isServing(): boolean {
    return !this.#life.ending.aborted;
  }

  /** The workers of a dead mold serve on until a new generation takes over, which is tried until it can. */
  async #onMoldLost(lost: number): Promise<void> {
    const { log, generations } = this.#server;
    const isActive = (): boolean => lost === generations.active?.number;
    if (!isActive() || !this.isServing || this.#life.state === "starting") return;
    log?.critical("The mold process died; its workers serve until a new generation is ready");
    for (let pauseMs = RESTART_PAUSE_MS; isActive() && this.isServing;) {
      await delay(pauseMs);
      if (this.isServing) await this.reload("Starting a new generation in its place");
      pauseMs = Math.min(pauseMs * 2, RESTART_PAUSE_LIMIT_MS);
    }
  }
}
