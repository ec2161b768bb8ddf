import { statSync } from "node:fs";

/** Tells by their times and sizes which of many files have changed since they were last looked at. */
export class FileChanges {
  readonly #known = new Map<string, string>();

  /** From now on these files are looked at. Returns those that were not before. */
  watch(files: readonly string[]): readonly string[] {
    const added = files.filter((file) => !this.#known.has(file));
    for (const file of added) this.#known.set(file, fingerprint(file) ?? "");
    return added;
  }

  /** The files that have changed. One that is gone counts when it is back: editors replace files. */
  take(): readonly string[] {
    const changed: string[] = [];
    for (const [file, before] of this.#known) {
      const now = fingerprint(file);
      if (now === null || now === before) continue;
      this.#known.set(file, now);
      changed.push(file);
    }
    return changed;
  }

  clear(): void {
    this.#known.clear();
  }
}

function fingerprint(file: string): string | null {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? null : `${stats.mtimeNs}:${stats.size}:${stats.ino}`;
}

/** Whether a file was changed after a time. Not what comes from a clock ahead of ours: it would be so for ever. */
export function wasChangedSince(file: string, sinceMs: number): boolean {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats !== undefined && stats.mtimeMs > sinceMs && stats.mtimeMs < Date.now() + 1;
}
