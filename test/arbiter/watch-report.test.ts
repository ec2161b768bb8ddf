import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { readWatchReports } from "../../src/arbiter/watch-report.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

function written(generation: number, files: readonly string[], bootSeconds: number | null = null): string {
  return JSON.stringify({ generation, bootSeconds, files });
}

test("readWatchReports() gives those of the generation, and removes those of earlier ones", async (t) => {
  const folder = await temporaryFolder(t, {
    "watch-1": written(1, ["/a.py"]),
    "watch-2": written(2, ["/b.py"], 7.5),
    "watch-3": written(2, ["/c.py"]),
    "watch-4": written(3, ["/d.py"]),
    "watch-5.new": written(2, ["/e.py"]),
    "watch-6": "half of a rep",
    "router.sock": "",
  });
  const reports = readWatchReports(folder, 2);
  assert.deepEqual(
    reports.toSorted((a, b) => (a.files[0] ?? "").localeCompare(b.files[0] ?? "")),
    [
      { generation: 2, bootMs: 7500, files: ["/b.py"] },
      { generation: 2, bootMs: null, files: ["/c.py"] },
    ],
  );
  assert.ok(!existsSync(join(folder, "watch-1")));
  assert.ok(existsSync(join(folder, "watch-4")));
});

test("readWatchReports() finds none in a directory that is gone", () => {
  assert.deepEqual(readWatchReports("/nonexistent", 1), []);
});
