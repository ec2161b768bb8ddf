import type { Settings } from "../config/settings/all.ts";

/** Who may connect to the unix sockets that we make: the mode of their files, and whose they are. */
export interface SocketAccess {
  readonly mode: number;
  /** Null: as the arbiter itself is. */
  readonly uid: number | null;
  readonly gid: number | null;
}

/** Gunicorn's default umask of 0: whoever may enter the folder may connect. */
export function socketAccess(_settings: Settings): SocketAccess {
  return { mode: 0o777, uid: null, gid: null };
}
