import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** What a worker says about the files that it was made from; python/tunicorn/watched_files.py writes it. */
export interface WatchReport {
  readonly generation: number;
  /** When the worker began to read the files, in the first report of each; then null. */
  readonly bootMs: number | null;
  readonly files: readonly string[];
}

/** The reports of a generation's workers. Those of earlier generations are removed. */
export function readWatchReports(runtimeDirectory: string, generation: number): readonly WatchReport[] {
  const reports: WatchReport[] = [];
  for (const name of namesIn(runtimeDirectory).filter((each) => /^watch-\d+$/.test(each))) {
    const path = join(runtimeDirectory, name);
    const report = readReport(path);
    if (report === null) continue;
    if (report.generation < generation) rmSync(path, { force: true });
    if (report.generation === generation) reports.push(report);
  }
  return reports;
}

/** None when somebody has removed the directory. */
function namesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Null for what cannot be read. The worker is ours and of the same version: the fields are trusted. */
function readReport(path: string): WatchReport | null {
  try {
    const { generation, bootSeconds, files } = JSON.parse(readFileSync(path, "utf8")) as WrittenReport;
    return { generation, bootMs: bootSeconds === null ? null : bootSeconds * 1000, files };
  } catch {
    return null;
  }
}

interface WrittenReport {
  readonly generation: number;
  readonly bootSeconds: number | null;
  readonly files: readonly string[];
}
