import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { fixtureApps, launch, LOOPBACK } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";

const V1 = "/sys/fs/cgroup/cpu";

/** A cgroup of version 1 with a quota of one CPU and a half, or null where none can be made. */
function makeCgroup(): string | null {
  const directory = join(V1, `tunicorn-test-${process.pid}`);
  try {
    if (!existsSync(join(V1, "cpu.cfs_quota_us"))) return null;
    mkdirSync(directory);
    writeFileSync(join(directory, "cpu.cfs_quota_us"), "150000");
    return directory;
  } catch {
    return null;
  }
}

test("the log names the CPU quota of a cgroup that has fewer CPUs than workers", async (t) => {
  const directory = makeCgroup();
  if (directory === null) {
    t.skip("no cgroup can be made here: that takes root and cgroups of version 1");
    return;
  }
  onTeardown(t, () => rmdirSync(directory));
  const server = launch(t, { cwd: fixtureApps, args: [...LOOPBACK, "-w", "8", "pid"] });
  // Before it has read its settings, which takes a Python process.
  writeFileSync(join(directory, "cgroup.procs"), String(server.pid));
  await server.waitForLine(
    /\[WARNING\] 8 workers share a quota of 1\.5 CPUs \(\S+cpu\.cfs_quota_us\); at most 5/,
  );
  assert.deepEqual(await server.stop(), { status: 0, signal: null });
});
