import sonicBoom, { type SonicBoom } from "sonic-boom";
import { TunicornError } from "../errors.ts";

/** Lines that may wait for a stuck target; beyond it the newest are dropped rather than memory taken. */
const WAITING_LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * A log target opened for appending: a path, or `-` for the standard stream `standardFd`.
 *
 * `isBuffered`: lines are gathered while a write is under way; else each line is written at once.
 * Throws ERR_LOG_FILE when the file cannot be opened.
 */
export function openLogFile(path: string, standardFd: 1 | 2, isBuffered: boolean): SonicBoom {
  const options = { append: true, mkdir: false, sync: !isBuffered, maxLength: WAITING_LIMIT_BYTES };
  let file: SonicBoom;
  try {
    file =
      path === "-"
        ? new sonicBoom.SonicBoom({ ...options, fd: standardFd })
        : new sonicBoom.SonicBoom({ ...options, dest: path });
  } catch (error) {
    throw new TunicornError("ERR_LOG_FILE", `Cannot open log file "${path}": ${reasonOf(error)}`, {
      cause: error,
      hint: "Create its folder, or make it writable for this user",
    });
  }
  // A full disk or a closed pipe must not stop the server; there is no better place to say so.
  file.on("error", () => undefined);
  return file;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
