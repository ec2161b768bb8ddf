import { trimBlanks } from "./blanks.ts";
import { FIELD_VALUE, TARGET, TOKEN } from "./characters.ts";
import { fieldNameOf, type FieldName } from "./field-name.ts";
import { makeHead } from "./head-rules.ts";
import { HttpFault, quoteForLog } from "./http-fault.ts";
import type { HttpLimits } from "./limits.ts";
import type { HttpPolicy } from "./policy.ts";
import type { RequestHead } from "./request-head.ts";
import { parseTarget } from "./request-target.ts";

/** The pairs of a packet: those that were header fields, which may be repeated, and the others. */
export interface Packet {
  readonly variables: ReadonlyMap<string, string>;
  readonly fields: readonly (readonly [name: FieldName, value: string])[];
}

/** Takes a block of pairs apart (`struct uwsgi_var`). */
export function readPacket(block: Buffer): Packet {
  const variables = new Map<string, string>();
  const fields: (readonly [FieldName, string])[] = [];
  let position = 0;
  while (position < block.length) {
    const name = readText(block, position);
    position += 2 + name.length;
    const value = readText(block, position);
    position += 2 + value.length;
    if (name === "" || !holdsOnly(name, TOKEN))
      throw uwsgiFault(`Invalid variable name ${quoteForLog(name)}`);
    if (value.includes("\0")) throw uwsgiFault(`${quoteForLog(name)} holds a NUL`);
    if (name.startsWith("HTTP_")) {
      // nginx before 1.23 sends a repeated field as a repeated variable.
      fields.push([fieldNameOf(name.slice(5).replaceAll("_", "-").toLowerCase()), trimBlanks(value)]);
      continue;
    }
    if (variables.has(name)) throw uwsgiFault(`${quoteForLog(name)} is given twice`);
    variables.set(name, value);
  }
  return { variables, fields };
}

function readText(block: Buffer, position: number): string {
  const start = position + 2;
  if (start > block.length) throw uwsgiFault("the last pair is cut off");
  const end = start + block.readUInt16LE(position);
  if (end > block.length) throw uwsgiFault(`a length reaches ${end - block.length} bytes beyond the packet`);
  return block.toString("latin1", start, end);
}

/** Makes the head as if the request had come by HTTP: its line from variables, its fields back under their names. */
export function toHead(packet: Packet, limits: HttpLimits, policy: HttpPolicy): RequestHead {
  const { variables } = packet;
  checkLength(variables.get("CONTENT_LENGTH") ?? "");
  const { names, values } = toFields(packet, limits);
  const method = required(variables, "REQUEST_METHOD");
  const protocol = required(variables, "SERVER_PROTOCOL");
  if (!holdsOnly(method, TOKEN)) {
    throw new HttpFault("ERR_HTTP_METHOD", `Invalid method ${quoteForLog(method)}, want a token`);
  }
  const { sent, served } = readTargets(variables);
  const { requestLineBytes } = limits;
  if (requestLineBytes > 0 && method.length + sent.length + protocol.length + 2 > requestLineBytes) {
    throw new HttpFault(
      "ERR_HTTP_LINE_TOO_LONG",
      `The request line is longer than ${requestLineBytes} bytes`,
    );
  }
  // The front server may speak HTTP/2 or 3 with the client; what it says here is said as in HTTP/1.1.
  const version = /^HTTP\/[23](?:\.0)?$/.test(protocol) ? "HTTP/1.1" : protocol;
  const head = makeHead({ method, target: sent, version, names, values }, policy);
  const { path, query } = served === sent ? head : parseTarget(head.method, served);
  const isRootOfScript = variables.get("PATH_INFO") === "";
  return {
    ...head,
    path: isRootOfScript ? "" : path,
    query,
    // nginx passes chunk sizes and interim answers on as if they were content, so the answer is as in HTTP/1.0.
    version: "HTTP/1.0",
    protocol,
    keepAlive: false,
    expectsContinue: false,
    variables,
  };
}

/**
 * The target that the client sent (REQUEST_URI), and the one that is served: PATH_INFO and QUERY_STRING, which the
 * front server may have rewritten (RFC 3875 sections 4.1.5 and 4.1.7). PATH_INFO comes decoded, and is encoded anew.
 */
