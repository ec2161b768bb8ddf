import type { Settings } from "../config/settings/all.ts";
import type { Identity } from "./identity.ts";

/** Who may connect to the unix sockets that we make: the mode of their files, and whose they are. */
export interface SocketAccess extends Identity {
  readonly mode: number;
}

/** Whoever may enter the folder, with Gunicorn's default umask of 0. */
const EVERYBODY = 0o777;

export function socketAccess({ umask }: Settings, identity: Identity): SocketAccess {
  return { mode: EVERYBODY & ~umask, ...identity };
}
