import { chmodSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { reasonOf, TunicornError } from "../errors.ts";
import { isRunning } from "./pids.ts";

/** The pidfile: written whole by a rename, and removed only while it holds our own pid. */
export class Pidfile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get isThere(): boolean {
    return existsSync(this.path);
  }

  /** Writes our pid. Throws ERR_PIDFILE while the process that the file names lives. */
  write(): void {
    requirePlain(this.path);
    const pid = readPid(this.path);
    if (pid !== null && pid !== process.pid && isRunning(pid)) {
      throw new TunicornError(
        "ERR_PIDFILE",
        `The pidfile "${this.path}" names process ${pid}, which is running`,
        {
          hint: "Stop that server first, or choose another file with --pid",
        },
      );
    }
    const temporary = `${this.path}.${process.pid}`;
    try {
      rmSync(temporary, { force: true });
      writeFileSync(temporary, `${process.pid}\n`, { flag: "wx" });
      // Whatever our umask is.
      chmodSync(temporary, 0o644);
      renameSync(temporary, this.path);
    } catch (error) {
      removeQuietly(temporary);
      throw new TunicornError("ERR_PIDFILE", `Cannot write the pidfile "${this.path}": ${reasonOf(error)}`, {
        cause: error,
        hint: "Its folder must be there, and be writable for the user that starts the server",
      });
    }
  }

  remove(): void {
    if (readPid(this.path) === process.pid) rmSync(this.path, { force: true });
  }
}

/** A device such as /dev/null would be replaced by the rename, and a FIFO never be read. */
function requirePlain(path: string): void {
  if (!isSpecial(path)) return;
  throw new TunicornError("ERR_PIDFILE", `The pidfile "${path}" is no plain file`, {
    hint: "Choose another path with --pid, or leave it out: then there is no pidfile",
  });
}

function isSpecial(path: string): boolean {
  try {
    const found = statSync(path);
    return !found.isFile() && !found.isDirectory();
  } catch {
    return false;
  }
}

function readPid(path: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
    return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}

/** The error that is reported is the one before. */
function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Where its folder is no folder, there is nothing to remove.
  }
}
