import { readFileSync, readdirSync } from "node:fs";

export interface ProcessEntry {
  readonly pid: number;
  readonly parentPid: number;
  readonly sessionId: number;
  readonly isZombie: boolean;
  /** With the pid it names a process for good: pids are reused. */
  readonly startTicks: number;
  /** Of the process and of the children that it has waited for. */
  readonly cpu: CpuTicks;
}

export interface CpuTicks {
  readonly user: number;
  readonly system: number;
}

/** All processes a server consists of: its session and its descendants, also those that left the session. */
export function processesOf(rootPid: number): readonly ProcessEntry[] {
  const table = readProcessTable();
  const members = new Set(
    table.filter((entry) => entry.pid === rootPid || entry.sessionId === rootPid).map((entry) => entry.pid),
  );
  let sizeBefore = 0;
  while (members.size > sizeBefore) {
    sizeBefore = members.size;
    for (const entry of table) if (members.has(entry.parentPid)) members.add(entry.pid);
  }
  return table.filter((entry) => members.has(entry.pid));
}

export function isAlive(entry: ProcessEntry): boolean {
  const now = readProcess(String(entry.pid));
  return now !== undefined && now.startTicks === entry.startTicks && !now.isZombie;
}

export function killProcesses(entries: readonly ProcessEntry[]): void {
  for (const entry of entries) {
    if (!isAlive(entry)) continue;
    try {
      process.kill(entry.pid, "SIGKILL");
    } catch {
      // It ended by itself in between.
    }
  }
}

/** CPU of this process and of the children it has waited for, such as finished load generators. */
export function ownCpuTicks(): CpuTicks {
  return readProcess("self")?.cpu ?? { user: 0, system: 0 };
}

export function sumOf(ticks: CpuTicks): number {
  return ticks.user + ticks.system;
}

/** What `ps` shows of it: most servers title their processes. */
export function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}

function readProcessTable(): readonly ProcessEntry[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(readProcess)
    .filter((entry) => entry !== undefined);
}

function readProcess(name: string): ProcessEntry | undefined {
  let line: string;
  try {
    line = readFileSync(`/proc/${name}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The command name may hold spaces and parentheses; proc(5) numbers the fields from 1.
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const field = (number: number): number => Number(fields[number - 3]);
  return {
    pid: Number.parseInt(line, 10),
    parentPid: field(4),
    sessionId: field(6),
    isZombie: fields[0] === "Z" || fields[0] === "X",
    startTicks: field(22),
    cpu: { user: field(14) + field(16), system: field(15) + field(17) },
  };
}
