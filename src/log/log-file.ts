import { closeSync, openSync } from "node:fs";
import sonicBoom, { type SonicBoom } from "sonic-boom";
import { TunicornError } from "../errors.ts";

/** Lines that may wait for a stuck target; beyond it the newest are dropped rather than memory taken. */
const WAITING_LIMIT_BYTES = 16 * 1024 * 1024;

/** A target that takes no more lines is given up after this when it is closed. */
const CLOSE_MS = 1000;

/**
 * A log target opened for appending: a path, or `-` for the standard stream `standardFd`.
 *
 * Lines are gathered while a write is under way, so that a reader who is stuck stops nobody but itself.
 * Throws ERR_LOG_FILE when the file cannot be opened.
 */
export function openLogFile(path: string, standardFd: 1 | 2): SonicBoom {
  const options = { append: true, sync: false, maxLength: WAITING_LIMIT_BYTES };
  // The writer opens a file later, where a failure could only be overheard: it is tried first.
  if (path !== "-") tryToAppend(path);
  const file = new sonicBoom.SonicBoom({
    ...options,
    ...(path === "-" ? { fd: standardFd } : { dest: path }),
  });
  // A full disk or a closed pipe must not stop the server; there is no better place to say so.
  file.on("error", () => undefined);
  return file;
}

/** Writes what is waiting, in order, and closes the file. */
export function closeLogFile(file: SonicBoom): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, CLOSE_MS);
    file.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
    try {
      file.end();
    } catch {
      // It is closed already.
      resolve();
    }
  });
}

function tryToAppend(path: string): void {
  try {
    closeSync(openSync(path, "a"));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TunicornError("ERR_LOG_FILE", `Cannot open log file "${path}": ${reason}`, {
      cause: error,
      hint: "Create its folder, or make it writable for this user",
    });
  }
}
