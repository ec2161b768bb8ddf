import { listMembers } from "../http/blanks.ts";
import type { RequestHead } from "../http/request-head.ts";
import type { Client } from "./client.ts";
import { isUnderscoreNamePassedOn, noteScheme, type TrustedWord } from "./field-policy.ts";
import type { RouterSettings } from "./messages.ts";
import { frontScriptName, liesUnder, outsideScriptName } from "./script-name.ts";

/** Environ names by lower-case field name, so that they are made once and not for each request. */
const environNames = new Map<string, string>();
const ENVIRON_NAMES_LIMIT = 2048;

/** A field's environ name (PEP 3333, RFC 3875 section 4.1.18). */
function environName(lowerName: string): string {
  const known = environNames.get(lowerName);
  if (known !== undefined) return known;
  const upper = lowerName.toUpperCase().replaceAll("-", "_");
  const name = lowerName === "content-type" ? upper : `HTTP_${upper}`;
  if (environNames.size < ENVIRON_NAMES_LIMIT) environNames.set(lowerName, name);
  return name;
}

/** What the environ needs beside the head. */
export interface EnvironInput {
  readonly head: RequestHead;
  readonly client: Client;
  readonly settings: RouterSettings;
  /** Length of the decoded body, or null when the request announced none. */
  readonly bodyBytes: number | null;
  /** Number of the tunnel that the request may become; null for nearly all of them. */
  readonly tunnel?: number | null;
}

/**
 * Cooks the environ of a request: one text of `NAME NUL value`, joined by NUL, as frame.md draws it.
 * Everything in it is latin-1, as PEP 3333 wants. Throws a fault when two scheme headers disagree, when
 * a header name is refused, or when the path does not lie under SCRIPT_NAME.
 */
export function cookEnviron(input: EnvironInput): string {
  const { head, client, bodyBytes, tunnel = null } = input;
  const fields = readFields(input);
  const text =
    `REQUEST_METHOD\0${head.method}\0RAW_URI\0${head.target}\0QUERY_STRING\0${head.query}` +
    `\0SERVER_PROTOCOL\0${head.protocol}\0REMOTE_ADDR\0${client.address}\0REMOTE_PORT\0${client.port}` +
    `\0wsgi.url_scheme\0${fields.scheme ?? client.scheme}${serverText(head, client, fields.scheme ?? client.scheme)}${pathText(head, fields.scriptName)}`;
  const lengthText = bodyBytes === null ? "" : `\0CONTENT_LENGTH\0${bodyBytes}`;
  const tunnelText = tunnel === null ? "" : `\0tunicorn.tunnel\0${tunnel}`;
  return text + lengthText + tunnelText + client.extraEnviron + fields.text;
}

function serverText(head: RequestHead, client: Client, scheme: "http" | "https"): string {
  const { serverName, serverPort } = client.listener;
  if (serverName !== null) return `\0SERVER_NAME\0${serverName}\0SERVER_PORT\0${serverPort ?? ""}`;
  const match = /^(.*?)(?::([0-9]*))?$/.exec(head.host);
  return `\0SERVER_NAME\0${match?.[1] ?? ""}\0SERVER_PORT\0${match?.[2] || (scheme === "https" ? "443" : "80")}`;
}

/** The path is decoded octet by octet; what is not a valid escape stays as it is. */
function pathText(head: RequestHead, scriptName: string): string {
  const path = head.path.includes("%") ? decodePercent(head.path) : head.path;
  if (scriptName === "") return `\0SCRIPT_NAME\0\0PATH_INFO\0${path}`;
  const isUnder = liesUnder(scriptName, path);
  // A front server that speaks CGI's variables may have taken SCRIPT_NAME off the path already.
  if (!isUnder && head.variables !== null) return `\0SCRIPT_NAME\0${scriptName}\0PATH_INFO\0${path}`;
  if (!isUnder) throw outsideScriptName(scriptName, path);
  return `\0SCRIPT_NAME\0${scriptName}\0PATH_INFO\0${path.slice(scriptName.length)}`;
}

function decodePercent(path: string): string {
  return path.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** What the fields come to: their environ text, and what trusted ones say about the request. */
interface FieldsText extends TrustedWord {
  text: string;
}

/** Up to this number of names a list is searched: for few of them that is quicker than a map. */
const LISTED_NAMES_LIMIT = 100;

/** Fields in the order of their first coming; repeated ones are joined. */
function readFields(input: EnvironInput): FieldsText {
  const { names, values } = input.head;
  const scriptName = frontScriptName(input.head) ?? input.settings.scriptName;
  const fields: FieldsText = { text: "", scheme: null, scriptName };
  const used: string[] = [];
  let joined: Map<string, string> | null = null;
  for (let index = 0; index < names.length; index += 1) {
    const lower = names[index]?.lower ?? "";
    const value = valueFor(lower, values[index] ?? "", input.head);
    if (!isPassedOn(lower, value, input, fields)) continue;
    const name = environName(lower);
    if (joined === null && (used.length === LISTED_NAMES_LIMIT || used.includes(name))) {
      joined = toMap(fields.text);
    }
    if (joined === null) {
      used.push(name);
      fields.text += `\0${name}\0${value}`;
    } else {
      joined.set(name, joinValues(name, joined.get(name), value));
    }
  }
  if (joined !== null) fields.text = toText(joined);
  return fields;
}

/** A field's value as the application is told it. */
function valueFor(lower: string, value: string, head: RequestHead): string {
  // An absolute target names the host, whatever the field says (RFC 9112 section 3.2.2).
  if (lower === "host") return head.host;
  // That the body was chunked is no longer true.
  if (lower === "transfer-encoding") return withoutChunked(value);
  return value;
}

function withoutChunked(codings: string): string {
  return listMembers(codings)
    .filter((coding) => coding.toLowerCase() !== "chunked")
    .join(", ");
}

/** Whether a field reaches the environ; what it says to the router itself is noted in `fields`. */
function isPassedOn(lower: string, value: string, input: EnvironInput, fields: FieldsText): boolean {
  if (lower.includes("_")) return isUnderscoreNamePassedOn(lower, value, input, fields);
  // The length is told of the body at hand.
  if (lower === "content-length") return false;
  if (lower === "transfer-encoding") return value !== "";
  noteScheme(lower, value, input, fields);
  return true;
}

/** Repeated fields make a list, cookies by their own separator (RFC 9110 section 5.3, RFC 6265). */
function joinValues(name: string, before: string | undefined, value: string): string {
  if (before === undefined) return value;
  return `${before}${name === "HTTP_COOKIE" ? "; " : ","}${value}`;
}

function toMap(text: string): Map<string, string> {
  const parts = text.split("\0");
  const map = new Map<string, string>();
  for (let index = 1; index + 1 < parts.length; index += 2)
    map.set(parts[index] ?? "", parts[index + 1] ?? "");
  return map;
}

function toText(map: ReadonlyMap<string, string>): string {
  let text = "";
  for (const [name, value] of map) text += `\0${name}\0${value}`;
  return text;
}
