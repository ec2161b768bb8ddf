import { join } from "node:path";
import type { LoadResult } from "../load/load.ts";
import { own } from "../load/own.ts";
import { runShape } from "../load/shape.ts";
import type { Sample, SampleErrors } from "../report/sample.ts";
import type { Launch } from "../servers/server.ts";
import { auditAccessLog } from "./access-log.ts";
import type { Work } from "../works/work.ts";
import type { MeasureOptions } from "./measure.ts";
import { memoryMebibytes } from "./memory.ts";
import { ServerProcess } from "./server-process.ts";
import { perRequest, startUsage } from "./usage.ts";

export interface ServerRunOptions extends MeasureOptions {
  readonly launch: Launch;
  /** For what the server writes; it is removed afterwards. */
  readonly folder: string;
  readonly cwd: string;
}

/** Short, but ten thousand requests of a fast server and a small application; every body is compared. */
const WARM_UP_SECONDS = 0.7;
const ONE_CLIENT_SECONDS = 1;

export function secondsOf(work: Work, asked: number): number {
  return Math.max(asked, work.leastSeconds ?? 0);
}

export function warmUpSecondsOf(work: Work): number {
  return work.warmUpSeconds ?? WARM_UP_SECONDS;
}

type ServerSample = Omit<Sample, "server" | "work" | "round" | "repeats">;

/** Start, check, warm up, load, one client, stop, audit. */
export async function measureServer(options: ServerRunOptions): Promise<ServerSample> {
  const { server, work, launch, folder, guard } = options;
  const running = await ServerProcess.start({
    command: server.command(launch),
    cwd: options.cwd,
    env: options.env,
    logFile: join(folder, "error.log"),
    ...(server.accessLog === "stdout" ? { outputFile: launch.accessLogFile } : {}),
    port: launch.port,
    request: work.request,
    guard,
  });
  try {
    return await measureRunning(running, options);
  } catch (error) {
    running.kill();
    throw error;
  }
}

async function measureRunning(running: ServerProcess, options: ServerRunOptions): Promise<ServerSample> {
  const { server, work, launch, guard, generator } = options;
  const alive = async <Result>(load: Promise<Result>): Promise<Result> => {
    try {
      return await load;
    } finally {
      running.throwIfEnded();
    }
  };

  const connections = work.connections ?? options.connections;
  const seconds = secondsOf(work, options.seconds);
  const load = { port: launch.port, request: work.request, connections, seconds };
  const isMixed = work.load.type === "mixed";
  const warmUpShape = isMixed ? work.load : ({ type: "closed" } as const);
  const warmUpLoad = { ...load, seconds: warmUpSecondsOf(work) };
  const warmUp = await alive(runShape(warmUpShape, warmUpLoad, { generator: own, guard }));

  const endUsage = startUsage(running.pid);
  const result = await alive(runShape(work.load, load, { generator, guard }));
  const usage = endUsage();
  const memory = memoryMebibytes(running.pid);

  const oneLoad = { ...load, connections: 1, seconds: ONE_CLIENT_SECONDS };
  const oneClient = options.measuresOneClient ? await alive(generator.run(oneLoad, guard)) : undefined;
  const leftoverProcesses = await running.stop();

  const loads = [warmUp, result, ...(oneClient === undefined ? [] : [oneClient])];
  const audit = server.accessLog === "none" ? undefined : await auditAccessLog(launch.accessLogFile);
  const requests = sum(loads.map((one) => one.requests));
  // Some servers give what a client has left behind a status of its own: once for each connection and load at most.
  const leftBehind = work.load.type === "slow-clients" ? Infinity : loads.length * connections;
  const wronglyLogged = Math.max(0, (audit?.wrongStatuses ?? 0) - leftBehind);
  const errors: SampleErrors = {
    wrongAnswers: Math.max(sum(loads.map((one) => one.wrongAnswers)), wronglyLogged),
    socketErrors: sum(loads.map((one) => one.socketErrors)),
    wrongTotals: areTotalsRight(warmUp, result, connections) ? 0 : 1,
    missingLogLines: audit === undefined ? 0 : Math.max(0, requests - audit.lines),
    leftoverProcesses,
  };
  return {
    requestsPerSecond: result.requestsPerSecond,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    fastP99Ms: result.fastP99Ms,
    oneClientP50Ms: oneClient?.p50Ms ?? NaN,
    cpuMicrosecondsPerRequest: result.requests === 0 ? NaN : (usage.serverCpuSeconds * 1e6) / result.requests,
    memoryMebibytes: memory,
    startMs: running.startMs,
    otherShare: usage.otherShare,
    stealShare: usage.stealShare,
    ...(result.requests === 0 ? {} : { cpuProfile: perRequest(usage, result.requests) }),
    errors,
  };
}

/**
 * Whether the answers of the load have as many bytes as those of the warm-up, which were compared one by one.
 * Every connection may have been cut in the middle of an answer at the end.
 */
export function areTotalsRight(warmUp: LoadResult, result: LoadResult, connections: number): boolean {
  if (warmUp.bytes.type !== "each" || result.bytes.type !== "total" || warmUp.requests === 0) return true;
  const { least, most } = warmUp.bytes;
  const { total } = result.bytes;
  return total >= least * result.requests && total <= most * (result.requests + connections);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
