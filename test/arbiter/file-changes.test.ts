import assert from "node:assert/strict";
import { renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { FileChanges } from "../../src/arbiter/file-changes.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

test("FileChanges tells each change of a file once", async (t) => {
  const folder = await temporaryFolder(t, { "a.py": "one", "b.py": "one" });
  const [a, b] = [join(folder, "a.py"), join(folder, "b.py")];
  const changes = new FileChanges();
  assert.deepEqual(changes.watch([a, b], null), { added: [a, b], changed: [] });
  assert.deepEqual(changes.watch([a, b], 0), { added: [], changed: [] }, "they are known by now");
  assert.deepEqual(changes.take(), []);

  writeFileSync(a, "other");
  assert.deepEqual(changes.take(), [a]);
  assert.deepEqual(changes.take(), []);

  const moved = join(folder, "moved.py");
  writeFileSync(moved, "two");
  utimesSync(moved, statSync(b).atime, statSync(b).mtime);
  renameSync(moved, b);
  assert.deepEqual(changes.take(), [b], "another file of the same size and time has taken its place");
});

test("FileChanges tells of a file that was removed when it is back, and of one that comes", async (t) => {
  const folder = await temporaryFolder(t, { "a.py": "one" });
  const [a, late] = [join(folder, "a.py"), join(folder, "late.py")];
  const changes = new FileChanges();
  changes.watch([a, late], null);
  rmSync(a);
  assert.deepEqual(changes.take(), []);
  writeFileSync(a, "one again");
  writeFileSync(late, "");
  assert.deepEqual(changes.take(), [a, late]);
});

test("FileChanges tells of a folder in which a file comes or goes", async (t) => {
  const folder = await temporaryFolder(t, { "a.py": "one" });
  utimesSync(folder, 1, 1);
  const changes = new FileChanges();
  changes.watch([folder], null);
  writeFileSync(join(folder, "b.py"), "");
  assert.deepEqual(changes.take(), [folder]);
});

test("FileChanges tells at once of what had changed before it was watched, and not again", async (t) => {
  const folder = await temporaryFolder(t, { "a.py": "one" });
  const path = join(folder, "a.py");
  const now = Date.now();
  const changedSince = (sinceMs: number, file = path): boolean => {
    const changes = new FileChanges();
    const { changed } = changes.watch([file], sinceMs);
    assert.deepEqual(changes.take(), []);
    return changed.length > 0;
  };
  utimesSync(path, (now - 5000) / 1000, (now - 5000) / 1000);
  assert.equal(changedSince(now - 6000), true);
  assert.equal(changedSince(now - 4000), false);
  utimesSync(path, (now + 60_000) / 1000, (now + 60_000) / 1000);
  assert.equal(changedSince(now), false, "from the future");
  assert.equal(changedSince(0, join(folder, "missing.py")), false);
});
