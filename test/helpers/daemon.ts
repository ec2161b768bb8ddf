import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { LOG_DEADLINE_MS, untilTrue } from "./deadlines.ts";
import { fixtureApps, launch, LOOPBACK, type ServerProcess } from "./server.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A server that its command has left running. */
export interface Daemon {
  readonly command: ServerProcess;
  readonly folder: string;
  readonly pid: number;
  readonly port: number;
  /** Its error log. */
  readonly logText: () => string;
}

/** Runs the command to its end and looks at what it left running. */
export async function startDaemon(t: TestContext, args: readonly string[], settings = ""): Promise<Daemon> {
  const folder = await temporaryFolder(t, { "gunicorn.conf.py": settings });
  const command = launch(t, {
    cwd: folder,
    args: [
      ...[...LOOPBACK, "--pythonpath", fixtureApps, "--pid", "server.pid", "--log-file", "error.log"],
      ...[...args, "pid"],
    ],
  });
  assert.deepEqual(await command.waitForExit(), { status: 0, signal: null }, command.text);
  const logText = (): string => readFileSync(join(folder, "error.log"), "utf8");
  const portOf = (): string | undefined => /Listening at: http:\/\/127\.0\.0\.1:(\d+) /.exec(logText())?.[1];
  // The log is written beside all else.
  await untilTrue(() => portOf() !== undefined, { deadlineMs: LOG_DEADLINE_MS, what: logText });
  const port = portOf();
  const pid = Number(readFileSync(join(folder, "server.pid"), "utf8"));
  return { command, folder, pid, port: Number(port), logText };
}

export async function stopDaemon({ command, pid }: Daemon): Promise<void> {
  process.kill(pid, "SIGTERM");
  await command.waitForNoProcess();
}
