import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

const run = promisify(execFile);
const KIB = 1024;

/** Resident memory of processes in bytes, by pid. Those that are gone are left out. */
export async function residentBytes(pids: readonly number[]): Promise<ReadonlyMap<number, number>> {
  const pairs = process.platform === "linux" ? readFromProc(pids) : await askPs(pids);
  return new Map(pairs);
}

function readFromProc(pids: readonly number[]): [number, number][] {
  return pids.flatMap((pid) => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "latin1");
      const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
      return kib === undefined ? [] : [[pid, Number(kib) * KIB] as [number, number]];
    } catch {
      return [];
    }
  });
}

async function askPs(pids: readonly number[]): Promise<[number, number][]> {
  if (pids.length === 0) return [];
  try {
    const { stdout } = await run("ps", ["-o", "pid=,rss=", "-p", pids.join(",")]);
    const rows = [...stdout.matchAll(/^\s*(\d+)\s+(\d+)\s*$/gm)];
    return rows.map(([, pid, kib]) => [Number(pid), Number(kib) * KIB]);
  } catch {
    // ps fails when none of them is there.
    return [];
  }
}
