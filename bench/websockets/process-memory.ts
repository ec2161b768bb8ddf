import { readFileSync } from "node:fs";
import { processesOf } from "../http/measure/process-table.ts";

/** Resident memory of the process of a server whose title has `what` in it. */
export function memoryKibibytesOf(serverPid: number, what: string): number {
  const found = processesOf(serverPid).find(({ pid }) => titleOf(pid).includes(what));
  if (found === undefined) throw new Error(`No process "${what}" below process ${serverPid}`);
  const status = readFileSync(`/proc/${found.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN);
}

function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return ""; // It ended while we looked.
  }
}
