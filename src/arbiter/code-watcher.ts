import type { Settings } from "../config/settings/all.ts";
import { reasonOf } from "../errors.ts";
import type { ErrorLog } from "../log/error-log.ts";
import { FileChanges } from "./file-changes.ts";
import { FolderEvents } from "./folder-events.ts";
import { readWatchReports } from "./watch-report.ts";

export interface CodeWatcherOptions {
  readonly log: ErrorLog;
  /** Where the workers say which files they were made from. */
  readonly runtimeDirectory: string;
  /** A file of the active generation has changed. */
  readonly onChange: (file: string) => void;
}

/** How often reports are read, and files looked at where the system does not tell of changes. */
const LOOK_MS = 1_000;
/** From an event to the look at the files: an editor writes in several steps. */
const SETTLE_MS = 50;

/** For `--reload`: notices that code has changed. The workers tell which files there are. */
export class CodeWatcher {
  readonly #options: CodeWatcherOptions;
  readonly #changes = new FileChanges();
  readonly #events = new FolderEvents(() => this.#lookSoon());
  #generation = 0;
  #isPolling = false;
  #timer: NodeJS.Timeout | null = null;
  #settling: NodeJS.Timeout | null = null;

  constructor(options: CodeWatcherOptions) {
    this.#options = options;
  }

  /** From now on this generation's files are watched, if its settings want that. */
  follow(generation: number, settings: Settings): void {
    if (generation === this.#generation) return;
    this.#generation = generation;
    const wasOn = this.#timer !== null;
    this.close();
    if (!settings.reload) return;
    if (!wasOn) this.#options.log.warning("Reloader is on. Use in development only!");
    this.#isPolling = settings.reload_engine === "poll";
    this.#readReports();
    this.#timer = setInterval(() => this.#tick(), LOOK_MS);
    this.#timer.unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#settling !== null) clearTimeout(this.#settling);
    this.#timer = this.#settling = null;
    this.#events.close();
    this.#changes.clear();
  }

  #tick(): void {
    this.#readReports();
    if (this.#isPolling) this.#look();
    else this.#events.recover();
  }

  #readReports(): void {
    const changed: string[] = [];
    for (const { files, bootMs } of readWatchReports(this.#options.runtimeDirectory, this.#generation)) {
      const watched = this.#changes.watch(files, bootMs);
      changed.push(...watched.changed);
      if (!this.#isPolling && watched.added.length > 0) this.#listen(watched.added);
    }
    this.#tell(changed);
  }

  #listen(files: readonly string[]): void {
    try {
      this.#events.watch(files);
      // For what happened before we listened.
      this.#lookSoon();
    } catch (error) {
      this.#isPolling = true;
      this.#events.close();
      this.#options.log.warning(
        `The system cannot tell of changed files (${reasonOf(error)}); they are polled`,
      );
    }
  }

  #lookSoon(): void {
    this.#settling ??= setTimeout(() => {
      this.#settling = null;
      this.#look();
    }, SETTLE_MS);
  }

  #look(): void {
    this.#tell(this.#changes.take());
  }

  #tell([first]: readonly string[]): void {
    if (first !== undefined) this.#options.onChange(first);
  }
}
