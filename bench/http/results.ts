import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Machine } from "./measure/machine.ts";
import type { Options } from "./options.ts";
import type { Sample } from "./report/sample.ts";

/** All that a run knows at its end; its JSON holds the same, with null for what is not a number. */
export interface Results {
  readonly command: string;
  readonly startedAt: string;
  readonly options: Options;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  /** What the reader must know before quoting. */
  readonly warnings: readonly string[];
  /** Servers that do not run here, each with the reason. */
  readonly leftOut: readonly string[];
  /** What went wrong so that there is no sample of it. */
  readonly failures: readonly string[];
  readonly samples: readonly Sample[];
}

export function writeResults(file: string, results: Results): void {
  mkdirSync(dirname(file), { recursive: true });
  const keepInfinity = (_key: string, value: unknown): unknown => (value === Infinity ? "Infinity" : value);
  writeFileSync(file, `${JSON.stringify(results, keepInfinity, 2)}\n`);
}

export function readResults(file: string): Results {
  const text = readFileSync(file, "utf8");
  const restore = (_key: string, value: unknown): unknown => {
    if (value === "Infinity") return Infinity;
    return value === null ? NaN : value;
  };
  try {
    return JSON.parse(text, restore) as Results;
  } catch (cause) {
    throw new Error(`Cannot read "${file}" as the results of a benchmark`, { cause });
  }
}
