import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { scheduleAsBatch } from "../../src/system/batch-scheduling.ts";
import { schedulingOf } from "../helpers/scheduling.ts";
import { python } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const skip = process.platform === "linux" ? false : "the policy is Linux's";

/** A process that waits until its standard input ends; with the policy of this name. */
async function startWaiting(t: TestContext, policy: "OTHER" | "IDLE"): Promise<number> {
  const program = `
import os, sys
os.sched_setscheduler(0, os.SCHED_${policy}, os.sched_param(0))
print("set", flush=True)
sys.stdin.read()
`;
  const child = spawn(python, ["-I", "-S", "-c", program], { stdio: ["pipe", "pipe", "inherit"] });
  onTeardown(t, () => void child.kill("SIGKILL"));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return child.pid ?? 0;
}

test("scheduleAsBatch() makes a process one that interrupts nobody", { skip }, async (t) => {
  const pid = await startWaiting(t, "OTHER");
  assert.equal(await scheduleAsBatch(python, pid), null);
  assert.equal(schedulingOf(pid), "batch");
});

test("scheduleAsBatch() leaves a policy alone that somebody has chosen", { skip }, async (t) => {
  const pid = await startWaiting(t, "IDLE");
  assert.equal(await scheduleAsBatch(python, pid), null);
  assert.equal(schedulingOf(pid), "idle");
});

test("scheduleAsBatch() says why it cannot", { skip }, async (t) => {
  const pid = await startWaiting(t, "OTHER");
  const folder = await temporaryFolder(t, { killed: "#!/bin/sh\nkill -SYS $$\n" });
  const killed = join(folder, "killed");
  chmodSync(killed, 0o700);
  assert.match((await scheduleAsBatch(killed, pid)) ?? "", /ended with SIGSYS$/);
  assert.match((await scheduleAsBatch(join(folder, "missing"), pid)) ?? "", /ENOENT/);
  assert.match((await scheduleAsBatch(python, 2 ** 22 + 1)) ?? "", /ended with status 1$/);
  assert.equal(schedulingOf(pid), "other");
});
