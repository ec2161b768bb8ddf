import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sample } from "../report/sample.ts";
import type { Launch, Paths, Server } from "../servers/server.ts";
import { appFor } from "../works/all.ts";
import type { Work } from "../works/work.ts";
import type { Generator } from "../load/load.ts";
import type { ExitGuard } from "./exit-guard.ts";
import { freePort } from "./free-port.ts";
import { runLoop } from "./loop.ts";
import { measureServer } from "./server-run.ts";
import { startUsage } from "./usage.ts";

export interface MeasureOptions {
  readonly label: string;
  readonly server: Server;
  readonly work: Work;
  readonly round: number;
  readonly paths: Paths;
  readonly workers: number;
  readonly connections: number;
  readonly seconds: number;
  readonly measuresOneClient: boolean;
  readonly generator: Generator;
  readonly guard: ExitGuard;
  /** What applications are told, such as where their database is. */
  readonly env: Readonly<Record<string, string>>;
}

const DEFAULT_THREADS = 4;

/** What is not measured of a limit that is no server. */
const NOTHING: Omit<Sample, "server" | "work" | "round"> = {
  requestsPerSecond: NaN,
  p50Ms: NaN,
  p99Ms: NaN,
  fastP99Ms: NaN,
  oneClientP50Ms: NaN,
  cpuMicrosecondsPerRequest: NaN,
  memoryMebibytes: NaN,
  startMs: NaN,
  otherShare: 0,
  stealShare: 0,
  repeats: 0,
  errors: { wrongAnswers: 0, socketErrors: 0, wrongTotals: 0, missingLogLines: 0, leftoverProcesses: 0 },
};

/** One server, one work, one round. */
export async function measure(options: MeasureOptions): Promise<Sample> {
  const { server, work, guard, paths } = options;
  const folder = mkdtempSync(join(tmpdir(), "tunicorn-bench-"));
  const release = guard.add(() => rmSync(folder, { recursive: true, force: true }));
  try {
    const launch: Launch = {
      paths,
      app: appFor(work, server) ?? "",
      speaks: server.speaks,
      port: await freePort(),
      workers: options.workers,
      threads: work.threads ?? DEFAULT_THREADS,
      accessLogFile: join(folder, "access.log"),
    };
    const names = { server: options.label, work: work.name, round: options.round };
    const cwd = join(paths.root, "bench/apps");
    if (server.type === "limit" && !server.isServer) {
      const { seconds, env } = options;
      const endUsage = startUsage();
      const result = await runLoop({ server, work, launch, seconds, cwd, env, guard });
      const { otherShare, stealShare } = endUsage();
      return {
        ...NOTHING,
        ...names,
        requestsPerSecond: result.callsPerSecond,
        cpuMicrosecondsPerRequest: result.cpuMicrosecondsPerCall,
        otherShare,
        stealShare,
        errors: { ...NOTHING.errors, wrongAnswers: result.wrongAnswers },
      };
    }
    return { ...names, repeats: 0, ...(await measureServer({ ...options, launch, folder, cwd })) };
  } finally {
    release();
    rmSync(folder, { recursive: true, force: true });
  }
}
