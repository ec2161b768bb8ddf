import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

import { defaultHttpLimits, type HttpLimits } from "../../src/http/limits.ts";
import { strictPolicy, type HttpPolicy } from "../../src/http/policy.ts";

/**
 * The wire corpus, test/requests/{valid,invalid}: a case is `<rule-name>.http` with the octets and `<rule-name>.json`
 * with what they mean. What a key of the .json means is said at the types below.
 */
const folder = fileURLToPath(new URL("../requests", import.meta.url));

export type CaseKind = "valid" | "invalid";

/** A request of a case. Keys that are absent are not compared. */
export interface ExpectedRequest {
  readonly method: string;
  readonly target: string;
  readonly path?: string;
  readonly query?: string;
  readonly version: "HTTP/1.0" | "HTTP/1.1";
  readonly host?: string;
  /** Lower-case names with their values, in the order sent, in latin-1. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** In latin-1. */
  readonly body: string;
  readonly keepAlive?: boolean;
  readonly expectsContinue?: boolean;
}

export interface ExpectedFault {
  readonly code: string;
  readonly status: number;
}

/** Where the input leaves the parser when there is no fault: between two requests, or within one. */
export type InputEnd = "complete" | "incomplete";

export interface RequestCase {
  readonly name: string;
  readonly kind: CaseKind;
  /** What decides, such as "RFC 9112 section 7.1". */
  readonly rule: string;
  readonly input: Buffer;
  readonly limits: HttpLimits;
  readonly policy: HttpPolicy;
  /** The requests that are complete. */
  readonly requests: readonly ExpectedRequest[];
  /** The request whose head was taken and whose body is not complete, or is at fault; not compared when absent. */
  readonly unfinished: ExpectedRequest | undefined;
  readonly fault: ExpectedFault | undefined;
  readonly ends: InputEnd;
}

/** All cases of a kind, by name. A file without its companion is an error. */
export function readRequestCases(kind: CaseKind): readonly RequestCase[] {
  const files = readdirSync(join(folder, kind)).toSorted();
  const names = files.filter((file) => file.endsWith(".http")).map((file) => basename(file, ".http"));
  const expected = names.flatMap((name) => [`${name}.http`, `${name}.json`]).toSorted();
  const odd = files.filter((file) => !expected.includes(file));
  if (odd.length > 0 || expected.length !== files.length) {
    throw new Error(`Every case in ${kind} needs a .http and a .json file: ${odd.join(", ")}`);
  }
  return names.map((name) => readRequestCase(kind, name));
}

function readRequestCase(kind: CaseKind, name: string): RequestCase {
  const path = join(folder, kind, name);
  try {
    const input = decodeWireText(readFileSync(`${path}.http`, "latin1"));
    const record: unknown = JSON.parse(readFileSync(`${path}.json`, "utf8"));
    return { name, kind, input, ...toExpectation(kind, record) };
  } catch (failure) {
    throw new Error(`Cannot read the case ${kind}/${name}`, { cause: failure });
  }
}

/** Real newlines are layout; then `\r \n \t \0 \\ \xHH` stand for one octet each. */
export function decodeWireText(text: string): Buffer {
  const octets = text.replaceAll("\n", "").replace(/\\(x[0-9A-Fa-f]{2}|.|$)/gs, (_, escape: string) => {
    if (escape.length === 3) {
      return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    }
    const octet = OCTET_OF_ESCAPE.get(escape);
    if (octet === undefined) {
      throw new Error(`Unknown escape "\\${escape}"`);
    }
    return octet;
  });
  return Buffer.from(octets, "latin1");
}

/** The contrary of `decodeWireText`, to show an input or to make a case of it. */
export function encodeWireText(octets: Buffer): string {
  return octets
    .toString("latin1")
    .replace(/[^\x20-\x5b\x5d-\x7e]/g, (octet) => ESCAPE_OF_OCTET.get(octet) ?? hexEscape(octet))
    .replaceAll("\\r\\n", "\\r\\n\n");
}

const OCTET_OF_ESCAPE: ReadonlyMap<string, string> = new Map([
  ["r", "\r"],
  ["n", "\n"],
  ["t", "\t"],
  ["0", "\0"],
  ["\\", "\\"],
]);
const ESCAPE_OF_OCTET: ReadonlyMap<string, string> = new Map(
  [...OCTET_OF_ESCAPE].map(([escape, octet]) => [octet, `\\${escape}`]),
);

