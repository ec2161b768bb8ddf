import assert from "node:assert/strict";
import { test } from "node:test";

import { adviseWorkers } from "../../src/arbiter/worker-advice.ts";

function advice(workers: number, cpus: number | null): readonly string[] {
  const lines: string[] = [];
  const quota = cpus === null ? null : { cpus, file: "/sys/fs/cgroup/cpu.max" };
  adviseWorkers(workers, quota, {
    info: (line) => lines.push(`INFO ${line}`),
    warning: (line) => lines.push(`WARNING ${line}`),
  });
  return lines;
}

test("adviseWorkers() says nothing without a quota, within it, and of a single worker", () => {
  assert.deepEqual([...advice(64, null), ...advice(2, 2), ...advice(1, 0.5)], []);
});

test("adviseWorkers() names the quota when there are more workers than CPUs", () => {
  assert.deepEqual(advice(5, 2), ["INFO 5 workers share a quota of 2 CPUs (/sys/fs/cgroup/cpu.max)"]);
  assert.deepEqual(advice(3, 1), ["INFO 3 workers share a quota of 1 CPU (/sys/fs/cgroup/cpu.max)"]);
});

test("adviseWorkers() warns of more than are usual", () => {
  assert.deepEqual(advice(6, 1.5), [
    "WARNING 6 workers share a quota of 1.5 CPUs (/sys/fs/cgroup/cpu.max); " +
      "at most 5 are usual for it, twice the CPUs and one",
  ]);
});
