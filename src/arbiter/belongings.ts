import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Settings } from "../config/settings/all.ts";
import type { ErrorLog } from "../log/error-log.ts";
import type { Leftovers } from "../router/messages.ts";
import { reasonOf, TunicornError } from "../errors.ts";
import type { Generation } from "./generation.ts";
import { giveFile, OWN_IDENTITY, type Identity } from "./identity.ts";
import type { Inheritance } from "./inherited-sockets.ts";
import { ListenerSet } from "./listener-set.ts";
import { Pidfile } from "./pidfile.ts";
import { QueueDirectory } from "./queue-directory.ts";
import { RuntimeDirectory } from "./runtime-directory.ts";

/** Ends the pidfile's name while another arbiter has the first place. */
const SECOND = ".2";

/** What the arbiter owns outside its process: pidfile, runtime directory, listening sockets. */
export class Belongings {
  readonly #runtimeDirectory: RuntimeDirectory;
  #pidfile: Pidfile | null;
  #queue: QueueDirectory | null = null;
  #isQueueLost = false;
  #log: ErrorLog | null = null;
  #identity: Identity | null = null;
  #isSecond: boolean;
  /** Several share one queue; without it there is one. */
  #routers = 1;
  readonly listeners: ListenerSet;

  /** Takes the pidfile and makes the runtime directory. Throws ERR_PIDFILE or ERR_RUNTIME_DIRECTORY. */
  constructor(settings: Settings, inheritance: Inheritance) {
    this.listeners = new ListenerSet(inheritance);
    this.#isSecond = inheritance.predecessor !== null;
    const pidfile = this.#pidfileFor(settings);
    pidfile?.write();
    this.#pidfile = pidfile;
    try {
      this.#runtimeDirectory = new RuntimeDirectory(settings.worker_tmp_dir, {
        isForOthers: process.geteuid?.() === 0 && (settings.user !== null || settings.group !== null),
      });
    } catch (error) {
      pidfile?.remove();
      throw error;
    }
  }

  /** Another arbiter has the first place, and the names that go with it. */
  get isSecond(): boolean {
    return this.#isSecond;
  }

  /** The first place is ours: the arbiter before us has left. Throws ERR_PIDFILE. */
  promote(settings: Settings): void {
    this.#isSecond = false;
    this.listeners.isShared = false;
    this.movePidfile(settings);
  }

  /** Puts the pidfile where the settings have it by now; one that was removed is there again. Throws ERR_PIDFILE. */
  movePidfile(settings: Settings): void {
    const before = this.#pidfile;
    const pidfile = this.#pidfileFor(settings);
    if (pidfile?.path !== before?.path || pidfile?.isThere === false) pidfile?.write();
    if (pidfile?.path !== before?.path) before?.remove();
    this.#pidfile = pidfile;
  }

  #pidfileFor({ pidfile: path }: Settings): Pidfile | null {
    return path === null ? null : new Pidfile(`${path}${this.#isSecond ? SECOND : ""}`);
  }

  get runtimeDirectory(): string {
    return this.#runtimeDirectory.path;
  }

  /** How many routers there are. */
  get routers(): number {
    return this.#routers;
  }

  /** Where the workers dial the router with this number. */
  channelPath(router: number): string {
    return this.#runtimeDirectory.channelPath(router);
  }

  get channelPaths(): readonly string[] {
    return Array.from({ length: this.#routers }, (_, router) => this.channelPath(router));
  }

  /** The shared queue, where it can be had; a generation that has begun to pull from it goes on to. */
  get queue(): QueueDirectory | null {
    if (this.#queue?.isIntact !== false) return this.#queue;
    if (!this.#isQueueLost) {
      this.#log?.warning(
        `Somebody has removed the shared queue, ${this.#queue.path}: new generations get their requests over channels`,
      );
    }
    this.#isQueueLost = true;
    return null;
  }

  /** The ring for a router that starts now; null without one, or when the FIFO of its generation is gone. */
  ringPath(router: number, tokensPath: string | null): string | null {
    if (tokensPath !== null && !existsSync(tokensPath)) return null;
    return this.queue?.ringPath(router) ?? null;
  }

  /** Makes the shared queue. Without it requests go over the channels, which is slower and no less sound. */
  makeQueue(settings: Settings, log: ErrorLog): void {
    this.#log = log;
    if (this.#runtimeDirectory.trouble !== null) log.warning(this.#runtimeDirectory.trouble);
    try {
      this.#queue = new QueueDirectory(settings.queue_dir, settings.routers);
      this.#routers = settings.routers;
    } catch (error) {
      log.info(`Requests go over channels, there is no shared queue in queue_dir: ${reasonOf(error)}`);
      if (settings.routers > 1) log.warning("Several routers need the shared queue: there is one router");
    }
  }

  /** Whose rights the workers and the routers have. */
  get identity(): Identity {
    return this.#identity ?? OWN_IDENTITY;
  }

  /** Gives the routers and workers what they use. Throws ERR_SETTING_VALUE when a reload changes whose they are. */
  giveTo(identity: Identity): void {
    const before = this.#identity ?? identity;
    if (before.uid !== identity.uid || before.gid !== identity.gid) {
      throw new TunicornError("ERR_SETTING_VALUE", "A reload cannot change user and group", {
        hint: "Start the server anew",
      });
    }
    this.#identity = identity;
    giveFile(this.#runtimeDirectory.path, identity);
    this.#queue?.giveTo(identity);
  }

  /** Where the workers of a generation pull their requests; null: they get them over their channels. */
  tokensPath({ number, settings }: Pick<Generation, "number" | "settings">): string | null {
    return this.queue?.tokensPath(number, settings.worker_class) ?? null;
  }

  /** Nobody pulls from this generation's any more. */
  removeTokens({ number }: Pick<Generation, "number">): void {
    this.#queue?.removeTokens(number);
  }

  /** Where the log process of a generation listens, if it has one. */
  logSocketPath({ number }: Pick<Generation, "number">): string {
    return join(this.#runtimeDirectory.path, `log-${number}`);
  }

  /** What others have to remove if we are killed. */
  get leftovers(): Leftovers {
    return {
      arbiterPid: process.pid,
      runtimeDirectory: this.#runtimeDirectory.path,
      queueDirectory: this.#queue?.path ?? null,
      pidfile: this.#pidfile?.path ?? null,
      sockets: this.listeners.files,
    };
  }

  remove(): void {
    this.listeners.close();
    this.#runtimeDirectory.remove();
    this.#queue?.remove();
    this.#pidfile?.remove();
  }
}
