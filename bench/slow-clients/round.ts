import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runChild } from "../http/measure/child.ts";
import type { ExitGuard } from "../http/measure/exit-guard.ts";
import { freePort } from "../http/measure/free-port.ts";
import { ServerProcess } from "../http/measure/server-process.ts";
import { HELLO_REQUEST } from "../http/works/all.ts";
import { percentile } from "../http/report/statistics.ts";
import { Crowd } from "./crowd.ts";
import type { NormalClientOptions } from "./normal-client.ts";
import { RouterProcess, type OpenDescriptors } from "./router-process.ts";
import type { SlowKind } from "./slow-client.ts";

export interface RoundOptions {
  readonly root: string;
  /** The Node that runs tunicorn. */
  readonly node: string;
  readonly counts: Readonly<Record<SlowKind, number>>;
  /** Of each of the measurements: alone, beside the crowd twice, alone again. */
  readonly seconds: number;
  readonly pauseMs: number;
  readonly guard: ExitGuard;
}

/** `kept`: a normal client on one connection; `new`: one that connects for each request. */
export type Mode = "kept" | "new";

export interface Latencies {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface ModeSample {
  /** Before the crowd came and after it had gone, together. */
  readonly alone: Latencies;
  readonly beside: Latencies;
}

export interface RoundSample {
  readonly modes: Readonly<Record<Mode, ModeSample>>;
  /** The longest wait while the crowd came: its readers' answers were in the same queue. */
  readonly arrivingMaxMs: number;
  readonly underWayAfterMs: number;
  readonly memoryBeforeMebibytes: number;
  readonly memoryPeakMebibytes: number;
  readonly openBefore: OpenDescriptors;
  readonly openBeside: OpenDescriptors;
  readonly openAfter: OpenDescriptors;
  readonly ends: Readonly<Record<SlowKind, number>>;
}

export const MODES: readonly Mode[] = ["kept", "new"];
const WARM_UP_SECONDS = 3;
const LEAVE_DEADLINE_MS = 15_000;
const GRACE_MS = 15_000;
const POLL_MS = 50;

/** One server: a normal client alone, beside the crowd, and alone again. */
export async function measureRound(options: RoundOptions): Promise<RoundSample> {
  const folder = mkdtempSync(join(tmpdir(), "tunicorn-bench-"));
  const release = options.guard.add(() => rmSync(folder, { recursive: true, force: true }));
  try {
    const port = await freePort();
    const server = await startServer(options, port, folder);
    const sample = await measureServer(options, port, server.pid);
    server.throwIfEnded();
    const leftovers = await server.stop();
    if (leftovers > 0) throw new Error(`${leftovers} processes of the server had to be killed`);
    return sample;
  } finally {
    release();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureServer(options: RoundOptions, port: number, pid: number): Promise<RoundSample> {
  const { counts, seconds, pauseMs, guard } = options;
  const run = (mode: Mode, runSeconds: number): Promise<number[]> =>
    runNormalClient(options, { port, seconds: runSeconds, pauseMs, isKept: mode === "kept" });
  const runAll = async (): Promise<Record<Mode, number[]>> => ({
    kept: await run("kept", seconds),
    new: await run("new", seconds),
  });

  await run("kept", WARM_UP_SECONDS);
  await run("new", WARM_UP_SECONDS);
  const router = new RouterProcess(pid);
  const openBefore = router.open;
  const memoryBeforeMebibytes = router.memoryMebibytes;
  const aloneBefore = await runAll();
  const crowd = new Crowd({ port, counts }, guard);
  const [underWay, arriving] = await Promise.all([crowd.underWay(), run("kept", seconds)]);
  const besideFirst = await runAll();
  const besideSecond = await runAll();
  const openBeside = router.open;
  const left = await crowd.leave();
  const openAfter = await untilOnly(openBefore, router);
  const aloneAfter = await runAll();

  const sampleOf = (mode: Mode): ModeSample => ({
    alone: latenciesOf([...aloneBefore[mode], ...aloneAfter[mode]]),
    beside: latenciesOf([...besideFirst[mode], ...besideSecond[mode]]),
  });
  return {
    modes: { kept: sampleOf("kept"), new: sampleOf("new") },
    arrivingMaxMs: percentile(arriving, 1),
    underWayAfterMs: underWay.afterMs,
    memoryBeforeMebibytes,
    memoryPeakMebibytes: router.peakMemoryMebibytes,
    openBefore,
    openBeside,
    openAfter,
    ends: left.ends,
  };
}

function startServer(
  { root, node, guard }: RoundOptions,
  port: number,
  folder: string,
): Promise<ServerProcess> {
  return ServerProcess.start({
    command: [
      node,
      join(root, "bin/tunicorn.js"),
      ...["-w", "1", "-b", `127.0.0.1:${port}`, "--access-logfile", join(folder, "access.log")],
      "slow_clients:app",
    ],
    cwd: join(root, "bench/apps"),
    logFile: join(folder, "error.log"),
    port,
    request: HELLO_REQUEST,
    guard,
  });
}

async function runNormalClient({ guard }: RoundOptions, options: NormalClientOptions): Promise<number[]> {
  const program = join(import.meta.dirname, "normal-client.ts");
  const command = [process.execPath, "--import", "tsx", program, JSON.stringify(options)];
  const deadlineMs = options.seconds * 1000 + GRACE_MS;
  return JSON.parse(await runChild({ command, deadlineMs, guard, cwd: import.meta.dirname })) as number[];
}

/** What is open once it is what it was, or at the end of the time for it. */
async function untilOnly(before: OpenDescriptors, router: RouterProcess): Promise<OpenDescriptors> {
  const end = performance.now() + LEAVE_DEADLINE_MS;
  for (;;) {
    const now = router.open;
    if (isSame(now, before) || performance.now() > end) return now;
    await sleep(POLL_MS);
  }
}

export function isSame(left: OpenDescriptors, right: OpenDescriptors): boolean {
  return left.sockets === right.sockets && left.files === right.files && left.others === right.others;
}

function latenciesOf(values: readonly number[]): Latencies {
  return { p50Ms: percentile(values, 0.5), p99Ms: percentile(values, 0.99), maxMs: percentile(values, 1) };
}
