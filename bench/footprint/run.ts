/** What it costs to start a server and to have it there, beside Gunicorn: `npm run bench:footprint -- --help`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkAnswer } from "../http/measure/answer-check.ts";
import { ExitGuard } from "../http/measure/exit-guard.ts";
import { freePort } from "../http/measure/free-port.ts";
import { describeMachine, loadWarning } from "../http/measure/machine.ts";
import { memoryMebibytes } from "../http/measure/memory.ts";
import { processesOf, sumOf } from "../http/measure/process-table.ts";
import { ServerProcess } from "../http/measure/server-process.ts";
import { findServerNode } from "../http/servers/server-node.ts";
import { spreadOf } from "../http/report/statistics.ts";
import { renderSpread, renderTable } from "../http/report/text-table.ts";
import { WORKS } from "../http/works/all.ts";

const USAGE = `Usage: npm run bench:footprint -- [options]

  --rounds N      each starts every server twice (default 7)
  --requests N    before the memory is read (default 1000)
  --workers N     where the memory is read, with preload_app (default 5)
  --node PATH     the Node that runs tunicorn (default: the one that pip install tunicorn brings)
  --help
`;

/** The goals: a start within this ratio of Gunicorn's, and no more than this beside its memory. */
const START_RATIO_LIMIT = 1.5;
const MEMORY_LIMIT_MEBIBYTES = 60;

/** What /proc counts in: a hundredth of a second. */
const TICK_MS = 10;

const ANSWER_MS = 10_000;
const root = join(import.meta.dirname, "../..");
const python = join(root, ".venv/bin/python");
const request = WORKS.find(({ name }) => name === "flask")?.request;

type Name = "gunicorn" | "tunicorn";
const NAMES: readonly Name[] = ["gunicorn", "tunicorn"];

interface Sample {
  readonly startMs: number;
  readonly startCpuMs: number;
  readonly memoryMebibytes: number;
}

interface Options {
  readonly commands: Readonly<Record<Name, readonly string[]>>;
  readonly requests: number;
  readonly workers: number;
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "7" },
      requests: { type: "string", default: "1000" },
      workers: { type: "string", default: "5" },
      node: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const machine = describeMachine();
  const node = findServerNode(root, values.node);
  console.log(`${machine.processor}, ${machine.cores} cores, ${machine.kernel}, Node ${node.version}`);
  for (const warning of [loadWarning(machine), node.warning]) if (warning !== undefined) console.log(warning);
  const guard = new ExitGuard();
  const rounds = parseCount("rounds", values.rounds);
  const options: Options = {
    commands: {
      gunicorn: [python, "-m", "gunicorn"],
      tunicorn: [node.path, join(root, "bin/tunicorn.js"), "--python", python],
    },
    requests: parseCount("requests", values.requests),
    workers: parseCount("workers", values.workers),
  };
  const samples: Record<Name, Sample[]> = { gunicorn: [], tunicorn: [] };
  for (let round = 0; round < rounds; round += 1) {
    // Who comes first finds the machine as the other has left it.
    for (const name of round % 2 === 0 ? NAMES : NAMES.toReversed()) {
      samples[name].push(await measure(name, options, guard));
    }
  }
  console.log(render(samples, options));
  return 0;
}

async function measure(
  name: Name,
  { commands, requests, workers }: Options,
  guard: ExitGuard,
): Promise<Sample> {
  const command = commands[name];
  const alone = await serve(command, [], guard);
  const cpuTicks = processesOf(alone.server.pid).reduce((sum, { cpu }) => sum + sumOf(cpu), 0);
  await alone.end();
  const loaded = await serve(command, ["-w", String(workers), "--preload"], guard);
  for (let count = 0; count < requests; count += 1) await loaded.ask();
  const mebibytes = memoryMebibytes(loaded.server.pid);
  await loaded.end();
  return { startMs: alone.server.startMs, startCpuMs: cpuTicks * TICK_MS, memoryMebibytes: mebibytes };
}

interface Served {
  readonly server: ServerProcess;
  readonly ask: () => Promise<void>;
  readonly end: () => Promise<void>;
}

async function serve(command: readonly string[], args: readonly string[], guard: ExitGuard): Promise<Served> {
  if (request === undefined) throw new Error('There is no work "flask" any more');
  const folder = mkdtempSync(join(tmpdir(), "tunicorn-footprint-"));
  const release = guard.add(() => rmSync(folder, { recursive: true, force: true }));
  const port = await freePort();
  const server = await ServerProcess.start({
    command: [...command, "-b", `127.0.0.1:${port}`, ...args, "flask_json:app"],
    cwd: join(root, "bench/apps"),
    // Gunicorn's control socket lies there. It is on unless it is turned off, so it counts.
    env: { XDG_RUNTIME_DIR: folder },
    logFile: join(folder, "server.log"),
    port,
    request,
    guard,
  });
  return {
    server,
    ask: async () => {
      const difference = await checkAnswer({ request, port, timeoutMs: ANSWER_MS });
      if (difference !== undefined) throw new Error(`Wrong answer of "${command.join(" ")}": ${difference}`);
    },
    end: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
      release();
    },
  };
}

function render(samples: Readonly<Record<Name, readonly Sample[]>>, { requests, workers }: Options): string {
  const spread = (name: Name, of: (sample: Sample) => number): string =>
    renderSpread(spreadOf(samples[name].map(of)), 0);
  const pairs = samples.tunicorn.map((sample, round) => ({
    sample,
    other: samples.gunicorn[round] ?? sample,
  }));
  const startRatio = spreadOf(pairs.map(({ sample, other }) => sample.startMs / other.startMs));
  const more = spreadOf(pairs.map(({ sample, other }) => sample.memoryMebibytes - other.memoryMebibytes));
  const isGood = (holds: boolean): string => (holds ? "reached" : "NOT reached");
  return [
    "",
    renderTable([
      ["server", "start ms", "CPU ms until then", "memory MiB"],
      ...NAMES.map((name) => [
        name,
        spread(name, (sample) => sample.startMs),
        spread(name, (sample) => sample.startCpuMs),
        spread(name, (sample) => sample.memoryMebibytes),
      ]),
    ]),
    "",
    `Start to first answer, tunicorn : gunicorn ${renderSpread(startRatio, 2)}, ` +
      `the goal ${START_RATIO_LIMIT} is ${isGood(startRatio.median <= START_RATIO_LIMIT)}`,
    `Memory after ${requests} requests, ${workers} workers, preloaded: ${renderSpread(more, 1)} MiB more, ` +
      `the goal ${MEMORY_LIMIT_MEBIBYTES} is ${isGood(more.median <= MEMORY_LIMIT_MEBIBYTES)}`,
  ].join("\n");
}

function parseCount(option: string, text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new Error(`Cannot use "${text}" for --${option}: must be a whole number from 1`);
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  console.error(error);
  process.exit(1);
}
