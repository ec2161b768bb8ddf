import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { GeneratorName } from "./load/load.ts";
import { SERVERS } from "./servers/all.ts";
import { WORKS } from "./works/all.ts";

export const USAGE = `Usage: npm run bench -- [options]

  --work NAMES         of ${wrap(WORKS.map((work) => work.name))}
                       (default: all)
  --servers NAMES      of ${wrap(SERVERS.map((server) => server.name))};
                       a name given twice shows the noise
                       (default: for each work those that matter there, base only with --base)
  --base DIR           another built checkout of tunicorn, measured as "base"
  --node PATH          the Node that runs tunicorn and base (default: the one that pip install tunicorn brings)
  --rounds N           rounds, interleaved (default 3, short 2)
  --seconds N          seconds of load per server and round (default 1; some works take more)
  --minutes N          no round of a work begins that would not end within this time (default 15, short 3)
  --connections N      connections of the load, where the work does not say it (default 64)
  --workers N          workers of each server (default 2)
  --generator NAME     wrk or own (default: wrk if it is on the PATH)
  --tunicorn-args TEXT further arguments for tunicorn and base, separated by spaces
  --short              only tunicorn, Gunicorn and node:http, less of each; not for quoting
  --render FILE        print the tables and draw the chart of an earlier run again, from its JSON
  --chart FILE         where to write the chart (default: beside the JSON)
  --no-build           take dist/ as it is
  --update-peers       upgrade the other servers to the newest of PyPI first
  --help
`;

export interface Options {
  readonly works: readonly string[];
  /** Undefined: what each work says. */
  readonly servers: readonly string[] | undefined;
  readonly base: string | undefined;
  readonly node: string | undefined;
  readonly rounds: number;
  readonly seconds: number;
  readonly minutes: number;
  readonly connections: number;
  readonly workers: number;
  readonly generator: GeneratorName | undefined;
  readonly tunicornArguments: readonly string[];
  readonly isShort: boolean;
  readonly render: string | undefined;
  readonly chart: string | undefined;
}

/** Undefined when only the usage was asked for. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      work: { type: "string" },
      servers: { type: "string" },
      base: { type: "string" },
      node: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      minutes: { type: "string" },
      connections: { type: "string" },
      workers: { type: "string" },
      generator: { type: "string" },
      "tunicorn-args": { type: "string" },
      short: { type: "boolean", default: false },
      render: { type: "string" },
      chart: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const base = values.base === undefined ? undefined : resolve(values.base);
  if (base !== undefined && !existsSync(join(base, "dist"))) {
    throw new Error(`Cannot use base "${base}": it has no dist/, run "npm ci && npm run build" there`);
  }
  const allServers = SERVERS.map((server) => server.name);
  const servers = parseNames("servers", values.servers, allServers);
  if (base === undefined && servers?.some((name) => name.startsWith("base")) === true) {
    throw new Error('Server "base" needs --base DIR');
  }
  const { generator, short: isShort } = values;
  if (generator !== undefined && generator !== "wrk" && generator !== "own") {
    throw new Error(`Unknown generator "${generator}": must be wrk or own`);
  }
  const allWorks = WORKS.map((work) => work.name);
  return {
    works: parseNames("work", values.work, allWorks) ?? allWorks,
    servers,
    base,
    node: values.node,
    rounds: parseCount("rounds", values.rounds ?? (isShort ? "2" : "3")),
    seconds: parseCount("seconds", values.seconds ?? "1"),
    minutes: parseCount("minutes", values.minutes ?? (isShort ? "3" : "15")),
    connections: parseCount("connections", values.connections ?? "64"),
    workers: parseCount("workers", values.workers ?? "2"),
    generator,
    tunicornArguments: (values["tunicorn-args"] ?? "").split(" ").filter((argument) => argument !== ""),
    isShort,
    render: values.render,
    chart: values.chart,
  };
}

function parseNames(
  option: string,
  text: string | undefined,
  known: readonly string[],
): readonly string[] | undefined {
  const names = text?.split(",");
  const unknown = names?.find((name) => !known.includes(name));
  if (unknown === undefined) return names;
  throw new Error(`Unknown name "${unknown}" in --${option}: must be of ${known.join(", ")}`);
}

function parseCount(option: string, text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new Error(`Cannot use "${text}" for --${option}: must be a whole number above 0`);
}

function wrap(names: readonly string[]): string {
  const rows: string[] = [];
  for (let index = 0; index < names.length; index += 5) rows.push(names.slice(index, index + 5).join(","));
  return rows.join(`,\n${" ".repeat(23)}`);
}
