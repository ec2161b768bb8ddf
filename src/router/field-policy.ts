import { HttpFault, quoteForLog } from "../http/http-fault.ts";
import type { Client } from "./client.ts";
import type { RouterSettings } from "./messages.ts";
import { toScriptName } from "./script-name.ts";

/** What fields of trusted peers say about a request. */
export interface TrustedWord {
  scheme: "http" | "https" | null;
  /** The path under which the application is mounted. */
  scriptName: string;
}

export interface FieldPolicyInput {
  readonly client: Client;
  readonly settings: RouterSettings;
}

/**
 * Whether a name with an underscore reaches the application: in an environ it would collide with its hyphenated
 * twin (`header_map`, `forwarder_headers`).
 */
export function isUnderscoreNamePassedOn(
  lower: string,
  value: string,
  { client, settings }: FieldPolicyInput,
  word: TrustedWord,
): boolean {
  const { forwarderHeaders, headerMap } = settings;
  const upper = lower.toUpperCase();
  if (client.isTrusted && (forwarderHeaders.includes(upper) || forwarderHeaders.includes("*"))) {
    if (upper === "SCRIPT_NAME") word.scriptName = toScriptName(value);
    return true;
  }
  if (headerMap === "refuse") {
    throw new HttpFault("ERR_HTTP_HEADER_MAP", `The header name ${quoteForLog(upper)} holds an underscore`);
  }
  return headerMap === "dangerous";
}

/** https only if a trusted peer says so by one of the secure scheme headers. */
export function noteScheme(
  lower: string,
  value: string,
  { client, settings }: FieldPolicyInput,
  word: TrustedWord,
): void {
  const { secureSchemeHeaders } = settings;
  // A client may name a field like a property that every object has, such as "constructor".
  if (!client.isTrusted || !Object.hasOwn(secureSchemeHeaders, lower)) return;
  const secureValue = secureSchemeHeaders[lower];
  if (secureValue === undefined) return;
  const scheme = value === secureValue ? "https" : "http";
  if (word.scheme !== null && word.scheme !== scheme) {
    throw new HttpFault("ERR_SCHEME_HEADERS", "Two scheme headers contradict each other");
  }
  word.scheme = scheme;
}
