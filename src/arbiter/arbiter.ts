import { setTimeout as delay } from "node:timers/promises";
import { applicationName } from "../config/application-name.ts";
import type { Invocation } from "../config/invocation.ts";
import { processTitle } from "../config/process-title.ts";
import { settingsText } from "../config/settings-text.ts";
import { describeError, TunicornError } from "../errors.ts";
import { afterWholeTurn } from "../system/whole-turn.ts";
import { makeDeferred } from "../system/deferred.ts";
import { enterFolder } from "../system/working-folder.ts";
import { version } from "../version.ts";
import { ArbiterLog } from "./arbiter-log.ts";
import { Belongings } from "./belongings.ts";
import { bindingOptions } from "./binding.ts";
import { DaemonWanted } from "./daemon-wanted.ts";
import { CodeWatcher } from "./code-watcher.ts";
import { Generations } from "./generations.ts";
import type { Inheritance } from "./inherited-sockets.ts";
import { giveLogFiles } from "./log-files.ts";
import { pauseServing, resumeServing, takeClients } from "./pausing.ts";
import { urlsOf } from "./rebinding.ts";
import { renewGeneration } from "./reloading.ts";
import { EarlyRouter } from "./router-process.ts";
import { Routers } from "./routers.ts";
import { ServiceManager } from "./service-manager.ts";
import { describeRouter, type ServerParts } from "./server-parts.ts";
import type { StartCommand } from "./start-command.ts";
import { endWorkers, finishRequests, giveUpStart } from "./stopping.ts";
import type { AdoptedMold } from "./mold-process.ts";
import { plural } from "./wording.ts";
import { Upgrades } from "./upgrades.ts";
import { WorkerReports } from "./worker-reports.ts";

/**
 * `starting` lasts until all workers of the first generation are ready, `reloading` while a next one boots. In
 * `stopping` nothing new is begun; in `stopped` everything is removed.
 */
type State = "starting" | "running" | "reloading" | "stopping" | "stopped";

const RELOAD_FAILED = "The reload failed, the old workers go on serving; the log says why";
/** Pause before a next generation takes the place of a mold that died, so that a broken one does not spin. */
const RESTART_PAUSE_MS = 500;
const RESTART_PAUSE_LIMIT_MS = 30_000;

export interface ArbiterOptions {
  readonly invocation: Invocation;
  readonly interpreter: string;
  /** A mold that the command of a daemon has handed over; or null. */
  readonly adoptedMold: AdoptedMold | null;
  /** Sockets that were bound before we began. */
  readonly inheritance: Inheritance;
  /** Where the settings want a daemon, the start ends with DaemonWanted. */
  readonly mayLaunch: boolean;
  /** How the next arbiter is started (USR2). */
  readonly command: StartCommand;
}

/** The arbiter: it owns the listeners, the router and the generations, and never reads a byte of a request. */
export class Arbiter {
  readonly #options: ArbiterOptions;
  readonly #generations: Generations;
  readonly #service: ServiceManager;
  readonly #upgrades: Upgrades;
  #state: State = "starting";
  #log: ArbiterLog | null = null;
  #belongings: Belongings | null = null;
  #earlyRouter: EarlyRouter | null = null;
  #router: Routers | null = null;
  #codeWatcher: CodeWatcher | null = null;
  #isReloadWanted = false;
  #isUpgradeWanted = false;
  /** on_starting was called, so on_exit must be too, even when the start fails. */
  #isOnExitDue = false;
  /** The reload that is under way, or was the last one. */
  #reloading = Promise.resolve(false);
  #stopping: Promise<void> | null = null;
  readonly #stopped = makeDeferred();
  /** Aborted when a stop begins: nothing more is bound then. */
  readonly #ending = new AbortController();
  /** Requests under way are cut off; fulfilled `#quick` ends the waiting for them. */
  #isQuick = false;
  readonly #quick = makeDeferred();

