import { setTimeout as delay } from "node:timers/promises";
import type { Invocation } from "../config/invocation.ts";
import { settingsText } from "../config/settings-text.ts";
import { describeError, TunicornError } from "../errors.ts";
import { ErrorLog } from "../log/error-log.ts";
import type { Leftovers, RequestSummary, RouterToArbiter } from "../router/messages.ts";
import { makeDeferred } from "../system/deferred.ts";
import { version } from "../version.ts";
import { Generation } from "./generation.ts";
import { bindListeners, type Listener } from "./listener.ts";
import { Pidfile } from "./pidfile.ts";
import { makeRouterSettings } from "./router-settings.ts";
import { RouterSupervisor } from "./router-supervisor.ts";
import { RuntimeDirectory } from "./runtime-directory.ts";
import { describeRequest, plural } from "./wording.ts";

/**
 * starting: until all workers of the first generation are ready. running. reloading: a next generation
 * boots. stopping: nothing new is begun. stopped: everything is removed.
 */
type State = "starting" | "running" | "reloading" | "stopping" | "stopped";

/** How long the quick stop waits for workers before it kills them. */
const QUICK_STOP_MS = 2_000;
/** Pause before a next generation takes the place of a mold that died, so that a broken one does not spin. */
const RESTART_PAUSE_MS = 500;

/** The arbiter: it owns the listeners, the router and the generations, and never reads a byte of a request. */
export class Arbiter {
  readonly #invocation: Invocation;
  readonly #interpreter: string;
  #state: State = "starting";
  #log: ErrorLog | null = null;
  #runtimeDirectory: RuntimeDirectory | null = null;
  #pidfile: Pidfile | null = null;
  #listeners: Listener[] = [];
  #router: RouterSupervisor | null = null;
  #active: Generation | null = null;
  /** Generations that are leaving. */
  readonly #retiring = new Set<Generation>();
  #lastAge = 0;
  #lastGeneration = 0;
  #isReloadWanted = false;

  constructor(invocation: Invocation, interpreter: string) {
    this.#invocation = invocation;
    this.#interpreter = interpreter;
  }

  /**
   * Starts everything; resolves when all workers are ready. What was started is removed again when it
   * fails. Rejects with the reason, whose exit status is the process's.
   */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      if (this.#state === "starting") await this.#abandon();
      // Standard error hears of it too, but who looks into a log file must not find it silent.
      if (this.#active?.settings.errorlog !== "-") this.#log?.critical(describeError(error));
      throw error;
    }
  }

