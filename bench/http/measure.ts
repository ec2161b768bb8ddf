import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { auditAccessLog } from "./access-log.ts";
import type { ExitGuard } from "./exit-guard.ts";
import { freePort } from "./free-port.ts";
import { memoryMebibytes } from "./memory.ts";
import type { Generator, LoadResult } from "./load.ts";
import type { Sample } from "./sample.ts";
import { ServerProcess } from "./server-process.ts";
import type { Paths, Server } from "./servers.ts";
import { startUsage } from "./usage.ts";
import { appFor, type Work } from "./works.ts";

export interface MeasureOptions {
  readonly label: string;
  readonly server: Server;
  readonly work: Work;
  readonly round: number;
  readonly paths: Paths;
  readonly workers: number;
  readonly connections: number;
  readonly seconds: number;
  readonly generator: Generator;
  readonly guard: ExitGuard;
}

const WARM_UP_SECONDS = 1;
const ONE_CLIENT_SECONDS = 1;

/** One server, one work, one round: start, check, warm up, load, one client, stop, audit. */
export async function measure(options: MeasureOptions): Promise<Sample> {
  const { server, work, generator, guard } = options;
  const folder = mkdtempSync(join(tmpdir(), "tunicorn-bench-"));
  const release = guard.add(() => rmSync(folder, { recursive: true, force: true }));
  try {
    const port = await freePort();
    const accessLogFile = join(folder, "access.log");
    const { paths, workers } = options;
    const app = appFor(work, server) ?? "";
    const running = await ServerProcess.start({
      command: server.command({ paths, app, port, workers, accessLogFile }),
      cwd: join(paths.root, "bench/apps"),
      logFile: join(folder, "error.log"),
      port,
      work,
      guard,
    });
    const load = async (connections: number, seconds: number): Promise<LoadResult> => {
      try {
        return await generator.run({ port, path: work.path, connections, seconds }, guard);
      } finally {
        running.throwIfEnded();
      }
    };

    const warmUp = await load(options.connections, WARM_UP_SECONDS);
    const endUsage = startUsage(running.pid);
    const result = await load(options.connections, options.seconds);
    const usage = endUsage();
    const memory = memoryMebibytes(running.pid);
    const oneClient = await load(1, ONE_CLIENT_SECONDS);
    const leftovers = await running.stop();

    const loads = [warmUp, result, oneClient];
    const requests = sum(loads.map((one) => one.requests));
    const audit = server.writesAccessLog ? await auditAccessLog(accessLogFile) : undefined;
    return {
      server: options.label,
      work: work.name,
      round: options.round,
      requestsPerSecond: result.requestsPerSecond,
      p50Ms: result.p50Ms,
      p99Ms: result.p99Ms,
      oneClientP50Ms: oneClient.p50Ms,
      cpuMicrosecondsPerRequest: (usage.serverCpuSeconds * 1e6) / result.requests,
      memoryMebibytes: memory,
      startMs: running.startMs,
      otherShare: usage.otherShare,
      stealShare: usage.stealShare,
      repeats: 0,
      errors: {
        wrongStatuses: Math.max(sum(loads.map((one) => one.wrongStatuses)), audit?.wrongStatuses ?? 0),
        socketErrors: sum(loads.map((one) => one.socketErrors)),
        missingLogLines: audit === undefined ? 0 : Math.max(0, requests - audit.lines),
        leftoverProcesses: leftovers,
      },
    };
  } finally {
    release();
    rmSync(folder, { recursive: true, force: true });
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
