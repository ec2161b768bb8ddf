import { execFile } from "node:child_process";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";

import { PROGRAM_DEADLINE_MS } from "./deadlines.ts";
import { python } from "./server.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A Python that has nothing but its standard library: a virtual environment into which nothing was installed. */
export async function bareInterpreter(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t);
  const args = ["-m", "venv", "--without-pip", folder];
  await promisify(execFile)(python, args, { timeout: PROGRAM_DEADLINE_MS });
  return join(folder, "bin/python");
}