  /** HUP: a next generation with the settings and the code as they are now. Requests during one join it. */
  async reload(reason = "Handling signal: hup"): Promise<void> {
    this.#log?.info(reason);
    if (this.#state === "reloading" || this.#state === "starting") {
      this.#isReloadWanted = true;
      return;
    }
    if (this.#state !== "running") return;
    this.#state = "reloading";
    do {
      this.#isReloadWanted = false;
      await this.#renew();
    } while (this.#isReloadWanted && this.#isServing);
    if (this.#isServing) this.#state = "running";
  }

  /** TERM: everything that was accepted is answered, within the graceful timeout. */
  async stop(reason = "Handling signal: term"): Promise<void> {
    if (this.#state === "stopping" || this.#state === "stopped") return;
    this.#log?.info(reason);
    this.#state = "stopping";
    const generations = this.#generations;
    const gracefulMs = (this.#active?.settings.graceful_timeout ?? 0) * 1000;
    const limit = new AbortController();
    const finished = (async () => {
      await this.#router?.drain();
      await Promise.all(generations.map((generation) => generation.leave(gracefulMs)));
    })();
    const isInTime = await Promise.race([
      finished.then(() => true),
      delay(gracefulMs, false, { signal: limit.signal }).catch(() => false),
      this.#quick.promise.then(() => false),
    ]);
    limit.abort();
    if (!isInTime) await this.#endWorkers(generations, this.#isQuick ? "SIGQUIT" : "SIGKILL");
    await this.#finish();
  }

  /** INT and QUIT: requests under way are cut off. During a graceful stop it ends the waiting. */
  async quit(reason: string): Promise<void> {
    this.#isQuick = true;
    this.#quick.resolve();
    if (this.#state === "stopping" || this.#state === "stopped") return;
    this.#log?.info(reason);
    this.#state = "stopping";
    await this.#endWorkers(this.#generations, "SIGQUIT");
    await this.#finish();
  }

  /** TTIN and TTOU: one worker more or fewer, until the next reload. */
  changeWorkers(difference: 1 | -1): void {
    this.#log?.info(`Handling signal: ${difference > 0 ? "ttin" : "ttou"}`);
    if (!this.#isServing || this.#active === null) return;
    const wanted = this.#active.changeWorkers(difference);
    for (const worker of this.#active.takeSurplus()) this.#router?.send({ type: "retire-worker", worker });
    this.#log?.info(`${plural(wanted, "worker")} wanted`);
  }

  /** USR1: log files are opened anew, after they were moved away. */
  reopenLogs(): void {
    this.#log?.info("Handling signal: usr1");
    this.#log?.reopen();
    this.#router?.send({ type: "reopen-logs" });
    for (const generation of this.#generations) generation.reopenLogs();
  }

  #isQuick = false;
  readonly #quick = makeDeferred();

  get #isServing(): boolean {
    return this.#state === "running" || this.#state === "reloading" || this.#state === "starting";
  }

  get #generations(): Generation[] {
    return [...(this.#active === null ? [] : [this.#active]), ...this.#retiring];
  }

  async #start(): Promise<void> {
    const generation = await this.#prepareGeneration();
    this.#active = generation;
    const { settings } = generation;
    process.chdir(settings.chdir);
    process.title = `tunicorn: arbiter [${settings.proc_name ?? settings.wsgi_app}]`;
    const log = new ErrorLog(settings.errorlog, settings.loglevel);
    this.#log = log;
    log.info(`Starting tunicorn ${version}`);
    log.debug(`Settings:\n${settingsText(settings).trimEnd()}`);
    for (const warning of generation.warnings) log.warning(warning);
    if (settings.pidfile !== null) this.#writePidfile(settings.pidfile);
    this.#runtimeDirectory = new RuntimeDirectory(settings.worker_tmp_dir);
    await this.#configure(generation);
    await generation.runHook("on_starting");
    this.#listeners = await bindListeners(settings.bind, log);
    await this.#startRouter(log);
    log.info(`Listening at: ${this.#listeners.map(({ url }) => url).join(",")} (${process.pid})`);
    log.info(`Using worker: ${settings.worker_class}`);
    await generation.runHook("when_ready");
    await generation.bootWorkers();
    if (!this.#isServing) return;
    log.info(`Ready: ${plural(settings.workers, "worker")} for ${settings.wsgi_app}, ${generation.python}`);
    this.#state = "running";
    if (this.#isReloadWanted) void this.reload("Reloading, as asked during the start");
  }

  async #prepareGeneration(): Promise<Generation> {
    this.#lastGeneration += 1;
    return await Generation.prepare({
      number: this.#lastGeneration,
      invocation: this.#invocation,
      interpreter: this.#interpreter,
      nextAge: () => {
        this.#lastAge += 1;
        return this.#lastAge;
      },
      listener: { onMoldLost: (generation) => void this.#onMoldLost(generation) },
    });
  }

  /** Makes the mold ready; the application is imported at once if it is to be preloaded. */
  async #configure(generation: Generation): Promise<void> {
    const runtimeDirectory = this.#runtimeDirectory;
    const log = this.#log;
    if (runtimeDirectory === null || log === null)
      throw new Error("a generation was configured before the start");
    await generation.configure({
      log,
      channelPath: runtimeDirectory.channelPath,
      runtimeDirectory: runtimeDirectory.path,
    });
    if (generation.settings.preload_app) await generation.load();
  }

  #writePidfile(path: string): void {
    const pidfile = new Pidfile(path);
    pidfile.write();
    this.#pidfile = pidfile;
  }

  async #startRouter(log: ErrorLog): Promise<void> {
    this.#router = new RouterSupervisor({
      describe: () => {
        const { settings, number } = this.#requireActive();
        return {
          settings: makeRouterSettings(settings, process.env),
          listeners: this.#listeners,
          backlog: settings.backlog,
          channelPath: this.#runtimeDirectory?.channelPath ?? "",
          generation: number,
          leftovers: this.#leftovers,
        };
      },
      log,
      onMessage: (message) => this.#onRouterMessage(message),
      onGivenUp: () => void this.quit("Shutting down: there is no router"),
    });
    await this.#router.start();
  }

  get #leftovers(): Leftovers {
    return {
      arbiterPid: process.pid,
      runtimeDirectory: this.#runtimeDirectory?.path ?? "",
      pidfile: this.#pidfile?.path ?? null,
      sockets: this.#listeners.flatMap(({ socketFile }) => (socketFile === null ? [] : [socketFile])),
    };
  }

  /** Boots a next generation and lets it take over; when it fails, the present one goes on. */
  async #renew(): Promise<void> {
    let next: Generation | null = null;
    try {
      next = await this.#prepareGeneration();
      this.#retiring.add(next);
      for (const warning of next.warnings) this.#log?.warning(warning);
      await this.#configure(next);
      await next.bootWorkers();
      if (this.#isServing) this.#activate(next);
    } catch (error) {
      this.#log?.error(`The reload failed, the workers of before go on serving: ${describeError(error)}`);
      if (next !== null) {
        next.signalAll("SIGKILL");
        await this.#dispose(next, 0);
      }
    }
  }

  #activate(next: Generation): void {
    const previous = this.#requireActive();
    const { settings } = next;
    this.#retiring.delete(next);
    this.#active = next;
    this.#log?.configure(settings.errorlog, settings.loglevel);
    if (settings.bind.join() !== previous.settings.bind.join()) {
      this.#log?.warning("A changed bind takes effect when the server is started anew");
    }
    this.#router?.send({ type: "configure", settings: makeRouterSettings(settings, process.env) });
    this.#router?.send({ type: "activate", generation: next.number });
    this.#log?.info(
      `Reloaded: ${plural(settings.workers, "worker")} for ${settings.wsgi_app}, ${next.python}`,
    );
    this.#retiring.add(previous);
    void this.#dispose(previous, previous.settings.graceful_timeout * 1000);
  }

  /** Waits for a generation's workers to leave, and ends its mold. */
  async #dispose(generation: Generation, gracefulMs: number): Promise<void> {
    await generation.leave(gracefulMs);
    await generation.stopMold();
    this.#retiring.delete(generation);
  }

  #onRouterMessage(message: RouterToArbiter): void {
    switch (message.type) {
      case "worker-ready":
        for (const generation of this.#generations) generation.onWorkerReady(message.worker);
        this.#retireReplaced();
        break;
      case "worker-leaving":
        if (this.#isServing) this.#active?.replaceWorker(message.worker);
        break;
      case "worker-lost":
        this.#onWorkerLost(message.worker, message.request);
        break;
      case "worker-timeout":
        this.#onWorkerTimeout(message.worker, message.request);
        break;
      case "drained":
      case "listening":
      case "failed":
        break;
      default:
        message satisfies never;
    }
  }

  #retireReplaced(): void {
    for (const worker of this.#active?.takeReplaced() ?? [])
      this.#router?.send({ type: "retire-worker", worker });
  }

  #onWorkerLost(worker: number, request: RequestSummary | null): void {
    if (request === null || this.#isQuick) return;
    this.#log?.error(`Worker (pid:${this.#pidOf(worker)}) died while it handled ${describeRequest(request)}`);
  }

  #onWorkerTimeout(worker: number, request: RequestSummary): void {
    const generation = this.#generations.find(({ workers }) => workers.some(({ age }) => age === worker));
    const limit = generation?.settings.timeout ?? 0;
    this.#log?.critical(
      `WORKER TIMEOUT (pid:${this.#pidOf(worker)}): ${describeRequest(request)}, the limit is ${limit} s; its stack follows`,
    );
    generation?.abortWorker(worker);
  }

