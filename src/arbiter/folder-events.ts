import { existsSync, realpathSync, statSync, watch, type FSWatcher } from "node:fs";
import { dirname } from "node:path";

/** Hears from the system (inotify, on Linux) when something happens in the folders of files. */
export class FolderEvents {
  /** Null: the folder is gone, and may come back. */
  readonly #watchers = new Map<string, FSWatcher | null>();
  readonly #onEvent: () => void;

  constructor(onEvent: () => void) {
    this.#onEvent = onEvent;
  }

  /** Listens to the folders of these files and of what they are links to. Throws when the system has no room for it. */
  watch(files: readonly string[]): void {
    for (const folder of files.flatMap((file) => foldersOf(file))) {
      if (!this.#watchers.has(folder)) this.#watchers.set(folder, this.#open(folder));
    }
  }

  /** Listens again to folders that were gone and are back. */
  recover(): void {
    for (const [folder, watcher] of this.#watchers) {
      if (watcher !== null || !existsSync(folder)) continue;
      try {
        this.#watchers.set(folder, this.#open(folder));
      } catch {
        // It is gone again, or not to be read: until the next time.
        continue;
      }
      this.#onEvent();
    }
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher?.close();
    this.#watchers.clear();
  }

  #open(folder: string): FSWatcher {
    const watcher = watch(folder, { persistent: false }, () => {
      if (!existsSync(folder)) this.#forget(folder);
      this.#onEvent();
    });
    watcher.on("error", () => this.#forget(folder));
    return watcher;
  }

  #forget(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.set(folder, null);
  }
}

function foldersOf(file: string): readonly string[] {
  try {
    const isFolder = statSync(file).isDirectory();
    return [...(isFolder ? [file] : []), dirname(file), dirname(realpathSync(file))];
  } catch {
    return [];
  }
}
