import { spawnSync } from "node:child_process";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { ClientConnection, request } from "./client.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "./deadlines.ts";
import { startFixture, type Server } from "./server.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A server whose application tells of each call, and can be held in one. */
export interface GatedServer extends Server {
  /** Sends a request that holds the only worker, on a connection of its own. */
  holdWorker(): Promise<ClientConnection>;
  /** Lets the call that waits at the gate go on: by default those of /hold wait. */
  openGate(): Promise<void>;
  /** The paths that the application was called with, as far as the log has come. */
  calledPaths(): readonly string[];
  /** The paths of all calls up to one that is made now: whatever was to come before it has come. */
  allCalledPaths(): Promise<readonly string[]>;
}

/** `application`: another one of test/fixtures/apps, which reads the FIFO $GATE where it is to be held. */
export async function startGatedServer(
  t: TestContext,
  args: readonly string[],
  {
    application = "gated",
    env = {},
  }: { readonly application?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<GatedServer> {
  const gate = makeGate(await temporaryFolder(t));
  const server = await startFixture(t, application, { args, env: { ...env, GATE: gate } });
  const calledPaths = (): readonly string[] =>
    server.lines.flatMap((line) => /called (\/.*)$/.exec(line)?.[1] ?? []);
  return Object.assign(server, {
    holdWorker: async () => {
      const holder = await ClientConnection.open(t, server.port);
      holder.sendRequest("/hold");
      await server.waitForLine(/called \/hold$/);
      return holder;
    },
    openGate: () => openGate(gate),
    calledPaths,
    allCalledPaths: async () => {
      const { status } = await request(server.port, "/last");
      if (status !== 200) throw new Error(`The last call was answered with ${status}`);
      await server.waitForLine(/called \/last$/);
      return calledPaths();
    },
  });
}

/** Makes a FIFO, which holds whoever reads it. */
export function makeGate(folder: string): string {
  const gate = join(folder, "gate");
  if (spawnSync("mkfifo", [gate]).status !== 0) {
    throw new Error(`Cannot make the FIFO ${gate}`);
  }
  return gate;
}

/** Lets the one that reads the FIFO, or is about to, go on. */
export async function openGate(gate: string): Promise<void> {
  await untilTrue(() => isOpened(gate), { deadlineMs: ANSWER_DEADLINE_MS, what: "one held at the gate" });
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
