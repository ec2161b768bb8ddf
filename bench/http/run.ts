/** What `npm run bench` runs once all is installed and built; `README.md` in bench/ explains the figures. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ExitGuard } from "./exit-guard.ts";
import { chooseGenerator } from "./load.ts";
import { describeMachine, loadWarning, readVersions } from "./machine.ts";
import { parseOptions, USAGE, type Options } from "./options.ts";
import { planEntries } from "./plan.ts";
import { measureUndisturbed } from "./repeat.ts";
import { renderWork } from "./report.ts";
import { errorCount, type Sample } from "./sample.ts";
import type { Paths } from "./servers.ts";

async function main(options: Options): Promise<number> {
  const root = join(import.meta.dirname, "../..");
  const paths: Paths = { root, base: options.base, python: join(root, ".venv-bench/bin/python") };
  const guard = new ExitGuard();
  const generator = chooseGenerator(options.generator);
  const machine = describeMachine();
  const warnings = [loadWarning(machine), generator.warning].filter((line) => line !== undefined);
  for (const warning of warnings) console.log(`${warning}\n`);
  const entries = planEntries(options);
  const servers = [...new Set(entries.map((entry) => entry.server))];
  const versions = await readVersions({ servers, paths, generator, guard });
  const command = ["npm run bench --", ...process.argv.slice(2)].join(" ");
  console.log(describe({ command, ...machine, ...versions }));

  const { workers, connections, seconds } = options;
  const settings = { paths, workers, connections, seconds, generator, guard };
  const samples: Sample[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const entry of entries) {
      const sample = await measureUndisturbed({ ...entry, ...settings, round });
      samples.push(sample);
      console.error(progressLine(sample, options.rounds));
    }
  }

  console.log();
  for (const work of new Set(entries.map((entry) => entry.work))) {
    const labels = entries.filter((entry) => entry.work === work).map((entry) => entry.label);
    const ofWork = samples.filter((sample) => sample.work === work.name);
    console.log(renderWork({ work, labels, samples: ofWork }));
  }
  for (const warning of warnings) console.log(`${warning}\n`);
  const file = writeResults(root, { command, options, machine, versions, samples });
  console.log(`All samples: ${file}`);
  return samples.some((sample) => errorCount(sample) > 0) ? 1 : 0;
}

function describe(facts: Readonly<Record<string, string | number>>): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");
}

function progressLine(sample: Sample, rounds: number): string {
  const figures = `${sample.requestsPerSecond.toFixed(0)} requests/s, ${errorCount(sample)} errors`;
  const again = sample.repeats === 0 ? "" : `, disturbed and repeated ${sample.repeats} times`;
  return `round ${sample.round}/${rounds} ${sample.work} ${sample.server}: ${figures}${again}`;
}

function writeResults(root: string, results: object): string {
  const folder = join(root, "bench/results");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${new Date().toISOString().replaceAll(":", "-")}.json`);
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
  return file;
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
