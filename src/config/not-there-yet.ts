import { hooksNotYet } from "./settings/hooks.ts";
import { recordsNotYet } from "./settings/not-yet.ts";

/** What is not there as a whole, by the beginning of the names. */
const parts: readonly (readonly [RegExp, string])[] = [
  [/^http_protocols$|^http2_/, "HTTP/2 is not there yet, clients get HTTP/1.1"],
  [/dirty_/, "dirty arbiters are not there yet"],
  [/^control_/, "there is no control socket yet"],
];

/**
 * The line for the log about a setting of Gunicorn that has no effect yet, or null when nothing is lost by that.
 */
export function warningNotYet(name: string, value: unknown, source: string): string | null {
  if (isWithoutMeaning(name, value)) return null;
  const reason = parts.find(([pattern]) => pattern.test(name))?.[1];
  const kind = hooksNotYet.includes(name) ? "hook" : "setting";
  return `${source}: the ${kind} ${name} has no effect yet${reason === undefined ? "" : `: ${reason}`}`;
}

/** Configuration files often name settings only to say their defaults. */
function isWithoutMeaning(name: string, value: unknown): boolean {
  return value === null || value === undefined || textOf(value) === textOf(recordsNotYet[name]?.defaultValue);
}

/** A command line says its numbers as text. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