function hexEscape(octet: string): string {
  return `\\x${octet.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

type Expectation = Omit<RequestCase, "name" | "kind" | "input">;

function toExpectation(kind: CaseKind, value: unknown): Expectation {
  const record = toRecord(value, ["rule", "limits", "policy", "requests", "unfinished", "fault", "ends"]);
  const fault = record["fault"] === undefined ? undefined : toFault(record["fault"]);
  const ends = record["ends"] ?? "complete";
  if (ends !== "complete" && ends !== "incomplete") {
    throw new Error(`"ends" is ${JSON.stringify(ends)}, want "complete" or "incomplete"`);
  }
  if ((kind === "invalid") !== (fault !== undefined) || (fault !== undefined && "ends" in record)) {
    throw new Error('An invalid case has a "fault" and no "ends", a valid one has no "fault"');
  }
  return {
    rule: toText(record["rule"]),
    limits: toLimits(record["limits"] ?? {}),
    policy: toPolicy(record["policy"] ?? {}),
    requests: toArray(record["requests"]).map(toRequest),
    unfinished: record["unfinished"] === undefined ? undefined : toRequest(record["unfinished"]),
    fault,
    ends,
  };
}

function toFault(value: unknown): ExpectedFault {
  const record = toRecord(value, ["code", "status"]);
  return { code: toText(record["code"]), status: toNumber(record["status"]) };
}

function toLimits(value: unknown): HttpLimits {
  const record = toRecord(value, Object.keys(defaultHttpLimits));
  const own = Object.entries(record).map(([name, limit]) => [name, toNumber(limit)] as const);
  return { ...defaultHttpLimits, ...Object.fromEntries(own) };
}

function toPolicy(value: unknown): HttpPolicy {
  const record = toRecord(value, Object.keys(strictPolicy));
  const own = Object.entries(record).map(([name, leave]) => [name, toBoolean(leave)] as const);
  return { ...strictPolicy, ...Object.fromEntries(own) };
}

function toRequest(value: unknown): ExpectedRequest {
  const known = ["method", "target", "path", "query", "version", "host", "fields", "body"];
  const record = toRecord(value, [...known, "keepAlive", "expectsContinue"]);
  const { path, query, host, version, keepAlive, expectsContinue } = record;
  if (version !== "HTTP/1.0" && version !== "HTTP/1.1") {
    throw new Error(`"version" is ${JSON.stringify(version)}, want HTTP/1.0 or HTTP/1.1`);
  }
  return {
    method: toText(record["method"]),
    target: toText(record["target"]),
    ...(path === undefined ? {} : { path: toText(path) }),
    ...(query === undefined ? {} : { query: toText(query) }),
    version,
    ...(host === undefined ? {} : { host: toText(host) }),
    fields: toArray(record["fields"]).map(toField),
    body: toText(record["body"]),
    ...(keepAlive === undefined ? {} : { keepAlive: toBoolean(keepAlive) }),
    ...(expectsContinue === undefined ? {} : { expectsContinue: toBoolean(expectsContinue) }),
  };
}

function toField(value: unknown): readonly [string, string] {
  const [name, text, ...others] = toArray(value);
  if (others.length > 0) {
    throw new Error(`A field has a name and a value, not ${JSON.stringify(value)}`);
  }
  return [toText(name), toText(text)];
}

function toRecord(value: unknown, keys: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`Want an object, not ${JSON.stringify(value)}`);
  }
  const record: Readonly<Record<string, unknown>> = { ...value };
  const unknown = Object.keys(record).filter((key) => !keys.includes(key));
  if (unknown.length > 0) {
    throw new Error(`Unknown keys ${unknown.join(", ")}`);
  }
  return record;
}

function toArray(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) {
    throw new Error(`Want an array, not ${JSON.stringify(value)}`);
  }
  return value;
}

function toText(value: unknown): string {
  if (typeof value !== "string") {
    throw new Error(`Want a text, not ${JSON.stringify(value)}`);
  }
  return value;
}

function toNumber(value: unknown): number {
  if (typeof value !== "number") {
    throw new Error(`Want a number, not ${JSON.stringify(value)}`);
  }
  return value;
}

function toBoolean(value: unknown): boolean {
  if (typeof value !== "boolean") {
    throw new Error(`Want true or false, not ${JSON.stringify(value)}`);
  }
  return value;
}
