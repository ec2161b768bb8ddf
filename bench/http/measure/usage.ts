import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { mapCpuProfile, partOf, type CpuPart, type CpuProfile, type CpuTime } from "./cpu-profile.ts";
import { ownCpuTicks, processesOf, titleOf, type CpuTicks } from "./process-table.ts";

// USER_HZ: what /proc counts in, 100 on every architecture that Node runs on.
const TICKS_PER_SECOND = 100;

interface UsageReading {
  readonly timeMs: number;
  readonly ticks: Readonly<Record<CpuPart, CpuTicks>>;
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
  /** Where the time went, in seconds. */
  readonly profile: CpuProfile;
}

/** Starts a measurement; the returned function ends it. Without a server only this process and its children count. */
export function startUsage(serverPid?: number): () => Usage {
  const before = read(serverPid);
  return () => {
    const after = read(serverPid);
    const machineSeconds = ((after.timeMs - before.timeMs) / 1000) * cpus().length;
    const seconds = (key: "machineTicks" | "stealTicks"): number =>
      (after[key] - before[key]) / TICKS_PER_SECOND;
    const secondsOf = (part: CpuPart): CpuTime => ({
      user: (after.ticks[part].user - before.ticks[part].user) / TICKS_PER_SECOND,
      system: (after.ticks[part].system - before.ticks[part].system) / TICKS_PER_SECOND,
    });
    const [client, router, workers] = [secondsOf("client"), secondsOf("router"), secondsOf("workers")];
    const serverCpuSeconds = router.user + router.system + workers.user + workers.system;
    const busySeconds = seconds("machineTicks") + seconds("stealTicks");
    const otherSeconds = seconds("machineTicks") - serverCpuSeconds - client.user - client.system;
    return {
      serverCpuSeconds,
      otherShare: Math.max(0, otherSeconds) / machineSeconds,
      stealShare: seconds("stealTicks") / machineSeconds,
      profile: { client, router, workers, idle: Math.max(0, machineSeconds - busySeconds) },
    };
  };
}

/** The profile of a load of so many requests: seconds become microseconds for each. */
export function perRequest(usage: Usage, requests: number): CpuProfile {
  return mapCpuProfile(usage.profile, (seconds) => (seconds * 1e6) / requests);
}

function read(serverPid: number | undefined): UsageReading {
  const ticks: Record<CpuPart, CpuTicks> = { client: ownCpuTicks(), router: NO_TICKS, workers: NO_TICKS };
  for (const { pid, cpu } of serverPid === undefined ? [] : processesOf(serverPid)) {
    const part = partOf(titleOf(pid));
    ticks[part] = { user: ticks[part].user + cpu.user, system: ticks[part].system + cpu.system };
  }
  const [user, nice, system, , , irq, softirq, steal] = readMachineTicks();
  return {
    timeMs: performance.now(),
    ticks,
    machineTicks: (user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0),
    stealTicks: steal ?? 0,
  };
}

const NO_TICKS: CpuTicks = { user: 0, system: 0 };

function readMachineTicks(): readonly number[] {
  const line = readFileSync("/proc/stat", "utf8").split("\n", 1)[0] ?? "";
  return line.split(/\s+/).slice(1).map(Number);
}
