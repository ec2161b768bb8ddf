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
  return statField(pid, 3) === "Z";
}

/** A field of proc_pid_stat(5) from the third on, as they are counted there; "" when there is no such process. */
export function statField(pid: number, number: number): string {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Behind the name of the command, which may have blanks and brackets of its own.
    return line.slice(line.lastIndexOf(")") + 2).split(" ")[number - 3] ?? "";
  } catch {
    return "";
  }
}

/** Waits until none of the processes is there, which are not our children, or until the time is over. */
export async function waitForPids(pids: () => readonly number[], limitMs: number): Promise<void> {
  const deadlineAt = performance.now() + limitMs;
  while (performance.now() < deadlineAt && pids().some((pid) => isRunning(pid))) await delay(LOOK_MS);
}
