import { readFileSync } from "node:fs";

/** Of `/proc/PID/stat`, counted from the state on: policies are the 41st of all. */
const POLICY_FIELD = 38;
const POLICIES = ["other", "fifo", "rr", "batch", "", "idle"];

/** How the kernel schedules the process: the name of its policy, see sched(7). */
export function schedulingOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return POLICIES[Number(fields[POLICY_FIELD])] ?? "unknown";
}
