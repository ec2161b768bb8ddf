import assert from "node:assert/strict";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { workingFolder } from "../../src/system/working-folder.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

test("workingFolder() is the one that the shell names when it leads to where we are", async (t) => {
  const link = join(await temporaryFolder(t), "current");
  symlinkSync(process.cwd(), link);
  assert.equal(workingFolder({ PWD: link }), link);
});

for (const [what, environment] of [
  ["is missing", {}],
  ["leads elsewhere", { PWD: "/" }],
  ["leads nowhere", { PWD: "/no/such/folder" }],
  ["is relative", { PWD: "." }],
] as const) {
  test(`workingFolder() is the real path when PWD ${what}`, () => {
    assert.equal(workingFolder(environment), process.cwd());
  });
}
