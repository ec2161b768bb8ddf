import type { Settings } from "../config/settings/all.ts";
import { describeError } from "../errors.ts";
import type { ErrorLog } from "../log/error-log.ts";
import type { Leftovers } from "../router/messages.ts";
import { bindListeners, type Listener } from "./listener.ts";
import { Pidfile } from "./pidfile.ts";
import { QueueDirectory } from "./queue-directory.ts";
import { RuntimeDirectory } from "./runtime-directory.ts";

/** What the arbiter owns outside its process: pidfile, runtime directory, listening sockets. */
export class Belongings {
  readonly #runtimeDirectory: RuntimeDirectory;
  readonly #pidfile: Pidfile | null;
  #queue: QueueDirectory | null = null;
  #listeners: Listener[] = [];

  /** Takes the pidfile and makes the runtime directory. Throws ERR_PIDFILE or ERR_RUNTIME_DIRECTORY. */
  constructor(settings: Settings) {
    const pidfile = settings.pidfile === null ? null : new Pidfile(settings.pidfile);
    pidfile?.write();
    this.#pidfile = pidfile;
    try {
      this.#runtimeDirectory = new RuntimeDirectory(settings.worker_tmp_dir);
    } catch (error) {
      pidfile?.remove();
      throw error;
    }
  }

  get runtimeDirectory(): string {
    return this.#runtimeDirectory.path;
  }

  /** Where the workers dial the router. */
  get channelPath(): string {
    return this.#runtimeDirectory.channelPath;
  }

  /** The shared queue, where it can be had. */
  get queue(): QueueDirectory | null {
    return this.#queue;
  }

  /** Makes the shared queue. Without it requests go over the channels, which is slower and no less sound. */
  makeQueue(settings: Settings, log: ErrorLog): void {
    try {
      this.#queue = new QueueDirectory(settings.queue_dir);
    } catch (error) {
      log.info(`Requests go over channels: no shared queue in queue_dir: ${describeError(error)}`);
    }
  }

  get listeners(): readonly Listener[] {
    return this.#listeners;
  }

  /** What others have to remove if we are killed. */
  get leftovers(): Leftovers {
    return {
      arbiterPid: process.pid,
      runtimeDirectory: this.#runtimeDirectory.path,
      queueDirectory: this.#queue?.path ?? null,
      pidfile: this.#pidfile?.path ?? null,
      sockets: this.#listeners.flatMap(({ socketFile }) => (socketFile === null ? [] : [socketFile])),
    };
  }

  /** Binds all addresses. Throws ERR_BIND. */
  async bind(addresses: readonly string[], log: ErrorLog): Promise<void> {
    this.#listeners = await bindListeners(addresses, log);
  }

  closeListeners(): void {
    for (const listener of this.#listeners) listener.close();
    this.#listeners = [];
  }

  remove(): void {
    this.closeListeners();
    this.#runtimeDirectory.remove();
    this.#queue?.remove();
    this.#pidfile?.remove();
  }
}
