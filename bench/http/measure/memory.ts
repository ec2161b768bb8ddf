import { readFileSync } from "node:fs";
import { processesOf } from "./process-table.ts";

/**
 * What the server would cost alone on the machine: its own pages by PSS, each mapped file once.
 * Plain PSS would divide the node binary among all Node processes too, the benchmark's own included.
 */
export function memoryMebibytes(serverPid: number): number {
  let ownKibibytes = 0;
  const fileKibibytes = new Map<string, number>();
  for (const { pid } of processesOf(serverPid)) {
    try {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      ownKibibytes += Number(/^Pss_Anon:\s+(\d+) kB/m.exec(rollup)?.[1] ?? NaN);
      for (const [file, kibibytes] of residentFiles(readFileSync(`/proc/${pid}/smaps`, "utf8"))) {
        fileKibibytes.set(file, Math.max(kibibytes, fileKibibytes.get(file) ?? 0));
      }
    } catch {
      // It ended between listing and reading.
    }
  }
  const files = [...fileKibibytes.values()].reduce((sum, kibibytes) => sum + kibibytes, 0);
  return (ownKibibytes + files) / 1024;
}

/** By device and inode, the resident size without the pages the process has made its own. */
function residentFiles(smaps: string): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  let file = "";
  for (const line of smaps.split("\n")) {
    const mapping = /^[\da-f]+-[\da-f]+ \S+ \S+ (\S+ \d+)/.exec(line);
    if (mapping !== null) file = mapping[1] ?? "";
    if (file.endsWith(" 0")) continue;
    const [, key, kibibytes] = /^(Rss|Anonymous):\s+(\d+) kB/.exec(line) ?? [];
    if (key === undefined) continue;
    const sign = key === "Rss" ? 1 : -1;
    sizes.set(file, (sizes.get(file) ?? 0) + sign * Number(kibibytes));
  }
  return sizes;
}
