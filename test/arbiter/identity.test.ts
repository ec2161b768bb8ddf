import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { giveFile, requireIdentity } from "../../src/arbiter/identity.ts";
import { withoutRoot } from "../helpers/root.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const NOBODY = 65_534;
const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

/** For the rest of the test this process is somebody who is not root. */
function withoutRights(t: TestContext): void {
  if (own.uid !== 0) return;
  process.seteuid?.(NOBODY);
  t.after(() => process.seteuid?.(0));
}

test("requireIdentity() leaves nothing to change where the settings name nobody, or who we are", () => {
  for (const named of [{ uid: null, gid: null }, own, { uid: own.uid, gid: null }]) {
    assert.deepEqual(requireIdentity(named), { uid: null, gid: null });
  }
});

test("requireIdentity() lets root choose anybody", { skip: withoutRoot }, () => {
  assert.deepEqual(requireIdentity({ uid: NOBODY, gid: null }), { uid: NOBODY, gid: null });
  assert.deepEqual(requireIdentity({ uid: 0, gid: 4242 }), { uid: null, gid: 4242 });
});

for (const [named, says] of [
  [{ uid: 4242, gid: null }, /cannot run as user 4242: tunicorn runs as user \d+, and only root may choose/],
  [{ uid: null, gid: 4242 }, /cannot run as group 4242/],
] as const) {
  test(`requireIdentity() refuses ${JSON.stringify(named)} for others than root`, (t) => {
    withoutRights(t);
    assert.throws(() => requireIdentity(named), { code: "ERR_SETTING_VALUE", message: says });
  });
}

test("giveFile() changes what is named and leaves the rest", { skip: withoutRoot }, async (t) => {
  const path = join(await temporaryFolder(t, { file: "" }), "file");
  giveFile(path, { uid: null, gid: NOBODY });
  giveFile(path, { uid: null, gid: null });
  assert.deepEqual([statSync(path).uid, statSync(path).gid], [own.uid, NOBODY]);
});
