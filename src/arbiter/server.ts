import { applicationName } from "../config/application-name.ts";
import type { Invocation } from "../config/invocation.ts";
import { processTitle } from "../config/process-title.ts";
import type { Settings } from "../config/settings/all.ts";
import { settingsText } from "../config/settings-text.ts";
import { describeError } from "../errors.ts";
import { afterWholeTurn } from "../system/whole-turn.ts";
import { enterFolder } from "../system/working-folder.ts";
import { version } from "../version.ts";
import { ArbiterLog } from "./arbiter-log.ts";
import { Belongings } from "./belongings.ts";
import { bindingOptions } from "./binding.ts";
import { DaemonWanted } from "./daemon-wanted.ts";
import type { Generation } from "./generation.ts";
import { Generations } from "./generations.ts";
import type { Inheritance } from "./inherited-sockets.ts";
import type { AdoptedMold } from "./mold-process.ts";
import { takeClients } from "./pausing.ts";
import { urlsOf } from "./rebinding.ts";
import { EarlyRouter } from "./router-process.ts";
import { Routers } from "./routers.ts";
import type { ServerLife } from "./server-life.ts";
import { describeRouter, type ServerParts } from "./server-parts.ts";
import { ServiceManager } from "./service-manager.ts";
import type { StartCommand } from "./start-command.ts";
import { Upgrades } from "./upgrades.ts";
import { plural } from "./wording.ts";
import { WorkerReports } from "./worker-reports.ts";

/** What is known before a start. */
export interface StartOptions {
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

export interface ServerOptions extends StartOptions {
  readonly life: ServerLife;
  /** Requests are being cut off on purpose. */
  readonly isQuick: () => boolean;
  /** The mold of the generation with this number died although nobody told it to leave. */
  readonly onMoldLost: (generation: number) => void;
  /** A router died and no other could be started. */
  readonly onRouterLost: () => void;
}

/**
 * What a server consists of. The start makes one part after another; at the end those that are there are taken down,
 * however far it came.
 */
export class Server {
  readonly generations: Generations;
  readonly service: ServiceManager;
  readonly upgrades: Upgrades;
  readonly #options: ServerOptions;
  #log: ArbiterLog | null = null;
  #belongings: Belongings | null = null;
  #earlyRouter: EarlyRouter | null = null;
  #router: Routers | null = null;
  /** on_starting was called, so on_exit must be too, even when the start fails. */
  #isOnExitDue = false;

  constructor(options: ServerOptions) {
    const { invocation, interpreter, adoptedMold, inheritance, command, onMoldLost } = options;
    const { predecessor } = inheritance;
    this.#options = options;
    const { environment } = invocation;
    this.service = new ServiceManager({ environment, interpreter, isMain: predecessor === null });
    this.upgrades = new Upgrades({ predecessor, command });
    this.generations = new Generations({ invocation, interpreter, adoptedMold, onMoldLost });
  }

  get log(): ArbiterLog | null {
    return this.#log;
  }

  get belongings(): Belongings | null {
    return this.#belongings;
  }

  get router(): Routers | null {
    return this.#router;
  }

  /** All of them, for what happens only once they are there. */
  get parts(): ServerParts {
    const log = this.#log;
    const belongings = this.#belongings;
    const router = this.#router;
    if (log === null || belongings === null || router === null) throw new Error("the server has not started");
    return { log, belongings, router, generations: this.generations };
  }

  /** What is served, in a line for people. */
  describe(): string {
    const { settings, wanted } = this.generations.requireActive();
    return `${plural(wanted, "worker")} for ${applicationName(settings)}`;
  }

