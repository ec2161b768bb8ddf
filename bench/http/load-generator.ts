/**
 * Closed-loop load without wrk, in a process of its own: `load-generator.ts '{"port":…}'` prints a LoadResult.
 * Unlike wrk's, its latencies include the time to connect where the server closes after each answer.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Load, LoadResult } from "./load.ts";
import { LoadConnection, type LoadTally } from "./load-connection.ts";
import { percentile } from "./statistics.ts";

// As in wrk: an answer that is this late at the end counts as an error.
const TIMEOUT_MS = 2000;

const load = JSON.parse(process.argv[2] ?? "") as Load;
const tally: LoadTally = { latenciesMs: [], wrongStatuses: 0, socketErrors: 0 };
const startMs = performance.now();
const connections = Array.from(
  { length: load.connections },
  () => new LoadConnection(load.port, load.path, tally),
);
await sleep(load.seconds * 1000);
const endMs = performance.now();
const late = connections.filter((connection) => connection.waitedMs(endMs) > TIMEOUT_MS).length;
for (const connection of connections) connection.close();

const requests = tally.latenciesMs.length;
const result: LoadResult = {
  requests,
  requestsPerSecond: requests / ((endMs - startMs) / 1000),
  p50Ms: percentile(tally.latenciesMs, 0.5),
  p99Ms: percentile(tally.latenciesMs, 0.99),
  wrongStatuses: tally.wrongStatuses,
  socketErrors: tally.socketErrors + late,
};
console.log(JSON.stringify(result));
