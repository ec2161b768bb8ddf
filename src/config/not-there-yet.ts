import { TunicornError } from "../errors.ts";
import { hooksNotYet } from "./settings/hooks.ts";
import { recordsNotYet } from "./settings/not-yet.ts";

/** Who says these wants TLS. */
const tlsNames: ReadonlySet<string> = new Set(["certfile", "keyfile", "ca_certs"]);

/** What is not there as a whole, by the beginning of the names. */
const parts: readonly (readonly [RegExp, string])[] = [
  [
    /^(cert_reqs|ciphers|ssl_version|ssl_context|suppress_ragged_eofs|do_handshake_on_connect)$/,
    "TLS is not there yet",
  ],
  [/^http_protocols$|^http2_/, "HTTP/2 is not there yet, clients get HTTP/1.1"],
  [/dirty_/, "dirty arbiters are not there yet"],
  [/^control_/, "there is no control socket yet"],
];

/**
 * The line for the log about a setting of Gunicorn that has no effect yet, or null when nothing is lost by that.
 * Throws ERR_NOT_YET where serving without it would be wrong.
 */
export function warningNotYet(name: string, value: unknown, source: string): string | null {
  if (isWithoutMeaning(name, value)) return null;
  if (tlsNames.has(name)) {
    throw tlsNotYet(source, name, "setting");
  }
  const reason = parts.find(([pattern]) => pattern.test(name))?.[1];
  const kind = hooksNotYet.includes(name) ? "hook" : "setting";
  return `${source}: the ${kind} ${name} has no effect yet${reason === undefined ? "" : `: ${reason}`}`;
}

/** A server that spoke plain HTTP in the place of TLS would give away what that was to protect. */
export function tlsNotYet(source: string, name: string, kind: "setting" | "option"): TunicornError {
  return new TunicornError("ERR_NOT_YET", `${source}: ${name} asks for TLS, which is not there yet`, {
    hint: `Let a proxy in front do TLS, and take the ${kind} away`,
  });
}

/** Configuration files often name settings only to say their defaults. */
function isWithoutMeaning(name: string, value: unknown): boolean {
  return value === null || value === undefined || textOf(value) === textOf(recordsNotYet[name]?.defaultValue);
}

/** A command line says its numbers as text. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
