import { readFileSync, readdirSync, readlinkSync } from "node:fs";

export interface ProcessEntry {
  readonly pid: number;
  readonly parentPid: number;
  readonly name: string;
  readonly command: string;
}

/** The living process with this pid. */
export function readProcess(pid: number): ProcessEntry | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name stands in parentheses and may itself hold spaces and parentheses.
    const nameEnd = stat.lastIndexOf(")");
    const [state, parentPid] = stat.slice(nameEnd + 2).split(" ");
    if (state === "Z" || state === "X") {
      return undefined;
    }
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return { pid, parentPid: Number(parentPid), name: stat.slice(stat.indexOf("(") + 1, nameEnd), command };
  } catch {
    return undefined; // It ended while we looked.
  }
}

function hasMark(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(mark);
  } catch {
    return false;
  }
}

/** Whether the process lives; one that ended and was not yet reaped does not. */
export function isAlive(pid: number): boolean {
  return readProcess(pid) !== undefined;
}

/** The paths of all files that the process holds open or mapped. */
export function openPathsOf(pid: number): string[] {
  try {
    const maps = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
    const mapped = maps.map((line) => line.slice(line.indexOf("/")));
    const opened = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => targetOf(`/proc/${pid}/fd/${fd}`));
    return [...opened, ...mapped].filter((path) => path.startsWith("/"));
  } catch {
    return []; // It ended while we looked.
  }
}

/** Where a descriptor leads; nowhere, when it was closed while we looked. */
function targetOf(link: string): string[] {
  try {
    return [readlinkSync(link)];
  } catch {
    return [];
  }
}

/**
 * All living processes below `pid`, and those that carry `mark` (`NAME=value`) in their environment: a process whose
 * parents are gone can only be found by what it inherited.
 */
export function descendants(pid: number, mark?: string): ProcessEntry[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((entry) => entry !== undefined);
  const found = new Set<number>([pid]);
  const isNew = (entry: ProcessEntry): boolean => found.has(entry.parentPid) && !found.has(entry.pid);
  for (let next = all.filter(isNew); next.length > 0; next = all.filter(isNew)) {
    for (const entry of next) {
      found.add(entry.pid);
    }
  }
  return all.filter(
    (entry) =>
      entry.pid !== pid && (found.has(entry.pid) || (mark !== undefined && hasMark(entry.pid, mark))),
  );
}
