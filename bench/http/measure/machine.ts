import { readFileSync } from "node:fs";
import { arch, cpus, loadavg, release, totalmem } from "node:os";
import { runChild } from "./child.ts";
import type { ExitGuard } from "./exit-guard.ts";
import type { Generator } from "../load/load.ts";
import type { Paths } from "../servers/server.ts";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGibibytes: number;
  readonly kernel: string;
  readonly distribution: string;
  /** One minute's average before the first round. */
  readonly loadAverage: number;
}

const VERSION_DEADLINE_MS = 10_000;

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGibibytes: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    kernel: `${release()} ${arch()}`,
    distribution: distribution(),
    loadAverage: loadavg()[0] ?? NaN,
  };
}

/** Above a quarter of the cores in use by others, the servers would compete with them. */
export function loadWarning(machine: Machine): string | undefined {
  if (machine.loadAverage <= machine.cores / 4) return undefined;
  return (
    `WARNING: the load average is ${machine.loadAverage.toFixed(2)} on ${machine.cores} cores ` +
    `before the start. Wait for an idle machine, or do not quote these figures.`
  );
}

/** By name, the version of the servers' Node and Python, of the load generator and of the checkouts. */
export async function readVersions(options: {
  readonly paths: Paths;
  readonly generator: Generator;
  readonly guard: ExitGuard;
}): Promise<Record<string, string>> {
  const { paths, guard } = options;
  const run = async (command: readonly string[]): Promise<string> =>
    (await runChild({ command, deadlineMs: VERSION_DEADLINE_MS, guard })).trim();
  const versions: Record<string, string> = {
    node: await run([paths.node, "--version"]),
    python: await run([paths.python, "--version"]),
  };
  // wrk answers --version with exit status 1.
  const report = (error: Error): string => /wrk \S*\d\S*/.exec(error.message)?.[0] ?? "wrk";
  versions["load"] =
    options.generator.name === "own"
      ? `own, Node ${process.version}`
      : await run(["wrk", "--version"]).catch(report);
  for (const [name, checkout] of Object.entries({ checkout: paths.root, "base checkout": paths.base })) {
    if (checkout === undefined) continue;
    const describe = ["git", "-C", checkout, "describe", "--always", "--dirty"];
    versions[name] = await run(describe).catch(() => "no commit");
  }
  return versions;
}

function distribution(): string {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(text)?.[1] ?? "unknown";
  } catch {
    return "unknown";
  }
}
