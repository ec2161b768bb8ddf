/** Closed-loop load without wrk, inside this process, which has nothing else to do meanwhile. */
import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "../report/statistics.ts";
import type { WorkRequest } from "../works/work.ts";
import { Client, type LoadTally, type PreparedRequest } from "./client.ts";
import { requestHead, type Generator, type LoadResult } from "./load.ts";

/** As in wrk: an answer that is this late at the end counts as an error. */
const TIMEOUT_MS = 2000;

export interface ClosedLoop {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** Called for each request of all connections. */
  readonly next: () => PreparedRequest;
  /** Whether a request that has waited without an answer is a finding instead of an error. */
  readonly mayWait?: boolean;
}

export const own: Generator = {
  name: "own",
  warning:
    "WARNING: load by the built-in generator: it takes more of the machine than wrk and pays more to connect, " +
    "which makes fast servers and those that close after each answer look slower. Install wrk before quoting these figures.",
  run({ port, request, connections, seconds }) {
    const prepared = prepare(request, port);
    return runClosedLoop({ port, connections, seconds, next: () => prepared });
  },
};

export function prepare(request: WorkRequest, port: number, isSlow = false): PreparedRequest {
  const head = Buffer.from(requestHead(request, port), "latin1");
  const bytes = request.body === undefined ? head : Buffer.concat([head, request.body]);
  return { bytes, expectedBody: request.answer.body, isSlow };
}

export async function runClosedLoop(options: ClosedLoop): Promise<LoadResult> {
  const { port, next, seconds } = options;
  const tally: LoadTally = {
    latenciesMs: [],
    fastLatenciesMs: [],
    wrongAnswers: 0,
    socketErrors: 0,
    leastAnswerBytes: Infinity,
    mostAnswerBytes: 0,
  };
  const startMs = performance.now();
  const clients = Array.from({ length: options.connections }, () => new Client(port, next, tally));
  await sleep(seconds * 1000);
  const endMs = performance.now();
  const waitsMs = clients.map((client) => client.waitedMs(endMs));
  for (const client of clients) client.close();

  const requests = tally.latenciesMs.length;
  const late = waitsMs.filter((waitMs) => waitMs > TIMEOUT_MS).length;
  // Who was never answered has waited at least this long.
  const latenciesMs = options.mayWait === true ? [...tally.latenciesMs, ...waitsMs] : tally.latenciesMs;
  const isMixed = tally.fastLatenciesMs.length < requests;
  return {
    requests,
    requestsPerSecond: requests / ((endMs - startMs) / 1000),
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    fastP99Ms: isMixed ? percentile(tally.fastLatenciesMs, 0.99) : NaN,
    wrongAnswers: tally.wrongAnswers,
    socketErrors: tally.socketErrors + (options.mayWait === true ? 0 : late),
    bytes: { type: "each", least: tally.leastAnswerBytes, most: tally.mostAnswerBytes },
  };
}
