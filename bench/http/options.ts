import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { GeneratorName } from "./load.ts";
import { SERVERS } from "./servers.ts";
import { WORKS } from "./works.ts";

export const USAGE = `Usage: npm run bench -- [options]

  --work NAMES         of ${WORKS.map((work) => work.name).join(",")} (default: all)
  --servers NAMES      of ${SERVERS.map((server) => server.name).join(",")}; ratios are first : other,
                       a name given twice shows the noise (default: all, base only with --base)
  --base DIR           another built checkout of tunicorn, measured as "base"
  --rounds N           rounds, interleaved (default 5)
  --seconds N          seconds of load per server and round (default 3)
  --connections N      connections of the load (default 64)
  --workers N          workers of each server (default 2)
  --generator NAME     wrk or own (default: wrk if it is on the PATH)
  --short              1 second, 3 rounds: about one minute, not for quoting
  --no-build           take dist/ as it is
  --update-peers       upgrade the other servers to the newest of PyPI first
  --help
`;

export interface Options {
  readonly works: readonly string[];
  readonly servers: readonly string[];
  readonly base: string | undefined;
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly workers: number;
  readonly generator: GeneratorName | undefined;
}

/** Undefined when only the usage was asked for. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      work: { type: "string" },
      servers: { type: "string" },
      base: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      connections: { type: "string" },
      workers: { type: "string" },
      generator: { type: "string" },
      short: { type: "boolean", default: false },
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
  if (base === undefined && values.servers !== undefined && servers.includes("base")) {
    throw new Error('Server "base" needs --base DIR');
  }
  const { generator } = values;
  if (generator !== undefined && generator !== "wrk" && generator !== "own") {
    throw new Error(`Unknown generator "${generator}": must be wrk or own`);
  }
  return {
    works: parseNames(
      "work",
      values.work,
      WORKS.map((work) => work.name),
    ),
    servers: base === undefined ? servers.filter((name) => name !== "base") : servers,
    base,
    rounds: parseCount("rounds", values.rounds ?? (values.short ? "3" : "5")),
    seconds: parseCount("seconds", values.seconds ?? (values.short ? "1" : "3")),
    connections: parseCount("connections", values.connections ?? "64"),
    workers: parseCount("workers", values.workers ?? "2"),
    generator,
  };
}

function parseNames(option: string, text: string | undefined, known: readonly string[]): readonly string[] {
  const names = text?.split(",") ?? known;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return names;
  throw new Error(`Unknown name "${unknown}" in --${option}: must be of ${known.join(", ")}`);
}

function parseCount(option: string, text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new Error(`Cannot use "${text}" for --${option}: must be a whole number above 0`);
}
