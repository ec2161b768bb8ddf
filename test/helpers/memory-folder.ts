import { mkdtempSync, rmSync } from "node:fs";
import type { TestContext } from "node:test";

import { onTeardown } from "./teardown.ts";

/** A new folder on a memory file system, removed when the test ends. Linux alone has one at a known place. */
export function memoryFolder(t: TestContext): string {
  const folder = mkdtempSync("/dev/shm/tt-");
  onTeardown(t, () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
