import assert from "node:assert/strict";
import { test } from "node:test";

import { adviseConnections } from "../../src/arbiter/connection-advice.ts";

function advice(wanted: number, descriptors: number): readonly string[] {
  const lines: string[] = [];
  adviseConnections(wanted, descriptors, { info: (line) => lines.push(line) });
  return lines;
}

test("adviseConnections() says nothing where there is room, and where the system does not tell", () => {
  assert.deepEqual([...advice(10_000, 20_000), ...advice(0, Infinity), ...advice(896, 1024)], []);
});

test("adviseConnections() names what the system allows where that is less", () => {
  assert.deepEqual(advice(10_000, 4096), [
    "A router takes 3584 connections, not 10000 (max_connections): a process may have 4096 files open (ulimit -n)",
  ]);
  assert.deepEqual(advice(0, 256), [
    "A router takes 192 connections, not without a limit (max_connections): a process may have 256 files open (ulimit -n)",
  ]);
  assert.deepEqual(advice(897, 1024).length, 1);
});
