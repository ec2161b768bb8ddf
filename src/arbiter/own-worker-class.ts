import type { Layer } from "../config/layers.ts";
import type { Settings } from "../config/settings/all.ts";
import { readUvicornOptions } from "../config/uvicorn-options.ts";
import { findWorkerClass } from "../config/worker-class.ts";
import { TunicornError } from "../errors.ts";
import { USER_CODE_MS, type MoldHandle } from "./mold-handle.ts";

export interface OwnWorkerClass {
  /** The known class from which it derives, in the place of its own name; and what it says of other settings. */
  readonly layer: Layer;
  /** What of it has no effect. */
  readonly warnings: readonly string[];
}

/**
 * What a worker class of the user's own is: the mold imports it, since how requests are given to workers has to be known
 * before any is forked. Gunicorn's master imports it as well; here it is the mold, which is new with every reload.
 */
export async function findOwnWorkerClass(
  mold: MoldHandle,
  { worker_class: name, chdir, pythonpath }: Settings,
): Promise<OwnWorkerClass> {
  const answer = await mold.ask({ type: "find-worker-class", name, chdir, pythonpath }, USER_CODE_MS);
  if (answer.type === "worker-class-failed") throw new TunicornError("ERR_WORKER_CLASS", answer.message);
  if (answer.type !== "worker-class") {
    throw new TunicornError("ERR_PROTOCOL", `The mold answered ${answer.type}`);
  }
  const { base, kwargs, warnings } = answer;
  const isUvicorns = findWorkerClass(base).takesForwardedClient === true;
  const options = readUvicornOptions(isUvicorns ? kwargs : {}, `CONFIG_KWARGS of ${name}`);
  const values = new Map([...options.layer.values, ["worker_class", base] as const]);
  return { layer: { ...options.layer, values }, warnings: [...warnings, ...options.warnings] };
}