  constructor(options: ArbiterOptions) {
    const { invocation, interpreter, adoptedMold, inheritance, command } = options;
    const { predecessor } = inheritance;
    this.#options = options;
    const { environment } = invocation;
    this.#service = new ServiceManager({ environment, interpreter, isMain: predecessor === null });
    this.#upgrades = new Upgrades({ predecessor, command });
    this.#generations = new Generations({
      invocation,
      interpreter,
      adoptedMold,
      onMoldLost: (generation) => void this.#onMoldLost(generation),
    });
  }

  /**
   * Starts everything; resolves when all workers are ready. What was started is removed again when it
   * fails. Rejects with the reason, whose exit status is the process's.
   */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      if (this.#state !== "starting") {
        // A signal has ended the start; the stop that it began goes on, if there are workers for it.
        if (this.#generations.workerCount === 0) this.#quick.resolve();
        return;
      }
      // Standard error hears of it too, but who looks into a log file must not find it silent.
      if (this.#generations.active?.settings.errorlog !== "-") this.#log?.critical(describeError(error));
      const [firstLine = ""] = describeError(error).split("\n");
      this.#service.status(`Cannot start: ${firstLine}`);
      // A signal that comes now has nothing more to stop.
      this.#stopping = this.#abandon();
      await this.#stopping;
      throw error;
    }
  }

  /**
   * HUP: a next generation with the settings and the code as they are now. Requests during one join it.
   * Resolves with whether the generation that was started last serves now; if not, the log says why.
   */
  reload(reason = "Handling signal: hup"): Promise<boolean> {
    this.#log?.info(reason);
    if (this.#state === "running") this.#reloading = this.#reload();
    else this.#isReloadWanted = true;
    return this.#reloading;
  }

  async #reload(): Promise<boolean> {
    this.#state = "reloading";
    let isRenewed: boolean;
    do {
      this.#isReloadWanted = false;
      this.#service.reloading();
      isRenewed = await renewGeneration(this.#requireStarted(), {
        interpreter: this.#options.interpreter,
        isServing: () => this.isServing,
        ending: this.#ending.signal,
        onActivated: () => this.#watchCode(),
      });
      if (this.isServing) this.#service.ready(isRenewed ? this.#describe() : RELOAD_FAILED);
    } while (this.#isReloadWanted && this.isServing);
    if (this.isServing) this.#state = "running";
    return isRenewed;
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
    if (this.#isQuick) {
      this.#log?.warning(`${reason}, again: all processes are killed`);
      for (const generation of this.#generations.all) generation.kill();
      this.#router?.kill();
    }
    this.#isQuick = true;
    this.#quick.resolve();
    return this.stop(reason);
  }

  async #stop(reason: string): Promise<void> {
    this.#log?.info(reason);
    // Workers that are ready serve while others boot, and before we hear that they are.
    const mayServe = this.#state !== "starting" || this.#generations.workerCount > 0;
    this.#state = "stopping";
    this.#ending.abort();
    this.#codeWatcher?.close();
    this.#upgrades.tellLeaving(this.#log);
    // While there is an heir, the service goes on.
    if (this.#upgrades.heir === null) this.#service.stopping();
    if (!mayServe) await giveUpStart(this.#generations);
    else if (!this.#isQuick) await finishRequests(this.#requireStarted(), this.#quick.promise);
    this.#router?.cutOff();
    await endWorkers(this.#generations, { isQuick: this.#isQuick });
    this.#log?.info("Shutting down: tunicorn");
    await this.#abandon();
    this.#stopped.resolve();
  }

  /** TTIN and TTOU: one worker more or fewer, until the next reload; a last one stays. TTIN ends a pause. */
  changeWorkers(difference: 1 | -1): void {
    this.#log?.info(`Handling signal: ${difference > 0 ? "ttin" : "ttou"}`);
    const { active } = this.#generations;
    if (!this.isServing || active === null) return;
    if (active.wanted + difference > 0) active.wantWorkers(active.wanted + difference);
    for (const worker of active.takeSurplus()) this.#router?.send({ type: "retire-worker", worker });
    this.#log?.info(`${plural(active.wanted, "worker")} wanted`);
    this.#service.status(this.#describe());
    if (difference > 0 && this.#state === "running") void resumeServing(this.#requireStarted());
  }

  /** WINCH: a daemon pauses. To others their terminal sends it whenever its window changes. */
  async pause(): Promise<void> {
    if (this.#generations.active?.settings.daemon !== true) {
      this.#log?.debug("SIGWINCH is ignored: the server is no daemon");
      return;
    }
    this.#log?.info("Handling signal: winch");
    await this.#reloading;
    if (this.#state === "running") await pauseServing(this.#requireStarted());
    this.#service.status(this.#describe());
  }

  /** USR1: log files are opened anew, after they were moved away. */
  reopenLogs(): void {
    this.#log?.info("Handling signal: usr1");
    const { active } = this.#generations;
    if (active !== null && this.#belongings !== null)
      giveLogFiles(active.settings, this.#belongings.identity);
    this.#log?.reopen();
    this.#router?.send({ type: "reopen-logs" });
    for (const generation of this.#generations.all) generation.reopenLogs();
  }

  /** USR2: an arbiter of the same command line is started beside us, on the same sockets. */
  async upgrade(): Promise<void> {
    this.#log?.info("Handling signal: usr2");
    if (this.#state === "starting") this.#isUpgradeWanted = true;
    await this.#reloading;
    if (this.#state === "running") await this.#upgrades.upgrade(this.#requireStarted(), () => this.isServing);
  }

  /** The addresses that are listened on, as the log names them. */
  get addresses(): readonly string[] {
    return this.#belongings?.listeners.all.map(({ url }) => url) ?? [];
  }

  /** Fulfilled when a stop is over, whoever asked for it. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  /** No stop has begun. */
  get isServing(): boolean {
    return this.#state === "running" || this.#state === "reloading" || this.#state === "starting";
  }

  async #start(): Promise<void> {
    const preparing = this.#generations.prepare();
    this.#earlyRouter = new EarlyRouter();
    const generation = await preparing;
    this.#generations.activate(generation);
    this.#requireStarting();
    const { settings } = generation;
    if (settings.daemon && this.#options.mayLaunch)
      throw new DaemonWanted(settings, generation.releaseMold());
    enterFolder(settings.chdir);
    process.title = processTitle("master", settings, this.#upgrades.isSecond);
    const log = new ArbiterLog(settings, () => this.#generations.workerCount);
    this.#log = log;
    this.#service.log = log;
    log.info(`Starting tunicorn ${version}`);
    log.debug(`Settings:\n${settingsText(settings).trimEnd()}`);
    for (const warning of generation.warnings) log.warning(warning);
    const { inheritance } = this.#options;
    const belongings = new Belongings(settings, inheritance);
    this.#belongings = belongings;
    this.#upgrades.follow(() => this.#takeFirstPlace());
    belongings.makeQueue(settings, log);
    await this.#generations.configure(generation, log, belongings);
    this.#requireStarting();
    await generation.hooks?.run("on_starting");
    this.#isOnExitDue = true;
    this.#requireStarting();
    if (inheritance.sockets.length > 0)
      log.info(`Taking over ${plural(inheritance.sockets.length, "socket")} from ${inheritance.origin}`);
    const place = { log, interpreter: this.#options.interpreter, ending: this.#ending.signal };
    await belongings.listeners.open(settings.bind, bindingOptions(settings, belongings.identity, place));
    this.#requireStarting();
    // Until our workers are ready the arbiter before us serves all clients: a start that fails costs none of them.
    belongings.listeners.isPaused = this.#upgrades.isSecond;
    await this.#startRouter(belongings, log);
    await log.written();
    await generation.hooks?.run("when_ready");
    await generation.bootWorkers();
    this.#requireStarting();
    if (belongings.listeners.isPaused) await takeClients(this.#requireStarted());
    log.info(`Ready: ${this.#describe()}, ${generation.python}`);
    this.#service.ready(this.#describe());
    this.#upgrades.tellReady();
    this.#service.watch(() => this.#router?.isWell() ?? false);
    this.#state = "running";
    this.#codeWatcher = new CodeWatcher({
      log,
      runtimeDirectory: belongings.runtimeDirectory,
      onChange: (file) => void this.reload(`Reloading: ${file} was modified`),
    });
    this.#watchCode();
    if (this.#isReloadWanted) void this.reload("Reloading, as asked during the start");
    if (this.#isUpgradeWanted) void this.upgrade();
  }

  /** What is served, in a line for people. */
  #describe(): string {
    const { settings, wanted } = this.#generations.requireActive();
    return `${plural(wanted, "worker")} for ${applicationName(settings)}`;
  }

  /** With `reload`, for the generation that serves by now. */
  #watchCode(): void {
    const active = this.#generations.active;
    if (active !== null && this.isServing) this.#codeWatcher?.follow(active.number, active.settings);
  }

  /** After every wait of the start: a signal may have ended it meanwhile. */
  #requireStarting(): void {
    if (this.#state !== "starting") throw new TunicornError("ERR_MOLD_LOST", "The start was interrupted");
  }

  /** The arbiter before us has left. */
  #takeFirstPlace(): void {
    const { settings } = this.#generations.requireActive();
    this.#log?.info("The arbiter before has left: this one has its place");
    try {
      this.#belongings?.promote(settings);
    } catch (error) {
      this.#log?.error(describeError(error));
    }
    process.title = processTitle("master", settings);
    if (this.#belongings !== null)
      this.#router?.send({ type: "leftovers", leftovers: this.#belongings.leftovers });
    this.#service.takeOver();
  }

  async #startRouter(belongings: Belongings, log: ArbiterLog): Promise<void> {
    const router = new Routers({
      count: belongings.routers,
      describe: (number) => describeRouter({ generations: this.#generations, belongings }, number),
      early: this.#earlyRouter,
      log,
      interpreter: this.#options.interpreter,
      // A worker that a signal to the whole process group has ended is not replaced: this process had it too.
      onMessage: (message) => afterWholeTurn(() => reports.handle(message)),
      onGivenUp: () => void this.quit("Shutting down: there is no router"),
    });
    const reports = new WorkerReports({
      generations: this.#generations,
      log,
      sendToRouter: (message) => router.send(message),
      isServing: () => this.isServing,
      isQuick: () => this.#isQuick,
    });
    this.#router = router;
    await router.start();
    this.#requireStarting();
    log.info(`Listening at: ${urlsOf(belongings.listeners.all)} (${process.pid})`);
    log.info(`Using worker: ${this.#generations.requireActive().workerClass}`);
  }

  #requireStarted(): ServerParts {
    const log = this.#log;
    const belongings = this.#belongings;
    const router = this.#router;
    if (log === null || belongings === null || router === null)
      throw new Error("the arbiter has not started");
    return { log, belongings, router, generations: this.#generations };
  }

  /** The workers of a dead mold serve on until a new generation takes over, which is tried until it can. */
  async #onMoldLost(lost: number): Promise<void> {
    if (lost !== this.#generations.active?.number || !this.isServing || this.#state === "starting") return;
    this.#log?.critical("The mold process died; its workers serve until a new generation is ready");
    for (let pauseMs = RESTART_PAUSE_MS; this.#generations.active?.number === lost && this.isServing;) {
      await delay(pauseMs);
      if (this.isServing) await this.reload("Starting a new generation in its place");
      pauseMs = Math.min(pauseMs * 2, RESTART_PAUSE_LIMIT_MS);
    }
  }

  /** The last steps of every stop: workers, hook, molds, router, files. */
  async #abandon(): Promise<void> {
    this.#state = "stopped";
    await this.#generations.endWorkers();
    try {
      if (this.#isOnExitDue) await this.#generations.active?.hooks?.run("on_exit");
    } catch (error) {
      this.#log?.error(describeError(error));
    }
    await this.#generations.endMolds();
    this.#earlyRouter?.discard();
    await this.#router?.stop();
    await this.#upgrades.settle();
    this.#belongings?.remove();
    const { heir } = this.#upgrades;
    if (heir !== null) this.#service.handOver(heir);
    await this.#service.flush();
    await this.#log?.close();
  }
}
