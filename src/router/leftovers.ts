import { readFileSync, rmSync } from "node:fs";
import { socketIdentity } from "../system/socket-identity.ts";
import type { Leftovers } from "./messages.ts";

/** Removes what a killed arbiter could not remove. Each step is done whether or not another process did it. */
export function removeLeftovers(leftovers: Leftovers): void {
  remove(leftovers.runtimeDirectory);
  if (leftovers.queueDirectory !== null) remove(leftovers.queueDirectory);
  for (const { path, identity } of leftovers.sockets) {
    if (socketIdentity(path) === identity) remove(path);
  }
  if (leftovers.pidfile !== null && readPid(leftovers.pidfile) === leftovers.arbiterPid) {
    remove(leftovers.pidfile);
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // A router that runs as another user may not; the mold may, and the next start removes a stale socket.
  }
}

function readPid(path: string): number | null {
  try {
    return Number.parseInt(readFileSync(path, "utf8"), 10);
  } catch {
    return null;
  }
}
