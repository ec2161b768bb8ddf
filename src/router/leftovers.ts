import { accessSync, constants, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
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
    // A router that runs as another user may not; then the mold does, or the next start, for which all of it stays.
    accessSync(dirname(path), constants.W_OK);
    rmSync(path, { recursive: true, force: true });
  } catch {
    // The mold may have been quicker.
  }
}

function readPid(path: string): number | null {
  try {
    return Number.parseInt(readFileSync(path, "utf8"), 10);
  } catch {
    return null;
  }
}