function readTargets(variables: Packet["variables"]): { readonly sent: string; readonly served: string } {
  const sent = variables.get("REQUEST_URI") ?? "";
  const path = variables.get("PATH_INFO");
  const query = variables.get("QUERY_STRING") ?? sent.split("?").slice(1).join("?");
  if (path === undefined && sent === "") throw uwsgiFault("REQUEST_URI and PATH_INFO are both missing");
  if (path !== undefined && !/^(?:\/|\*?$)/.test(path)) {
    throw new HttpFault("ERR_HTTP_TARGET", `Invalid PATH_INFO ${quoteForLog(path)}, want a path`);
  }
  const encoded = path?.replace(/[^\x21-\x7e]|[%?#]/g, encodeOctet);
  const served = encoded === undefined ? sent : `${encoded || "/"}${query === "" ? "" : `?${query}`}`;
  for (const target of [sent, served]) {
    if (!holdsOnly(target, TARGET)) {
      throw new HttpFault("ERR_HTTP_TARGET", `Invalid target ${quoteForLog(target)}, want visible ASCII`);
    }
  }
  return { sent: sent === "" ? served : sent, served };
}

function checkLength(text: string): void {
  if (text === "" || (/^[0-9]+$/.test(text) && Number.isSafeInteger(Number(text)))) return;
  throw uwsgiFault(`CONTENT_LENGTH is ${quoteForLog(text)}, want digits`);
}

function encodeOctet(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

/**
 * CGI variables of which nginx sends the header field as well (RFC 3875 sections 4.1.2 and 4.1.3). The variable counts:
 * an empty one says that there is no body, and a body that came chunked is sent decoded, with its length.
 */
const CGI_NAMES: ReadonlyMap<string, string> = new Map([
  ["content-type", "CONTENT_TYPE"],
  ["content-length", "CONTENT_LENGTH"],
  ["transfer-encoding", "CONTENT_LENGTH"],
]);

function toFields({ variables, fields }: Packet, limits: HttpLimits): Pick<RequestHead, "names" | "values"> {
  const kept = fields.filter(([name, value]) => isKept(name.lower, value, variables));
  for (const name of ["content-type", "content-length"]) {
    const value = trimBlanks(variables.get(CGI_NAMES.get(name) ?? "") ?? "");
    if (value !== "") kept.push([fieldNameOf(name), value]);
  }
  const { fieldCount, fieldBytes } = limits;
  if (fieldCount > 0 && kept.length > fieldCount) {
    throw new HttpFault("ERR_HTTP_TOO_MANY_FIELDS", `More than ${fieldCount} header fields`);
  }
  for (const [{ lower }, value] of kept) {
    if (fieldBytes > 0 && lower.length + 2 + value.length > fieldBytes) {
      throw new HttpFault("ERR_HTTP_FIELD_TOO_LARGE", `A header field is longer than ${fieldBytes} bytes`);
    }
    if (lower === "" || !holdsOnly(value, FIELD_VALUE)) {
      throw new HttpFault(
        "ERR_HTTP_FIELD",
        `The header field ${quoteForLog(lower)} has no name, or holds a control octet`,
      );
    }
  }
  return { names: kept.map(([name]) => name), values: kept.map(([, value]) => value) };
}

/** Whether a field is one in its own right; a contradiction to its CGI variable is refused. */
function isKept(name: string, value: string, variables: Packet["variables"]): boolean {
  // nginx sends an empty HTTP_HOST for an HTTP/1.0 client that named no host.
  if (name === "host") return value !== "";
  const cgiName = CGI_NAMES.get(name);
  if (cgiName === undefined) return true;
  const cgiValue = variables.get(cgiName);
  if (cgiValue === undefined) throw uwsgiFault(`${cgiName} is missing, though the client sent ${name}`);
  const isTransferEncoding = name === "transfer-encoding";
  const said = isTransferEncoding ? value.toLowerCase() : value;
  const wanted = isTransferEncoding ? "chunked" : trimBlanks(cgiValue);
  if (wanted !== "" && said !== wanted) {
    throw uwsgiFault(
      `the client's ${name} is ${quoteForLog(value)}, want ${quoteForLog(wanted)} beside ${cgiName}`,
    );
  }
  return false;
}

function required(variables: Packet["variables"], name: string): string {
  const value = variables.get(name) ?? "";
  if (value === "") throw uwsgiFault(`${name} is missing`);
  return value;
}

function holdsOnly(text: string, allowed: Uint8Array): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (allowed[text.charCodeAt(index)] !== 1) return false;
  }
  return true;
}

export function unknownModifier(modifier: number): HttpFault {
  const hint = TOKEN[modifier] === 1 ? "; is this plain HTTP?" : "";
  return uwsgiFault(`modifier1 is ${modifier}, want 0, a WSGI request${hint}`);
}

export function uwsgiFault(reason: string): HttpFault {
  return new HttpFault("ERR_UWSGI_PACKET", `Invalid uwsgi packet: ${reason}`);
}
