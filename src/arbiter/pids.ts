import { setTimeout as delay } from "node:timers/promises";

const LOOK_MS = 50;

/** Sends a signal to a process that may be gone already. */
export function signalPid(pid: number, signal: NodeJS.Signals | 0): boolean {
  if (pid <= 0) return false;
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    // A process of another user counts: EPERM says that it is there.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Waits until none of the processes is there, which are not our children, or until the time is over. */
export async function waitForPids(pids: () => readonly number[], limitMs: number): Promise<void> {
  const deadlineAt = performance.now() + limitMs;
  while (performance.now() < deadlineAt && pids().some((pid) => signalPid(pid, 0))) await delay(LOOK_MS);
}
