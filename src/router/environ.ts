import { HttpFault } from "../http/http-fault.ts";
import type { RequestHead } from "../http/request-head.ts";
import type { Client } from "./client.ts";
import type { RouterSettings } from "./messages.ts";

/** CGI names by lower-case field name; null for names that must not reach the environ. */
const environNames = new Map<string, string | null>();
const ENVIRON_NAMES_LIMIT = 2048;

/**
 * A field's environ name (PEP 3333, RFC 3875 section 4.1.18). A name with an underscore would collide
 * with its hyphenated twin, so it is dropped, as Gunicorn's `header_map = drop` does.
 */
function environName(lowerName: string): string | null {
  const known = environNames.get(lowerName);
  if (known !== undefined) return known;
  const name = makeEnvironName(lowerName);
  if (environNames.size < ENVIRON_NAMES_LIMIT) environNames.set(lowerName, name);
  return name;
}

function makeEnvironName(lowerName: string): string | null {
  if (lowerName.includes("_")) return null;
  if (lowerName === "content-type") return "CONTENT_TYPE";
  // The length is that of the body at hand, which the router has counted.
  if (lowerName === "content-length") return null;
  return `HTTP_${lowerName.toUpperCase().replaceAll("-", "_")}`;
}

/** What the environ needs beside the head. */
export interface EnvironInput {
  readonly head: RequestHead;
  readonly client: Client;
  readonly settings: RouterSettings;
  /** Length of the decoded body, or null when the request announced none. */
  readonly bodyBytes: number | null;
}

/**
 * Cooks the environ of a request: one text of `NAME NUL value`, joined by NUL, as frame.md draws it.
 * Everything in it is latin-1, as PEP 3333 wants. Throws a fault when two scheme headers disagree.
 */
export function cookEnviron(input: EnvironInput): string {
  const { head, client, settings, bodyBytes } = input;
  const text =
    `REQUEST_METHOD\0${head.method}\0RAW_URI\0${head.target}\0QUERY_STRING\0${head.query}` +
    `\0SERVER_PROTOCOL\0${head.version}\0REMOTE_ADDR\0${client.address}\0REMOTE_PORT\0${client.port}` +
    `\0wsgi.url_scheme\0${decideScheme(head, client, settings)}${serverText(head, client)}${pathText(head, settings)}`;
  return text + (bodyBytes === null ? "" : `\0CONTENT_LENGTH\0${bodyBytes}`) + fieldsText(head);
}

function serverText(head: RequestHead, client: Client): string {
  const { serverName, serverPort } = client.listener;
  if (serverName !== null) return `\0SERVER_NAME\0${serverName}\0SERVER_PORT\0${serverPort ?? ""}`;
  const match = /^(.*?)(?::([0-9]*))?$/.exec(head.host);
  return `\0SERVER_NAME\0${match?.[1] ?? ""}\0SERVER_PORT\0${match?.[2] || "80"}`;
}

/** The path is decoded octet by octet; what is not a valid escape stays as it is. */
function pathText(head: RequestHead, settings: RouterSettings): string {
  const path = head.path.includes("%") ? decodePercent(head.path) : head.path;
  const { scriptName } = settings;
  const isMounted = scriptName !== "" && (path === scriptName || path.startsWith(`${scriptName}/`));
  return isMounted
    ? `\0SCRIPT_NAME\0${scriptName}\0PATH_INFO\0${path.slice(scriptName.length)}`
    : `\0SCRIPT_NAME\0\0PATH_INFO\0${path}`;
}

function decodePercent(path: string): string {
  return path.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** Fields in the order of their first coming; repeated ones are joined. */
function fieldsText(head: RequestHead): string {
  const { names, values } = head;
  const used: string[] = [];
  let text = "";
  for (let index = 0; index < names.length; index += 1) {
    const lower = names[index]?.lower ?? "";
    const value = values[index] ?? "";
    const name = environName(lower);
    if (name === null || isDecoded(lower, value)) continue;
    if (used.includes(name)) return joinedFieldsText(head);
    used.push(name);
    text += `\0${name}\0${value}`;
  }
  return text;
}

/** The slow way, for heads with repeated fields. Cookies are joined by their own separator (RFC 6265). */
function joinedFieldsText(head: RequestHead): string {
  const joined = new Map<string, string>();
  for (let index = 0; index < head.names.length; index += 1) {
    const lower = head.names[index]?.lower ?? "";
    const name = environName(lower);
    const value = head.values[index] ?? "";
    if (name === null || isDecoded(lower, value)) continue;
    const before = joined.get(name);
    joined.set(
      name,
      before === undefined ? value : `${before}${name === "HTTP_COOKIE" ? "; " : ","}${value}`,
    );
  }
  let text = "";
  for (const [name, value] of joined) text += `\0${name}\0${value}`;
  return text;
}

/** The body comes decoded and with its length: that it was chunked is no longer true. */
function isDecoded(lowerName: string, value: string): boolean {
  return lowerName === "transfer-encoding" && value.toLowerCase() === "chunked";
}

/** https only if a trusted peer says so by one of the secure scheme headers. */
function decideScheme(head: RequestHead, client: Client, settings: RouterSettings): "http" | "https" {
  if (!client.isTrusted) return "http";
  let scheme: "http" | "https" | null = null;
  for (let index = 0; index < head.names.length; index += 1) {
    const name = head.names[index]?.lower ?? "";
    const secureValue = settings.secureSchemeHeaders[name];
    if (secureValue === undefined) continue;
    const said = head.values[index] === secureValue ? "https" : "http";
    if (scheme !== null && scheme !== said) {
      throw new HttpFault("ERR_SCHEME_HEADERS", "Two scheme headers contradict each other");
    }
    scheme = said;
  }
  return scheme ?? "http";
}
