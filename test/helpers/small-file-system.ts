import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";

import { onTeardown } from "./teardown.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A memory file system of so many bytes, if this user may mount one; unmounted when the test ends. */
export async function mountSmall(t: TestContext, bytes: number): Promise<string | undefined> {
  const folder = await temporaryFolder(t);
  const options = ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder];
  if (process.platform !== "linux" || spawnSync("mount", options).status !== 0) return undefined;
  onTeardown(t, () => assert.equal(spawnSync("umount", [folder]).status, 0, `Cannot unmount ${folder}`));
  return folder;
}
