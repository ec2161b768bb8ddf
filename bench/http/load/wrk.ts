import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { runChild } from "../measure/child.ts";
import type { Generator, Load, LoadResult } from "./load.ts";

const GRACE_MS = 5000;
/** One thread of wrk is faster than what it leaves of a small machine; a large one may need more. */
const CORES_PER_THREAD = 4;

export const wrk: Generator = {
  name: "wrk",
  async run(load, guard) {
    const folder = mkdtempSync(join(tmpdir(), "tunicorn-bench-"));
    const release = guard.add(() => rmSync(folder, { recursive: true, force: true }));
    try {
      const command = wrkCommand(load, folder);
      const deadlineMs = load.seconds * 1000 + GRACE_MS;
      return parseWrkReport(await runChild({ command, deadlineMs, guard }));
    } finally {
      release();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

function wrkCommand(load: Load, folder: string): readonly string[] {
  const { port, connections, seconds, request } = load;
  const bodyFile = request.body === undefined ? "-" : join(folder, "body");
  if (request.body !== undefined) writeFileSync(bodyFile, request.body);
  let threads = Math.max(1, Math.floor(availableParallelism() / CORES_PER_THREAD));
  // Each thread has the same number of connections: wrk drops what does not divide.
  while (connections % threads !== 0) threads -= 1;
  return [
    "wrk",
    `-t${threads}`,
    `-c${connections}`,
    `-d${seconds}s`,
    "-s",
    join(import.meta.dirname, "wrk.lua"),
    `http://127.0.0.1:${port}${request.path}`,
    "--",
    request.method,
    bodyFile,
    ...request.headers,
  ];
}

type WrkFigure =
  | "requests"
  | "microseconds"
  | "bytes"
  | "p50"
  | "p99"
  | "status"
  | "connect"
  | "read"
  | "write"
  | "timeout";

/** Reads the line that `wrk.lua` prints at the end. */
export function parseWrkReport(text: string): LoadResult {
  const line = /^\{"requests":.*\}$/m.exec(text)?.[0];
  if (line === undefined) throw new Error(`Cannot find the result in the report of wrk:\n${text}`);
  const figures = JSON.parse(line) as Readonly<Record<WrkFigure, number>>;
  return {
    requests: figures.requests,
    requestsPerSecond: figures.requests / (figures.microseconds / 1e6),
    p50Ms: figures.requests === 0 ? NaN : figures.p50 / 1000,
    p99Ms: figures.requests === 0 ? NaN : figures.p99 / 1000,
    fastP99Ms: NaN,
    // wrk names only 4xx and 5xx; the audit of the access log finds the rest.
    wrongAnswers: figures.status,
    socketErrors: figures.connect + figures.read + figures.write + figures.timeout,
    bytes: { type: "total", total: figures.bytes },
  };
}
