import { appFor } from "../works/all.ts";
import type { Work } from "../works/work.ts";
import type { Limit, Launch } from "../servers/server.ts";
import { bodyDifference, difference } from "./answer-check.ts";
import { runChild } from "./child.ts";
import type { ExitGuard } from "./exit-guard.ts";

export interface LoopOptions {
  readonly interface: "wsgi" | "asgi";
  readonly application: string;
  readonly path: string;
  readonly workers: number;
  readonly seconds: number;
}

interface WorkerCount {
  readonly calls: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly wrongAnswers: number;
  readonly status: number;
  readonly contentType: string;
  /** One character for each byte. */
  readonly body: string;
}

export interface LoopResult {
  readonly callsPerSecond: number;
  readonly cpuMicrosecondsPerCall: number;
  readonly wrongAnswers: number;
}

const GRACE_MS = 20_000;

/** Calls the application without a server; throws if it answers wrong. */
export async function runLoop(options: {
  readonly server: Limit;
  readonly work: Work;
  readonly launch: Launch;
  readonly seconds: number;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly guard: ExitGuard;
}): Promise<LoopResult> {
  const { server, work, launch, seconds, cwd, env, guard } = options;
  const argument: LoopOptions = {
    interface: server.speaks === "asgi" ? "asgi" : "wsgi",
    application: appFor(work, server) ?? "",
    path: work.request.path,
    workers: launch.workers,
    seconds,
  };
  const command = [...server.command(launch), JSON.stringify(argument)];
  const output = await runChild({ command, deadlineMs: seconds * 1000 + GRACE_MS, guard, cwd, env });
  const counts = JSON.parse(output) as readonly WorkerCount[];
  const { answer } = work.request;
  for (const { status, contentType, body } of counts) {
    const wrong =
      difference("status", status, 200) ??
      difference("Content-Type", contentType, answer.contentType) ??
      bodyDifference(Buffer.from(body, "latin1"), answer.body);
    if (wrong !== undefined) throw new Error(`Wrong answer to ${work.request.path} in the loop: ${wrong}`);
  }
  const sum = (of: (count: WorkerCount) => number): number =>
    counts.reduce((total, one) => total + of(one), 0);
  return {
    callsPerSecond: sum(({ calls, seconds: passed }) => calls / passed),
    cpuMicrosecondsPerCall: (sum(({ cpuSeconds }) => cpuSeconds) * 1e6) / sum(({ calls }) => calls),
    wrongAnswers: sum((count) => count.wrongAnswers),
  };
}
