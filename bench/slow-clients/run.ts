/** What a crowd of slow clients costs a normal one: `npm run bench:slow-clients -- --help`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ExitGuard } from "../http/measure/exit-guard.ts";
import { describeMachine, loadWarning } from "../http/measure/machine.ts";
import { findServerNode } from "../http/servers/server-node.ts";
import { spreadOf } from "../http/report/statistics.ts";
import { isSame, measureRound, MODES, type Mode, type ModeSample, type RoundSample } from "./round.ts";
import type { OpenDescriptors } from "./router-process.ts";
import type { SlowKind } from "./slow-client.ts";

const USAGE = `Usage: npm run bench:slow-clients -- [options]

  --rounds N      each with a server of its own (default 5)
  --seconds N     of each measurement, nine to a round (default 7)
  --pause-ms N    between two requests of the normal client, 0 for none (default 2)
  --node PATH     the Node that runs tunicorn (default: the one that pip install tunicorn brings)
  --help
`;

/** All at once, before one sync worker. */
const COUNTS: Readonly<Record<SlowKind, number>> = { upload: 300, head: 200, reader: 100 };

/** The claim: no more than this, with the default settings. */
const RATIO_LIMIT = 3;
const MEMORY_LIMIT_MEBIBYTES = 400;

const MODE_TITLES: Readonly<Record<Mode, string>> = {
  kept: "one connection",
  new: "a connection for each request",
};

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "7" },
      "pause-ms": { type: "string", default: "2" },
      node: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const root = join(import.meta.dirname, "../..");
  const guard = new ExitGuard();
  const machine = describeMachine();
  const { processor, cores, kernel } = machine;
  const node = findServerNode(root, values.node);
  console.log(`${processor}, ${cores} cores, ${kernel}, Node ${node.version}`);
  for (const warning of [loadWarning(machine), node.warning]) if (warning !== undefined) console.log(warning);

  const rounds = parseCount("rounds", values.rounds);
  const seconds = parseCount("seconds", values.seconds);
  const pauseMs = parseCount("pause-ms", values["pause-ms"], 0);
  const samples: RoundSample[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const sample = await measureRound({ root, node: node.path, counts: COUNTS, seconds, pauseMs, guard });
    samples.push(sample);
    const ratios = MODES.map((mode) => `${MODE_TITLES[mode]} ${ratioOf(mode)(sample).toFixed(2)}`);
    console.error(`round ${round}/${rounds}, p99 beside : alone: ${ratios.join(", ")}`);
  }
  console.log(render(samples));
  const folder = join(root, "bench/results");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `slow-clients-${new Date().toISOString().replaceAll(":", "-")}.json`);
  writeFileSync(
    file,
    `${JSON.stringify({ machine, node: node.version, options: values, samples }, undefined, 2)}\n`,
  );
  const failures = failuresOf(samples);
  for (const failure of failures) console.log(`FAILED: ${failure}`);
  console.log(`All samples: ${file}`);
  return failures.length === 0 ? 0 : 1;
}

function parseCount(option: string, text: string, least = 1): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= least) return count;
  throw new Error(`Cannot use "${text}" for --${option}: must be a whole number from ${least}`);
}

function render(samples: readonly RoundSample[]): string {
  const median = (of: (sample: RoundSample) => number, digits = 2): string => {
    const spread = spreadOf(samples.map(of));
    return `${spread.median.toFixed(digits)} (${spread.min.toFixed(digits)}–${spread.max.toFixed(digits)})`;
  };
  const rows = MODES.map((mode) => {
    const of = (pick: (sample: ModeSample) => number) => (sample: RoundSample) => pick(sample.modes[mode]);
    return [
      MODE_TITLES[mode],
      median(of(({ alone }) => alone.p50Ms)),
      median(of(({ beside }) => beside.p50Ms)),
      median(of(({ alone }) => alone.p99Ms)),
      median(of(({ beside }) => beside.p99Ms)),
      median(ratioOf(mode)),
      median(of(({ beside }) => beside.maxMs)),
    ];
  });
  const header = [
    "normal client",
    "p50 ms alone",
    "beside",
    "p99 ms alone",
    "beside",
    "p99 ratio",
    "max beside",
  ];
  const table = [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return [
    "",
    ...table,
    "",
    `crowd under way after ${median(({ underWayAfterMs }) => underWayAfterMs, 0)} ms, ` +
      `longest wait of the normal client meanwhile ${median(({ arrivingMaxMs }) => arrivingMaxMs, 0)} ms`,
    `router's memory: ${median((sample) => sample.memoryBeforeMebibytes, 0)} MiB before, ` +
      `at most ${median((sample) => sample.memoryPeakMebibytes, 0)} MiB`,
    ...samples.map(renderOpen),
    "",
  ].join("\n");
}

function renderOpen({ openBefore, openBeside, openAfter, ends }: RoundSample, index: number): string {
  const textOf = ({ sockets, files }: OpenDescriptors): string => `${sockets} sockets and ${files} files`;
  return (
    `round ${index + 1}: the router had ${textOf(openBefore)} open, ${textOf(openBeside)} beside the crowd, ` +
    `${textOf(openAfter)} after it; it ended ${ends.head} unfinished heads, ${ends.upload} uploads, ${ends.reader} readers`
  );
}

function ratioOf(mode: Mode): (sample: RoundSample) => number {
  return ({ modes }) => modes[mode].beside.p99Ms / modes[mode].alone.p99Ms;
}

function failuresOf(samples: readonly RoundSample[]): readonly string[] {
  const failures: string[] = [];
  for (const mode of MODES) {
    const ratio = spreadOf(samples.map(ratioOf(mode))).median;
    if (!(ratio <= RATIO_LIMIT)) failures.push(`p99 with ${MODE_TITLES[mode]} is ${ratio.toFixed(2)} times`);
  }
  for (const [index, sample] of samples.entries()) {
    const where = `round ${index + 1}`;
    if (!isSame(sample.openAfter, sample.openBefore))
      failures.push(`${where}: the crowd left something open`);
    if (!(sample.memoryPeakMebibytes <= MEMORY_LIMIT_MEBIBYTES)) failures.push(`${where}: too much memory`);
    // Only those that never finish their head may be turned out.
    if (sample.ends.upload + sample.ends.reader > 0) failures.push(`${where}: slow clients were cut off`);
  }
  return failures;
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  console.error(error);
  process.exit(1);
}
