import { chownSync } from "node:fs";
import { TunicornError } from "../errors.ts";

/** User and group by their numbers; null: as the arbiter. */
export interface Identity {
  readonly uid: number | null;
  readonly gid: number | null;
}

export const OWN_IDENTITY: Identity = { uid: null, gid: null };

/**
 * What has to change for child processes to run as the user and group named; null where they do already.
 * Throws ERR_SETTING_VALUE when this process may not change it.
 */
export function requireIdentity(named: Identity): Identity {
  const own = { uid: process.geteuid?.() ?? null, gid: process.getegid?.() ?? null };
  const identity = {
    uid: named.uid === own.uid ? null : named.uid,
    gid: named.gid === own.gid ? null : named.gid,
  };
  if (own.uid !== 0 && !isOwn(identity)) {
    const wanted = identity.uid === null ? `group ${identity.gid}` : `user ${identity.uid}`;
    throw new TunicornError(
      "ERR_SETTING_VALUE",
      `Workers cannot run as ${wanted}: tunicorn runs as user ${own.uid}, and only root may choose`,
      { hint: "Start it as root, or take user and group away" },
    );
  }
  return identity;
}

export function isOwn(identity: Identity): boolean {
  return identity.uid === null && identity.gid === null;
}

/** Gives a file of ours to an identity. */
export function giveFile(path: string, { uid, gid }: Identity): void {
  // -1 leaves what is there.
  if (uid !== null || gid !== null) chownSync(path, uid ?? -1, gid ?? -1);
}
