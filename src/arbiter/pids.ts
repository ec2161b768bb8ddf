import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { systemCodeOf } from "../errors.ts";

const LOOK_MS = 50;

/** Sends a signal to a process that may be gone already. */
export function signalPid(pid: number, signal: NodeJS.Signals | 0): boolean {
  if (pid <= 0) return false;
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    // A process of another user counts: EPERM says that it is there.
    return systemCodeOf(error) === "EPERM";
  }
}

/** Whether a process runs. One that has ended is there as well until its parent has waited for it. */
export function isRunning(pid: number): boolean {
  return signalPid(pid, 0) && !isZombie(pid);
}

function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Behind the name of the command, which may have brackets of its own.
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
  } catch {
    return false;
  }
}

/** Waits until none of the processes is there, which are not our children, or until the time is over. */
export async function waitForPids(pids: () => readonly number[], limitMs: number): Promise<void> {
  const deadlineAt = performance.now() + limitMs;
  while (performance.now() < deadlineAt && pids().some((pid) => isRunning(pid))) await delay(LOOK_MS);
}
