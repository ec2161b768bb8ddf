/** What `npm run bench` runs once all is installed and built; `README.md` in bench/ explains the figures. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { probe } from "./availability.ts";
import { TimeBudget } from "./budget.ts";
import { chooseGenerator } from "./load/generator.ts";
import { runChild } from "./measure/child.ts";
import { ExitGuard } from "./measure/exit-guard.ts";
import { describeMachine, loadWarning, readVersions } from "./measure/machine.ts";
import { secondsOf, warmUpSecondsOf } from "./measure/server-run.ts";
import { parseOptions, USAGE, type Options } from "./options.ts";
import { planEntries, type Entry } from "./plan.ts";
import { errorCount } from "./report/sample.ts";
import { renderReport, renderResultsChart } from "./report/report.ts";
import { readResults, writeResults, type Results } from "./results.ts";
import { runRounds } from "./rounds.ts";
import { findServerNode } from "./servers/server-node.ts";
import type { Paths, Server } from "./servers/server.ts";

const DATABASE_DEADLINE_MS = 30_000;

const root = join(import.meta.dirname, "../..");
const apps = join(root, "bench/apps");

async function main(options: Options): Promise<number> {
  if (options.render !== undefined) {
    publish(readResults(options.render), options, options.render);
    return 0;
  }
  const results = await measureAll(options);
  const file = join(root, "bench/results", `${results.startedAt.replaceAll(":", "-")}.json`);
  writeResults(file, results);
  publish(results, options, file);
  console.log(`All samples: ${file}`);
  const isGood = results.failures.length === 0 && results.samples.every((sample) => errorCount(sample) === 0);
  return isGood ? 0 : 1;
}

async function measureAll(options: Options): Promise<Results> {
  const startedAt = new Date().toISOString();
  const budget = new TimeBudget(
    options.minutes * 60_000,
    ({ work }) =>
      (secondsOf(work, options.seconds) +
        warmUpSecondsOf(work) +
        (work.measuresOneClient && !options.isShort ? 1 : 0)) *
      1000,
  );
  const guard = new ExitGuard();
  const generator = chooseGenerator(options.generator);
  const machine = describeMachine();
  const node = findServerNode(root, options.node);
  const warnings = [loadWarning(machine), generator.warning, node.warning].filter(
    (line) => line !== undefined,
  );
  for (const warning of warnings) console.log(`${warning}\n`);

  const paths: Paths = {
    root,
    base: options.base,
    python: join(root, ".venv-bench/bin/python"),
    node: node.path,
    tunicornArguments: options.tunicornArguments,
  };
  const { entries, versions: serverVersions, leftOut } = await findEntries(options, paths, guard);
  for (const line of leftOut) console.log(`Left out: ${line}`);
  const versions = { ...(await readVersions({ paths, generator, guard })), ...serverVersions };
  const command = ["npm run bench --", ...process.argv.slice(2)].join(" ");
  console.log(describe({ command, ...machine, ...versions }));

  const minutes = (budget.estimateMs(entries) * options.rounds) / 60_000;
  console.log(
    `${entries.length} measurements in each of ${options.rounds} rounds, about ${minutes.toFixed(1)} minutes`,
  );

  const env = await prepareData(entries, paths, guard);
  const settings = { ...options, paths, generator, guard, env };
  const { samples, failures, cuts } = await runRounds({ entries, budget, ...settings });
  return {
    command,
    startedAt,
    options,
    machine,
    versions,
    warnings: [...warnings, ...cuts],
    leftOut,
    failures,
    samples,
  };
}

/** The plan without the servers that do not run here. */
async function findEntries(
  options: Options,
  paths: Paths,
  guard: ExitGuard,
): Promise<{ entries: readonly Entry[]; versions: Record<string, string>; leftOut: readonly string[] }> {
  const planned = planEntries(options);
  const versions: Record<string, string> = {};
  const leftOut: string[] = [];
  const missing = new Set<Server>();
  for (const server of new Set(planned.map((entry) => entry.server))) {
    const availability = await probe(server, { paths, cwd: apps, guard });
    switch (availability.type) {
      case "available":
        versions[server.name] = availability.version;
        break;
      case "left-out":
        missing.add(server);
        leftOut.push(availability.reason);
        break;
      default:
        availability satisfies never;
    }
  }
  const entries = planned.filter(({ server }) => !missing.has(server));
  if (entries.length > 0) return { entries, versions, leftOut };
  throw new Error(
    ["There is nothing to measure: no server speaks an interface of the works", ...leftOut].join("\n"),
  );
}

/** What the applications need to be there, as variables of their environment. */
async function prepareData(
  entries: readonly Entry[],
  paths: Paths,
  guard: ExitGuard,
): Promise<Readonly<Record<string, string>>> {
  if (!entries.some(({ work }) => work.needsDatabase === true)) return {};
  const folder = mkdtempSync(join(tmpdir(), "tunicorn-bench-"));
  guard.add(() => rmSync(folder, { recursive: true, force: true }));
  const env = { BENCH_DATABASE: join(folder, "items.sqlite3") };
  const command = [paths.python, join(apps, "django_page.py")];
  await runChild({ command, deadlineMs: DATABASE_DEADLINE_MS, guard, cwd: apps, env });
  return env;
}

function publish(results: Results, options: Options, file: string): void {
  console.log(`\n${renderReport(results)}`);
  const chartFile = options.chart ?? file.replace(/(\.json)?$/, ".svg");
  mkdirSync(dirname(chartFile), { recursive: true });
  writeFileSync(chartFile, renderResultsChart(results));
  console.log(`Chart: ${chartFile}`);
}

function describe(facts: Readonly<Record<string, string | number>>): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");
}

function optionsOrExit(): Options {
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options !== undefined) return options;
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}

try {
  process.exit(await main(optionsOrExit()));
} catch (error) {
  console.error(error);
  // Not exitCode: a server that still runs would keep the event loop alive, and the exit is what ends it.
  process.exit(1);
}
