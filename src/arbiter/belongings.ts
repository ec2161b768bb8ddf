import type { Settings } from "../config/settings/all.ts";
import type { ErrorLog } from "../log/error-log.ts";
import type { Leftovers } from "../router/messages.ts";
import { bindListeners, type Listener } from "./listener.ts";
import { Pidfile } from "./pidfile.ts";
import { RuntimeDirectory } from "./runtime-directory.ts";

/** What the arbiter owns outside its process: pidfile, runtime directory, listening sockets. */
export class Belongings {
  readonly #runtimeDirectory: RuntimeDirectory;
  readonly #pidfile: Pidfile | null;
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

  get listeners(): readonly Listener[] {
    return this.#listeners;
  }

  /** What others have to remove if we are killed. */
  get leftovers(): Leftovers {
    return {
      arbiterPid: process.pid,
      runtimeDirectory: this.#runtimeDirectory.path,
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
    this.#pidfile?.remove();
  }
}
