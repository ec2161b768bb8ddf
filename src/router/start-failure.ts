import { dirname } from "node:path";
import { describeError, ownUserName, systemCodeOf, TunicornError } from "../errors.ts";
import type { RouterStart } from "./messages.ts";

/** Why a router cannot start, for the operator. Its user may not be let into the folders of the private directories. */
export function describeStartFailure(error: unknown, { channelPath, ringPath }: RouterStart): string {
  if (error instanceof TunicornError) return describeError(error);
  if (!(error instanceof Error)) return String(error);
  const path = "path" in error ? error.path : null;
  const setting = path === channelPath ? "worker_tmp_dir" : path === ringPath ? "queue_dir" : null;
  if (typeof path !== "string" || setting === null || systemCodeOf(error) !== "EACCES") return error.message;
  const folder = dirname(dirname(path));
  const hint = `Give him the right (chmod o+x, also to the folders above it), or name another folder with ${setting}`;
  return `The user ${ownUserName()} may not enter ${folder}, where it works: ${error.message}\n  ${hint}`;
}
