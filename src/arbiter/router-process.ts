import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { routerFlags } from "../system/v8-flags.ts";
import { OWN_IDENTITY, type Identity } from "./identity.ts";

/** In one file where there is a build (scripts/bundle.js). */
const FILE = import.meta.url.endsWith(".ts") ? "../router/main.ts" : "../bundle/router.cjs";

export const ROUTER_PROGRAM: string = fileURLToPath(new URL(FILE, import.meta.url));

/** glibc gives each helper thread of Node memory of its own, megabytes that it never gives back. */
const LEAN = { MALLOC_ARENA_MAX: "1" };

/** Starts the process of a router, which does nothing before it is told "start". */
export function spawnRouter({ uid, gid }: Identity): ChildProcess {
  // A router makes no TLS connections, and reading these certificates takes Node longer than the rest of its start.
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const router = fork(ROUTER_PROGRAM, [], {
    env: { ...LEAN, ...env },
    execArgv: [...routerFlags(env["NODE_OPTIONS"]), ...process.execArgv],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    ...(uid === null ? {} : { uid }),
    ...(gid === null ? {} : { gid }),
  });
  // Sending to a router that has just died fails; its exit is what counts.
  router.on("error", () => undefined);
  return router;
}

/** The process of the first router, which boots while the mold does: before the settings say whose rights it has. */
export class EarlyRouter {
  #process: ChildProcess | null = spawnRouter(OWN_IDENTITY);

  /** The process, for a router with these rights. Null, and there is none any more, if it cannot be that one. */
  take({ uid, gid }: Identity): ChildProcess | null {
    const early = this.#process;
    if (early === null) return null;
    const isIt = uid === null && gid === null && early.connected;
    if (!isIt) this.discard();
    this.#process = null;
    return isIt ? early : null;
  }

  /** Ends the process if nobody has taken it. */
  discard(): void {
    this.#process?.kill("SIGKILL");
    this.#process = null;
  }
}
