import { lstatSync } from "node:fs";

/** What tells the file of a unix socket from a later one at the same path; null when there is none. */
export function socketIdentity(path: string): string | null {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? null : `${stats.ino}:${stats.ctimeNs}`;
}