  #pidOf(age: number): number {
    for (const generation of this.#generations) {
      const worker = generation.workers.find((candidate) => candidate.age === age);
      if (worker !== undefined) return worker.pid;
    }
    return 0;
  }

  /** The workers of a dead mold serve on; a new generation takes over from them. */
  async #onMoldLost(generation: Generation): Promise<void> {
    if (generation !== this.#active || !this.#isServing || this.#state === "starting") return;
    this.#log?.critical("The mold process died; its workers serve until a new generation is ready");
    await delay(RESTART_PAUSE_MS);
    await this.reload("Starting a new generation in its place");
  }

  /** Ends what is left of the workers: at first by `signal`, after a while by KILL. */
  async #endWorkers(generations: readonly Generation[], signal: NodeJS.Signals): Promise<void> {
    this.#router?.cutOff();
    for (const generation of generations) generation.signalAll(signal);
    await Promise.all(generations.map((generation) => generation.leave(QUICK_STOP_MS)));
  }

  /** The last steps of every stop: hook, mold, router, files. */
  async #finish(): Promise<void> {
    try {
      await this.#active?.runHook("on_exit");
    } catch (error) {
      this.#log?.error(describeError(error));
    }
    this.#log?.info("Shutting down: tunicorn");
    await this.#abandon();
  }

  async #abandon(): Promise<void> {
    this.#state = "stopped";
    const generations = this.#generations;
    for (const generation of generations) generation.signalAll("SIGKILL");
    await Promise.all(generations.map((generation) => generation.leave(0)));
    await Promise.all(generations.map((generation) => generation.stopMold()));
    await this.#router?.stop();
    for (const listener of this.#listeners) listener.close();
    this.#runtimeDirectory?.remove();
    this.#pidfile?.remove();
  }

  #requireActive(): Generation {
    if (this.#active === null) throw new TunicornError("ERR_MOLD_LOST", "There is no active generation");
    return this.#active;
  }
}
