import { readFileSync, rmSync } from "node:fs";
import { socketIdentity } from "../system/socket-identity.ts";
import type { Leftovers } from "./messages.ts";

/** Removes what a killed arbiter could not remove. Each step is done whether or not another process did it. */
export function removeLeftovers(leftovers: Leftovers): void {
  rmSync(leftovers.runtimeDirectory, { recursive: true, force: true });
  if (leftovers.queueDirectory !== null) rmSync(leftovers.queueDirectory, { recursive: true, force: true });
  for (const { path, identity } of leftovers.sockets) {
    if (socketIdentity(path) === identity) rmSync(path, { force: true });
  }
  if (leftovers.pidfile !== null && readPid(leftovers.pidfile) === leftovers.arbiterPid) {
    rmSync(leftovers.pidfile, { force: true });
  }
}

function readPid(path: string): number | null {
  try {
    return Number.parseInt(readFileSync(path, "utf8"), 10);
  } catch {
    return null;
  }
}
