import { readFileSync } from "node:fs";

/** A router also has listeners, connections of workers, files of large bodies, and what Node itself needs. */
const RESERVED = 64;

/** How many files this process and those that it starts may have open (`ulimit -n`); Infinity where that is not told. */
export function readDescriptorLimit(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "latin1");
    return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Infinity);
  } catch {
    return Infinity;
  }
}

/** For how many clients' connections that is enough: an eighth of it is for other uses, or half where it is little. */
export function connectionsWithin(descriptors: number): number {
  if (descriptors === Infinity) return Infinity;
  return Math.floor(Math.max(Math.min(descriptors * 0.875, descriptors - RESERVED), descriptors / 2));
}
