import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TunicornError } from "../errors.ts";
import { UNIX_PATH_LIMIT_BYTES } from "../system/server-handle.ts";
import { markOwner, removeLeftBehind } from "./left-behind.ts";

/** What comes behind the folder. */
const NAMES_BYTES = "/tunicorn-XXXXXX/router-000.sock".length;
const PATH_LIMIT_BYTES = UNIX_PATH_LIMIT_BYTES - NAMES_BYTES;

/** The private directory (mode 0700) of a running server: channel sockets, large request bodies. */
export class RuntimeDirectory {
  readonly path: string;

  /** Makes it in `parent`, or in the system's folder for temporary files. Throws ERR_RUNTIME_DIRECTORY. */
  constructor(parent: string | null) {
    const folder = parent ?? tmpdir();
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
      this.path = mkdtempSync(join(folder, "tunicorn-"));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new TunicornError("ERR_RUNTIME_DIRECTORY", `Cannot make a directory in "${folder}": ${reason}`, {
        cause: error,
        hint: "Name a folder that this user may write to: --worker-tmp-dir FOLDER",
      });
    }
    markOwner(this.path);
  }

  /** Where the workers dial the router with this number. */
  channelPath(router: number): string {
    return join(this.path, `router-${router}.sock`);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
