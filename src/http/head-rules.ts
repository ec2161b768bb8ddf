import { listMembers } from "./blanks.ts";
import type { FieldName } from "./field-name.ts";
import { HttpFault, quoteForLog } from "./http-fault.ts";
import type { HttpPolicy } from "./policy.ts";
import type { BodyFraming, RequestHead } from "./request-head.ts";
import { isValidHost, parseTarget } from "./request-target.ts";

/** Gunicorn's idea of a conventional method: 3 to 20 characters, no lower case, no number sign. */
const CONVENTIONAL_METHOD = /^[!$%&'*+\-.^_`|~0-9A-Z]{3,20}$/;
const LATER_MINOR_VERSION = /^HTTP\/1\.[2-9]$/;
const WELL_FORMED_VERSION = /^HTTP\/([0-9])\.([0-9])$/;
const CODING = /^[!#$%&'*+\-.^_`|~0-9a-z]+(?:;.*)?$/;
const DIGITS = /^[0-9]+$/;

/** Codings that a client may apply below `chunked`; they reach the application as they are. */
const CONTENT_CODINGS: ReadonlySet<string> = new Set(["gzip", "deflate", "compress", "x-gzip", "x-compress"]);

const NO_BODY: BodyFraming = { type: "none" };
const CHUNKED: BodyFraming = { type: "chunked" };

/** The fields that say how to read and answer the message, gathered in one pass over the head. */
interface Deciding {
  host: string | undefined;
  contentLength: string | undefined;
  transferEncoding: string | undefined;
  connection: string | undefined;
  expect: string | undefined;
  hasContentType: boolean;
}

/** The parts of a head as they were sent. */
export interface HeadParts {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly names: readonly FieldName[];
  readonly values: readonly string[];
}

/** Makes a request head of its parts, or refuses it (RFC 9112 sections 3 and 6, RFC 9110 section 7.2). */
export function makeHead(parts: HeadParts, policy: HttpPolicy): RequestHead {
  const { target, names, values } = parts;
  const version = checkVersion(parts, policy);
  const method = checkMethod(parts.method, policy);
  const deciding = gather(names, values);
  const framing = decideFraming(version, deciding);
  const { path, query, authority } = parseTarget(method, target);
  const host = checkHost(version, deciding.host, authority);
  return {
    method,
    target,
    path,
    query,
    version,
    protocol: version,
    names,
    values,
    host,
    framing,
    keepAlive: decideKeepAlive(version, deciding.connection),
    expectsContinue: isExpectingContinue(version, deciding.expect) && framing.type !== "none",
    variables: null,
  };
}

function checkMethod(method: string, policy: HttpPolicy): string {
  const cased = policy.casefoldMethod ? method.toUpperCase() : method;
  if (policy.permitUnconventionalMethod || CONVENTIONAL_METHOD.test(cased)) return cased;
  throw new HttpFault(
    "ERR_HTTP_METHOD",
    `Invalid method ${quoteForLog(method)}: want 3 to 20 upper-case characters`,
  );
}

function checkVersion({ method, version }: HeadParts, policy: HttpPolicy): "HTTP/1.0" | "HTTP/1.1" {
  if (version === "HTTP/1.1" || version === "HTTP/1.0") return version;
  if (method === "PRI" && version === "HTTP/2.0") {
    throw new HttpFault(
      "ERR_HTTP_REQUEST_LINE",
      "This is HTTP/2 with prior knowledge, want HTTP/1.1 on this port",
    );
  }
  // A later minor version is served as the highest that is spoken here (RFC 9110 section 2.5).
  if (LATER_MINOR_VERSION.test(version)) return "HTTP/1.1";
  const match = WELL_FORMED_VERSION.exec(version);
  if (match === null) {
    throw new HttpFault("ERR_HTTP_REQUEST_LINE", `Invalid version ${quoteForLog(version)}, want HTTP/1.1`);
  }
  if (policy.permitUnconventionalVersion) {
    return match[1] === "0" ? "HTTP/1.0" : "HTTP/1.1";
  }
  throw new HttpFault("ERR_HTTP_VERSION", `Version ${quoteForLog(version)} is not offered, want HTTP/1.1`);
}

/** An HTTP/1.0 client cannot wait for an interim answer; what it expects is ignored (RFC 9110 section 10.1.1). */
function isExpectingContinue(version: "HTTP/1.0" | "HTTP/1.1", expectation: string | undefined): boolean {
  if (expectation === undefined || version === "HTTP/1.0") return false;
  const expectations = listMembers(expectation);
  if (expectations.every((each) => each.toLowerCase() === "100-continue")) return expectations.length > 0;
  throw new HttpFault("ERR_HTTP_EXPECTATION", `Unknown expectation ${quoteForLog(expectation)}`);
}

function gather(names: readonly FieldName[], values: readonly string[]): Deciding {
  const deciding: Deciding = {
    host: undefined,
    contentLength: undefined,
    transferEncoding: undefined,
    connection: undefined,
    expect: undefined,
    hasContentType: false,
  };
  for (let index = 0; index < names.length; index += 1) {
    const { known } = names[index] as FieldName;
    if (known === null) continue;
    const value = values[index] as string;
    switch (known) {
      case "host":
        if (deciding.host !== undefined) throw new HttpFault("ERR_HTTP_HOST", "The Host field is repeated");
        deciding.host = value;
        break;
      case "content-length":
        if (deciding.contentLength !== undefined) {
          throw new HttpFault("ERR_HTTP_CONTENT_LENGTH", "The Content-Length field is repeated");
        }
        deciding.contentLength = value;
        break;
      case "transfer-encoding":
        deciding.transferEncoding = joinList(deciding.transferEncoding, value);
        break;
      case "connection":
        deciding.connection = joinList(deciding.connection, value);
        break;
      case "expect":
        deciding.expect = joinList(deciding.expect, value);
        break;
      case "content-type":
        if (deciding.hasContentType)
          throw new HttpFault("ERR_HTTP_FIELD", "The Content-Type field is repeated");
        deciding.hasContentType = true;
        break;
      default:
        known satisfies never;
    }
  }
  return deciding;
}

function joinList(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before},${value}`;
}

function decideFraming(version: "HTTP/1.0" | "HTTP/1.1", deciding: Deciding): BodyFraming {
  const { contentLength, transferEncoding } = deciding;
  if (transferEncoding !== undefined) {
    if (contentLength !== undefined) {
      throw new HttpFault(
        "ERR_HTTP_TRANSFER_ENCODING",
        "Both Transfer-Encoding and Content-Length are given",
      );
    }
    if (version === "HTTP/1.0") {
      throw new HttpFault("ERR_HTTP_TRANSFER_ENCODING", "Transfer-Encoding has no meaning in HTTP/1.0");
    }
    checkTransferEncoding(transferEncoding);
    return CHUNKED;
  }
  if (contentLength === undefined) return NO_BODY;
  const bytes = DIGITS.test(contentLength) ? Number(contentLength) : Number.NaN;
  if (!Number.isSafeInteger(bytes)) {
    throw new HttpFault(
      "ERR_HTTP_CONTENT_LENGTH",
      `Invalid Content-Length ${quoteForLog(contentLength)}, want digits`,
    );
  }
  return bytes === 0 ? NO_BODY : { type: "length", bytes };
}

/** `chunked` must come once and last (RFC 9112 section 6.3); only SP and HTAB surround list members. */
function checkTransferEncoding(value: string): void {
  const codings = listMembers(value).map((coding) => coding.toLowerCase());
  const below = codings.slice(0, -1);
  if (codings.at(-1) === "chunked" && below.every((coding) => CONTENT_CODINGS.has(coding))) return;
  // 501 is for what could be a coding; all else is an error in the message.
  const isBroken = !codings.every((coding) => CODING.test(coding)) || below.includes("chunked");
  const isKnown = codings.every((coding) => CONTENT_CODINGS.has(coding));
  throw new HttpFault(
    isBroken || isKnown ? "ERR_HTTP_TRANSFER_ENCODING" : "ERR_HTTP_UNKNOWN_CODING",
    `Transfer-Encoding ${quoteForLog(value)} is not made of known codings with chunked once and last`,
  );
}

function checkHost(
  version: "HTTP/1.0" | "HTTP/1.1",
  host: string | undefined,
  authority: string | undefined,
): string {
  if (host === undefined) {
    if (version === "HTTP/1.1") throw new HttpFault("ERR_HTTP_HOST", "The Host field is missing");
    return authority ?? "";
  }
  if (!isValidHost(host))
    throw new HttpFault("ERR_HTTP_HOST", `Invalid Host ${quoteForLog(host)}, want name[:port]`);
  return authority ?? host;
}

/** Connection options are a list of case-insensitive tokens; `close` wins (RFC 9112 section 9.3). */
function decideKeepAlive(version: "HTTP/1.0" | "HTTP/1.1", connection: string | undefined): boolean {
  if (connection === undefined) return version === "HTTP/1.1";
  const options = listMembers(connection.toLowerCase());
  if (options.includes("close")) return false;
  return version === "HTTP/1.1" || options.includes("keep-alive");
}
