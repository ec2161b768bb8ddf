import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { ownCpuTicks, processesOf } from "./process-table.ts";

// USER_HZ: what /proc counts in, 100 on every architecture that Node runs on.
const TICKS_PER_SECOND = 100;

interface UsageReading {
  readonly timeMs: number;
  readonly serverTicks: number;
  readonly benchTicks: number;
  readonly machineTicks: number;
  readonly stealTicks: number;
}

export interface Usage {
  /** User and system time of all processes of the server. */
  readonly serverCpuSeconds: number;
  /** Share of the machine used by neither the server nor the load: above a few percent, others disturb. */
  readonly otherShare: number;
  /** Share of the machine that its hypervisor gave to others. */
  readonly stealShare: number;
}

/** Starts a measurement; the returned function ends it. Without a server only this process and its children count. */
export function startUsage(serverPid?: number): () => Usage {
  const before = read(serverPid);
  return () => {
    const after = read(serverPid);
    const machineSeconds = ((after.timeMs - before.timeMs) / 1000) * cpus().length;
    const seconds = (key: Exclude<keyof UsageReading, "timeMs">): number =>
      (after[key] - before[key]) / TICKS_PER_SECOND;
    const otherSeconds = seconds("machineTicks") - seconds("serverTicks") - seconds("benchTicks");
    return {
      serverCpuSeconds: seconds("serverTicks"),
      otherShare: Math.max(0, otherSeconds) / machineSeconds,
      stealShare: seconds("stealTicks") / machineSeconds,
    };
  };
}

function read(serverPid: number | undefined): UsageReading {
  const members = serverPid === undefined ? [] : processesOf(serverPid);
  const serverTicks = members.reduce((sum, entry) => sum + entry.cpuTicks, 0);
  const [user, nice, system, , , irq, softirq, steal] = readMachineTicks();
  return {
    timeMs: performance.now(),
    serverTicks,
    benchTicks: ownCpuTicks(),
    machineTicks: (user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0),
    stealTicks: steal ?? 0,
  };
}

function readMachineTicks(): readonly number[] {
  const line = readFileSync("/proc/stat", "utf8").split("\n", 1)[0] ?? "";
  return line.split(/\s+/).slice(1).map(Number);
}
