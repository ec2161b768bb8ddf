import { existsSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { reasonOf, systemCodeOf } from "../errors.ts";
import type { ErrorLog } from "../log/error-log.ts";
import { listening } from "./client-servers.ts";

/** How often we look whether the socket's file is still there. */
const LOOK_MS = 2000;

/**
 * Where workers dial. The folder is temporary, and some clean up such folders while they are in use: jobs that empty
 * /tmp, and logind, which removes what a user has in /dev/shm when he logs out. The workers that are connected stay
 * so, but no other could come, and no large body could be stored. So the folder is made anew.
 */
export class WorkerServer {
  readonly #path: string;
  readonly #onWorker: (socket: Socket) => void;
  readonly #errorLog: Pick<ErrorLog, "warning">;
  #server: Server | null = null;
  #timer: NodeJS.Timeout | null = null;
  #hasComplained = false;

  constructor(path: string, onWorker: (socket: Socket) => void, errorLog: Pick<ErrorLog, "warning">) {
    this.#path = path;
    this.#onWorker = onWorker;
    this.#errorLog = errorLog;
  }

  async listen(): Promise<void> {
    await this.#open();
    this.#timer = setInterval(() => {
      if (!existsSync(this.#path)) void this.#openAnew();
    }, LOOK_MS);
    this.#timer.unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#server?.close();
  }

  async #open(): Promise<void> {
    this.#server = createServer(this.#onWorker);
    // A router that was killed has left its socket behind.
    rmSync(this.#path, { force: true });
    await listening(this.#server, () => this.#server?.listen(this.#path));
  }

  async #openAnew(): Promise<void> {
    const folder = dirname(this.#path);
    this.#server?.close();
    try {
      makePrivate(folder);
      await this.#open();
      this.#errorLog.warning(`Somebody has removed ${folder}, which the workers need: it is made anew`);
    } catch (error) {
      if (this.#hasComplained) return;
      this.#hasComplained = true;
      this.#errorLog.warning(
        `Somebody has removed ${folder}, and it cannot be made anew: ${reasonOf(error)}; new workers wait for it`,
      );
    }
  }
}

/** Others may make things in the same parent: a folder that is there already must be ours alone. */
function makePrivate(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (systemCodeOf(error) !== "EEXIST") throw error;
    const stats = lstatSync(folder);
    const isOurs = stats.isDirectory() && stats.uid === process.geteuid?.() && (stats.mode & 0o077) === 0;
    if (!isOurs) throw new Error("what is there now is somebody else's", { cause: error });
  }
}
