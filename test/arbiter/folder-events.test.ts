import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { FolderEvents } from "../../src/arbiter/folder-events.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const NOBODY = 65_534;

/** Listens to a file's folders; `happened` resolves when there was an event since it was last asked. */
function listen(t: TestContext, file: string) {
  let count = 0;
  const events = new FolderEvents(() => (count += 1));
  onTeardown(t, () => events.close());
  events.watch([file]);
  const happened = async (): Promise<void> => {
    await untilTrue(() => count > 0, { deadlineMs: LOG_DEADLINE_MS, what: "event" });
    count = 0;
  };
  return { events, happened };
}

test("FolderEvents hears of a file that is written, and of one that is put beside it", async (t) => {
  const folder = await temporaryFolder(t, { "a.py": "one" });
  const { happened } = listen(t, join(folder, "a.py"));
  writeFileSync(join(folder, "a.py"), "two");
  await happened();
  writeFileSync(join(folder, "b.py"), "");
  await happened();
});

test("FolderEvents hears of a file through a link to it", async (t) => {
  const folder = await temporaryFolder(t, { "real/a.py": "one", "site/b.py": "" });
  symlinkSync(join(folder, "real/a.py"), join(folder, "site/a.py"));
  const { happened } = listen(t, join(folder, "site/a.py"));
  writeFileSync(join(folder, "real/a.py"), "two");
  await happened();
});

test("FolderEvents listens again to a folder that was removed and is back", async (t) => {
  const folder = await temporaryFolder(t, { "site/a.py": "one" });
  const path = join(folder, "site/a.py");
  const { events, happened } = listen(t, path);
  rmSync(join(folder, "site"), { recursive: true });
  await happened();
  events.recover();
  mkdirSync(join(folder, "site"));
  events.recover();
  await happened();
  writeFileSync(path, "two");
  await happened();
});

test("FolderEvents listens to a folder that is back and closed to us as soon as it is open", async (t) => {
  const folder = await temporaryFolder(t, { "site/a.py": "one" });
  chmodSync(folder, 0o755);
  const site = join(folder, "site");
  const { events, happened } = listen(t, join(site, "a.py"));
  rmSync(site, { recursive: true });
  await happened();
  mkdirSync(site);
  chmodSync(site, 0o000);
  asNobody(() => events.recover());
  chmodSync(site, 0o755);
  events.recover();
  await happened();
  writeFileSync(join(site, "a.py"), "two");
  await happened();
});

/** Root may read every folder. */
function asNobody(action: () => void): void {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    action();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

test("FolderEvents looks past files that are not there", () => {
  const events = new FolderEvents(() => assert.fail("there is nothing to hear of"));
  events.watch(["/nonexistent/a.py"]);
  events.recover();
  events.close();
});
