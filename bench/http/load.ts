import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { runChild } from "./child.ts";
import type { ExitGuard } from "./exit-guard.ts";
import { parseWrkReport } from "./wrk-report.ts";

export interface Load {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly wrongStatuses: number;
  readonly socketErrors: number;
}

export type GeneratorName = "wrk" | "own";

export interface Generator {
  readonly name: GeneratorName;
  /** What the reader of the figures must know. */
  readonly warning?: string;
  run(load: Load, guard: ExitGuard): Promise<LoadResult>;
}

const GRACE_MS = 5000;

const wrk: Generator = {
  name: "wrk",
  async run(load, guard) {
    const command = [
      "wrk",
      "-t1",
      `-c${load.connections}`,
      `-d${load.seconds}s`,
      "--latency",
      `http://127.0.0.1:${load.port}${load.path}`,
    ];
    const deadlineMs = load.seconds * 1000 + GRACE_MS;
    return parseWrkReport(await runChild({ command, deadlineMs, guard }));
  },
};

const own: Generator = {
  name: "own",
  warning:
    "WARNING: load by the built-in generator: it pays more to connect than wrk, which makes servers " +
    "that close after each answer look slower. Install wrk before quoting these figures.",
  async run(load, guard) {
    const program = join(import.meta.dirname, "load-generator.ts");
    const command = [process.execPath, "--import", "tsx", program, JSON.stringify(load)];
    const deadlineMs = load.seconds * 1000 + GRACE_MS;
    const cwd = import.meta.dirname;
    return JSON.parse(await runChild({ command, deadlineMs, guard, cwd })) as LoadResult;
  },
};

/** wrk when it is on the PATH: it takes far less of the machine than a generator in JavaScript. */
export function chooseGenerator(wanted: GeneratorName | undefined): Generator {
  if (wanted === "own") return own;
  if (isOnPath("wrk")) return wrk;
  if (wanted === "wrk") throw new Error("wrk is not on the PATH: install it or leave --generator out");
  return own;
}

function isOnPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
