import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

import { BOOT_DEADLINE_MS, withDeadline } from "./deadlines.ts";
import { fixtureApps, python } from "./server.ts";
import { onTeardown } from "./teardown.ts";

/** uvicorn itself, serving one of test/fixtures/apps until the test ends. Its port; NaN where it has none. */
export async function startUvicorn(
  t: TestContext,
  application: string,
  args: readonly string[],
): Promise<number> {
  const child = spawn(python, ["-m", "uvicorn", "--no-access-log", ...args, application], {
    cwd: fixtureApps,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  onTeardown(t, async () => {
    child.kill("SIGKILL");
    await exited;
  });
  const lines: string[] = [];
  const started = new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      lines.push(line);
      const [, address] = /Uvicorn running on (\S+)/.exec(line) ?? [];
      if (address !== undefined) resolve(Number(/:(\d+)$/.exec(address)?.[1]));
    });
    exited.then(() => reject(new Error(`uvicorn did not start:\n${lines.join("\n")}`)), reject);
  });
  return withDeadline(started, { deadlineMs: BOOT_DEADLINE_MS, what: () => `uvicorn:\n${lines.join("\n")}` });
}
