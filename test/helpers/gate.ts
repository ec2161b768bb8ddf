import { spawnSync } from "node:child_process";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { ANSWER_DEADLINE_MS, untilTrue } from "./deadlines.ts";
import { LOOPBACK, startServer, type Server } from "./server.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** Tells the error log of each call; /hold does not return until the gate is opened. */
const APPLICATION = `
import os


def application(environ, start_response):
    path = environ["PATH_INFO"]
    environ["wsgi.errors"].write(f"called {path}\\n")
    environ["wsgi.errors"].flush()
    if path.startswith("/hold"):
        with open(os.environ["GATE"]) as gate:
            gate.read()
    answer = b"%d bytes to %s" % (len(environ["wsgi.input"].read()), path.encode())
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]
`;

/** A server whose application tells of each call, and can be held in one. */
export interface GatedServer extends Server {
  /** Lets the call that waits at the gate go on: by default those of /hold wait. */
  openGate(): Promise<void>;
  /** The paths that the application was called with, as far as the log has come. */
  calledPaths(): readonly string[];
}

/** `application`: another one, which reads the FIFO $GATE where it is to be held. */
export async function startGatedServer(
  t: TestContext,
  args: readonly string[],
  { application = APPLICATION }: { readonly application?: string } = {},
): Promise<GatedServer> {
  const cwd = await temporaryFolder(t, { "gated.py": application });
  const gate = join(cwd, "gate");
  if (spawnSync("mkfifo", [gate]).status !== 0) {
    throw new Error(`Cannot make the FIFO ${gate}`);
  }
  const server = await startServer(t, { cwd, env: { GATE: gate }, args: [...LOOPBACK, ...args, "gated"] });
  return Object.assign(server, {
    openGate: () =>
      untilTrue(() => isOpened(gate), { deadlineMs: ANSWER_DEADLINE_MS, what: "a call held at the gate" }),
    calledPaths: () => server.lines.flatMap((line) => /called (\/.*)$/.exec(line)?.[1] ?? []),
  });
}

/** A FIFO opens for writing once it is being read; closing it lets its readers go on. */
async function isOpened(gate: string): Promise<boolean> {
  try {
    const writer = await open(gate, constants.O_WRONLY | constants.O_NONBLOCK);
    await writer.close();
    return true;
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code === "ENXIO") return false;
    throw failure;
  }
}
