import { isIPv6 } from "node:net";
import { HttpFault, quoteForLog } from "./http-fault.ts";

/** What a request target says, by its form (RFC 9112 section 3.2). */
export interface RequestTarget {
  readonly path: string;
  readonly query: string;
  /** Authority of the absolute form; undefined for the other forms. */
  readonly authority: string | undefined;
}

const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?$/i;

/** Octet 0 in a path would end its environ entry early, and no file or route holds it. */
const ENCODED_NUL = "%00";

/**
 * Takes a target apart: origin form, absolute form, `*` for OPTIONS.
 * CONNECT is refused: there is nothing to tunnel to. A fragment never belongs into a request.
 */
export function parseTarget(method: string, target: string): RequestTarget {
  if (method === "CONNECT") {
    throw new HttpFault("ERR_HTTP_CONNECT", "CONNECT asks for a tunnel, which this server does not offer");
  }
  if (target.charCodeAt(0) === 0x2f) return parseOrigin(target);
  if (target === "*" && method === "OPTIONS") return { path: "*", query: "", authority: undefined };
  const match = ABSOLUTE_FORM.exec(target);
  if (match === null) {
    throw new HttpFault(
      "ERR_HTTP_TARGET",
      `Invalid request target ${quoteForLog(target)}: want a path, or an http URL`,
    );
  }
  const [, authority = "", path = "", query] = match;
  if (!isValidHost(authority)) {
    throw new HttpFault("ERR_HTTP_TARGET", `Invalid authority in request target ${quoteForLog(target)}`);
  }
  refuseNul(path);
  // OPTIONS of a URL with nothing behind its authority asks about the server (RFC 9112 section 3.2.4).
  const emptyPath = method === "OPTIONS" && query === undefined ? "*" : "/";
  return { path: path === "" ? emptyPath : path, query: query ?? "", authority };
}

function parseOrigin(target: string): RequestTarget {
  if (target.includes("#")) {
    throw new HttpFault("ERR_HTTP_TARGET", `Request target ${quoteForLog(target)} holds a fragment`);
  }
  const mark = target.indexOf("?");
  const path = mark < 0 ? target : target.slice(0, mark);
  refuseNul(path);
  return { path, query: mark < 0 ? "" : target.slice(mark + 1), authority: undefined };
}

function refuseNul(path: string): void {
  if (path.includes(ENCODED_NUL)) {
    throw new HttpFault("ERR_HTTP_TARGET", `Request path ${quoteForLog(path)} holds an encoded NUL`);
  }
}

const REGISTERED_NAME = /^(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+$/;
const IP_FUTURE = /^\[v[0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+\]$/i;

/** Hosts seen lately and found valid: a server is asked for the same few again and again. */
const validHosts = new Set<string>();
const VALID_HOSTS_LIMIT = 256;

/** `uri-host [ ":" port ]` of RFC 9110 section 7.2, with a host that is not empty. */
export function isValidHost(host: string): boolean {
  if (validHosts.has(host)) return true;
  const isValid = checkHost(host);
  if (isValid && validHosts.size < VALID_HOSTS_LIMIT) validHosts.add(host);
  return isValid;
}

function checkHost(host: string): boolean {
  const match = /^(\[[^\]]*\]|[^:]*)(?::([0-9]*))?$/.exec(host);
  if (match === null) return false;
  const [, name = "", port = ""] = match;
  if (Number(port) > 65535) return false;
  if (name.charCodeAt(0) !== 0x5b) return REGISTERED_NAME.test(name);
  return (isIPv6(name.slice(1, -1)) && !name.includes("%")) || IP_FUTURE.test(name);
}
