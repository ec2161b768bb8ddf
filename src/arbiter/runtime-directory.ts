import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { reasonOf, TunicornError } from "../errors.ts";
import { UNIX_PATH_LIMIT_BYTES } from "../system/server-handle.ts";
import { markOwner, removeLeftBehind } from "./left-behind.ts";

/** What comes behind the folder. */
const NAMES_BYTES = "/tunicorn-XXXXXX/router-000.sock".length;
const PATH_LIMIT_BYTES = UNIX_PATH_LIMIT_BYTES - NAMES_BYTES;

/**
 * Where else it may be, unless a folder is named: TMPDIR may be of another session, and all but the last may be on a
 * root file system that is read-only. Python's tempfile, and so Gunicorn, goes on to the first two as well.
 */
const OTHER_FOLDERS = ["/tmp", "/var/tmp", "/dev/shm"];

/** The private directory (mode 0700) of a running server: channel sockets, large request bodies. */
export class RuntimeDirectory {
  readonly path: string;
  /** Why it is not in the system's folder for temporary files; null: it is, or is where it was to be. */
  readonly trouble: string | null;

  /**
   * Makes it in `parent`, or in the system's folder for temporary files; `isForOthers`: in one that everybody may
   * enter, since another user than ours works there. Throws ERR_RUNTIME_DIRECTORY.
   */
  constructor(parent: string | null, { isForOthers = false } = {}) {
    let trouble: unknown = null;
    let path: string | null = null;
    for (const folder of parent === null ? [tmpdir(), ...OTHER_FOLDERS] : [parent]) {
      try {
        if (isForOthers && parent === null) requireOpen(folder);
        path ??= makeIn(folder);
      } catch (error) {
        trouble ??= error;
      }
    }
    if (path === null) throw trouble;
    this.path = path;
    this.trouble = trouble === null ? null : `${reasonOf(trouble)}; ${path} takes its place`;
    markOwner(path);
  }

  /** Where the workers dial the router with this number. */
  channelPath(router: number): string {
    return join(this.path, `router-${router}.sock`);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** The folder for temporary files that root has in his session (pam_tmpdir) is nobody else's. */
function requireOpen(folder: string): void {
  const closed = [...withParents(resolve(folder))].find((each) => (statSync(each).mode & 0o001) === 0);
  if (closed !== undefined)
    throw new Error(
      `"${folder}" is not for the user and group of router and workers, who may not enter ${closed}`,
    );
}

function* withParents(folder: string): Generator<string> {
  const parent = dirname(folder);
  if (parent !== folder) yield* withParents(parent);
  yield folder;
}

function makeIn(folder: string): string {
  if (Buffer.byteLength(folder) > PATH_LIMIT_BYTES) {
    throw new TunicornError(
      "ERR_RUNTIME_DIRECTORY",
      `The path "${folder}" is too long to hold a unix socket`,
      {
        hint: "Name a folder with a shorter path: --worker-tmp-dir /dev/shm",
      },
    );
  }
  removeLeftBehind(folder);
  try {
    return mkdtempSync(join(folder, "tunicorn-"));
  } catch (error) {
    throw new TunicornError(
      "ERR_RUNTIME_DIRECTORY",
      `Cannot make a directory in "${folder}": ${reasonOf(error)}`,
      {
        cause: error,
        hint: "Name a folder that this user may write to: --worker-tmp-dir FOLDER",
      },
    );
  }
}
