import type { TestContext } from "node:test";

import { EXIT_DEADLINE_MS, untilTrue } from "./deadlines.ts";
import { isAlive } from "./processes.ts";
import type { ServerProcess } from "./server.ts";
import { onTeardown } from "./teardown.ts";

/** An arbiter that a server has started beside itself (USR2). */
export interface NextArbiter {
  readonly pid: number;
  signal(name: NodeJS.Signals): void;
  waitForExit(): Promise<void>;
}

/** Sends USR2 to an arbiter, and awaits that the next one is ready, or at least started. It ends with the test. */
export async function upgrade(
  t: TestContext,
  server: ServerProcess,
  { pid = server.pid, isReady = true } = {},
): Promise<NextArbiter> {
  const from = server.lines.length;
  process.kill(pid, "SIGUSR2");
  const [, next = ""] = await server.waitForLine(/Started a new arbiter \(pid:(\d+)\)/, { from });
  const arbiter = Number(next);
  onTeardown(t, () => {
    if (isAlive(arbiter)) process.kill(arbiter, "SIGQUIT");
  });
  if (isReady)
    await server.waitForLine(new RegExp(`The new arbiter \\(pid:${arbiter}\\) is ready`), { from });
  return {
    pid: arbiter,
    signal: (name) => void process.kill(arbiter, name),
    waitForExit: () =>
      untilTrue(() => !isAlive(arbiter), {
        deadlineMs: EXIT_DEADLINE_MS,
        what: () => `exit of the next arbiter:\n${server.text}`,
      }),
  };
}
