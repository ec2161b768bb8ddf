import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";

import { onTeardown } from "./teardown.ts";

/** A new folder, removed when the test ends; `files` are written into it. */
export async function temporaryFolder(
  t: TestContext,
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  // A short name: the path of a Unix socket inside it must stay below 108 bytes.
  const folder = await realpath(await mkdtemp(join(tmpdir(), "tt-")));
  onTeardown(t, () => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  await writeFiles(folder, files);
  return folder;
}

export async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
}