  /** Resolves when all workers are ready. Rejects when that cannot be, or when the server is to end. */
  async start(): Promise<void> {
    const { life, inheritance, mayLaunch } = this.#options;
    const preparing = this.generations.prepare();
    this.#earlyRouter = new EarlyRouter();
    const generation = await preparing;
    this.generations.activate(generation);
    life.requireStarting();
    const { settings } = generation;
    if (settings.daemon && mayLaunch) throw new DaemonWanted(settings, generation.releaseMold());
    enterFolder(settings.chdir);
    process.title = processTitle("master", settings, this.upgrades.isSecond);
    const log = this.#openLog(generation);
    const belongings = new Belongings(settings, inheritance);
    this.#belongings = belongings;
    this.upgrades.follow(() => this.#takeFirstPlace());
    belongings.makeQueue(settings, log);
    await this.generations.configure(generation, log, belongings);
    life.requireStarting();
    await generation.hooks?.run("on_starting");
    this.#isOnExitDue = true;
    life.requireStarting();
    await this.#bind(settings, belongings, log);
    life.requireStarting();
    await this.#startRouters(belongings, log);
    life.requireStarting();
    log.info(
      `Listening at: ${urlsOf(belongings.listeners.all, generation.read.tls !== null)} (${process.pid})`,
    );
    log.info(`Using worker: ${generation.workerClass}`);
    await log.written();
    await generation.hooks?.run("when_ready");
    await generation.bootWorkers();
    life.requireStarting();
    if (belongings.listeners.isPaused) await takeClients(this.parts);
    life.requireStarting();
    log.info(`Ready: ${this.describe()}, ${generation.python}`);
    this.service.ready(this.describe());
    this.upgrades.tellReady();
    life.enter("started");
    this.service.watch(() => this.#router?.isWell() ?? false);
  }

  #openLog({ settings, read }: Generation): ArbiterLog {
    const log = new ArbiterLog(settings, () => this.generations.workerCount);
    this.#log = log;
    this.service.log = log;
    log.info(`Starting tunicorn ${version}`);
    log.debug(`Settings:\n${settingsText(settings).trimEnd()}`);
    for (const warning of read.warnings) log.warning(warning);
    return log;
  }

  async #bind(settings: Settings, belongings: Belongings, log: ArbiterLog): Promise<void> {
    const { listeners, identity } = belongings;
    const { inheritance, interpreter, life } = this.#options;
    const { sockets, origin } = inheritance;
    if (sockets.length > 0) log.info(`Taking over ${plural(sockets.length, "socket")} from ${origin}`);
    await listeners.open(
      settings.bind,
      bindingOptions(settings, identity, { log, interpreter, ending: life.ending }),
    );
    // Until our workers are ready the arbiter before us serves all clients: a start that fails costs none of them.
    listeners.isPaused = this.upgrades.isSecond;
  }

  async #startRouters(belongings: Belongings, log: ArbiterLog): Promise<void> {
    const { generations } = this;
    const { interpreter, life, isQuick, onRouterLost } = this.#options;
    const router = new Routers({
      count: belongings.routers,
      describe: (number) => describeRouter({ generations, belongings }, number),
      early: this.#earlyRouter,
      log,
      interpreter,
      // A worker that a signal to the whole process group has ended is not replaced: this process had it too.
      onMessage: (message) => afterWholeTurn(() => reports.handle(message)),
      onGivenUp: onRouterLost,
    });
    const reports = new WorkerReports({
      generations,
      log,
      sendToRouter: (message) => router.send(message),
      ending: life.ending,
      isQuick,
    });
    this.#router = router;
    await router.start();
  }

  /** The arbiter before us has left. */
  #takeFirstPlace(): void {
    const { settings } = this.generations.requireActive();
    try {
      this.#belongings?.promote(settings);
    } catch (error) {
      this.#log?.error(describeError(error));
    }
    process.title = processTitle("master", settings);
    if (this.#belongings !== null)
      this.#router?.send({ type: "leftovers", leftovers: this.#belongings.leftovers });
    // Said when it holds for systemd, too: from then on a stop is as graceful as ever.
    const said = "The arbiter before has left: this one has its place";
    void this.service.takeOver().then(() => this.#log?.info(said));
  }

  /** The last steps of every stop, and of a start that failed: workers, hook, molds, router, files. */
  async takeDown(): Promise<void> {
    await this.generations.endWorkers();
    try {
      if (this.#isOnExitDue) await this.generations.active?.hooks?.run("on_exit");
    } catch (error) {
      this.#log?.error(describeError(error));
    }
    await this.generations.endMolds();
    this.#earlyRouter?.discard();
    await this.#router?.stop();
    await this.upgrades.settle();
    this.#belongings?.remove();
    const { heir } = this.upgrades;
    if (heir !== null) this.service.handOver(heir);
    await this.service.flush();
    await this.#log?.close();
  }
}
