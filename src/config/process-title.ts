import { applicationName } from "./application-name.ts";
import type { Settings } from "./settings/all.ts";
import { DEFAULT_PROC_NAME } from "./settings/process-naming.ts";

/** `master` is the arbiter: the word that Gunicorn's users look for in ps. */
export type ProcessRole = "master" | "router" | "mold" | "worker";

/**
 * How a process shows itself in ps; Python processes do the same (python/tunicorn/mold.py). `isSecond`: it is to take
 * the place of another arbiter, which is still there.
 */
export function processTitle(role: ProcessRole, settings: Settings, isSecond = false): string {
  return `tunicorn: ${role} [${processName(settings)}${isSecond ? ".2" : ""}]`;
}

/** The name of the server: the one chosen, else that of the application. */
function processName(settings: Settings): string {
  const { proc_name: chosen, default_proc_name: fallback } = settings;
  return chosen ?? (fallback === DEFAULT_PROC_NAME ? applicationName(settings) || fallback : fallback);
}
