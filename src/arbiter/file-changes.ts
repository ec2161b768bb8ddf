import { type BigIntStats, statSync } from "node:fs";

/** Tells by their times and sizes which of many files have changed since they were last looked at. */
export class FileChanges {
  readonly #known = new Map<string, string>();

  /**
   * Watches these files from now on. Returns those that are new to it, and which of the new ones had changed since
   * `sinceMs` (null: none had). Later changes are returned by take(), and none by both.
   */
  watch(files: readonly string[], sinceMs: number | null): WatchedFiles {
    const added = files.filter((file) => !this.#known.has(file));
    const changed: string[] = [];
    for (const file of added) {
      const stats = statOf(file);
      this.#known.set(file, stats === undefined ? "" : fingerprint(stats));
      if (stats !== undefined && sinceMs !== null && wasChangedSince(stats, sinceMs)) changed.push(file);
    }
    return { added, changed };
  }

  /** The files that have changed. One that is gone counts when it is back: editors replace files. */
  take(): readonly string[] {
    const changed: string[] = [];
    for (const [file, before] of this.#known) {
      const stats = statOf(file);
      if (stats === undefined || fingerprint(stats) === before) continue;
      this.#known.set(file, fingerprint(stats));
      changed.push(file);
    }
    return changed;
  }

  clear(): void {
    this.#known.clear();
  }
}

export interface WatchedFiles {
  readonly added: readonly string[];
  readonly changed: readonly string[];
}

function statOf(file: string): BigIntStats | undefined {
  return statSync(file, { bigint: true, throwIfNoEntry: false });
}

function fingerprint({ mtimeNs, size, ino }: BigIntStats): string {
  return `${mtimeNs}:${size}:${ino}`;
}

/** Not what comes from a clock ahead of ours: it would be so for ever. */
function wasChangedSince({ mtimeNs }: BigIntStats, sinceMs: number): boolean {
  const mtimeMs = Number(mtimeNs) / 1e6;
  return mtimeMs > sinceMs && mtimeMs < Date.now() + 1;
}
