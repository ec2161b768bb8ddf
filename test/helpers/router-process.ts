import { readdirSync, readFileSync } from "node:fs";

import { ClientConnection } from "./client.ts";
import type { Server } from "./server.ts";

/** The router of a server, seen from outside: what it holds open and in memory. */
export class RouterProcess {
  readonly pid: number;
  readonly #port: number;

  constructor(server: Server) {
    const router = server.processTree().find(({ command }) => /\brouter\b/.test(command));
    if (router === undefined) {
      throw new Error(`No router among ${JSON.stringify(server.processTree())}`);
    }
    this.pid = router.pid;
    this.#port = server.port;
  }

  /** Open descriptors: connections of clients and workers, files, and what Node itself needs. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** What is open when no client is there: told while there is one alone, which was served. */
  async countWithoutClients(): Promise<number> {
    const connection = await ClientConnection.connect(this.#port);
    try {
      await connection.request("/");
      return this.descriptors - 1;
    } finally {
      connection.destroy();
    }
  }

  /** Memory that it has at the moment, and the most that it ever had. */
  get memoryBytes(): { readonly now: number; readonly peak: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    const bytesOf = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
    return { now: bytesOf("VmRSS"), peak: bytesOf("VmHWM") };
  }
}
