import { HttpFault, quoteForLog } from "../http/http-fault.ts";
import type { RequestHead } from "../http/request-head.ts";

/** SCRIPT_NAME, the path under which an application is mounted, as it is told: without slashes at its end. */
export function toScriptName(written: string): string {
  return written.replace(/\/+$/, "");
}

/** What a front server that speaks uwsgi says; undefined: nothing. */
export function frontScriptName({ variables }: RequestHead): string | undefined {
  const written = variables?.get("SCRIPT_NAME");
  return written === undefined ? undefined : toScriptName(written);
}

/** Whether a path is that of the application, or below it. */
export function liesUnder(scriptName: string, path: string): boolean {
  return path === scriptName || path.startsWith(`${scriptName}/`);
}

/** For a path that is not, where nothing else says what it means. */
export function outsideScriptName(scriptName: string, path: string): HttpFault {
  const message = `The path ${quoteForLog(path)} does not lie under SCRIPT_NAME ${quoteForLog(scriptName)}`;
  return new HttpFault("ERR_SCRIPT_NAME", message);
}
