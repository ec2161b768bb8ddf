import { closeSync, fchownSync, fstatSync, openSync } from "node:fs";
import type { Settings } from "../config/settings/all.ts";
import { isOwn, type Identity } from "./identity.ts";

/**
 * Makes the log files, and gives them to the user of workers and router, who open them themselves, and anew on
 * USR1, where the folder often belongs to root.
 */
export function giveLogFiles({ accesslog, errorlog }: Settings, identity: Identity): void {
  if (isOwn(identity)) return;
  for (const path of [accesslog, errorlog]) {
    if (path !== null && path !== "-") giveLogFile(path, identity);
  }
}

function giveLogFile(path: string, { uid, gid }: Identity): void {
  let fd: number;
  try {
    fd = openSync(path, "a");
  } catch {
    // Whoever needs it says why it cannot be opened.
    return;
  }
  try {
    const stats = fstatSync(fd);
    // Devices such as /dev/null are everybody's.
    if (stats.isFile() || stats.isFIFO()) fchownSync(fd, uid ?? -1, gid ?? -1);
  } finally {
    closeSync(fd);
  }
}
