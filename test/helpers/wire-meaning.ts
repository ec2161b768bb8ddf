import { createHash } from "node:crypto";

import { defaultRules, parseWhole, type ParsedRequest } from "./parse-outcome.ts";
import { readWireAnswers } from "./wire-answers.ts";

/** What a connection comes to when the client sends an input and closes its side. */
export interface WireMeaning {
  /** Those that an application sees. */
  readonly requests: readonly ParsedRequest[];
  /** Status of the refusal that ends the connection, if one does. */
  readonly refusal: number | undefined;
}

export function meaningOf(input: Buffer): WireMeaning {
  const { requests, fault, ends } = parseWhole(defaultRules, input);
  const last = requests.findIndex(({ keepAlive }) => !keepAlive);
  if (last !== -1) return { requests: requests.slice(0, last + 1), refusal: undefined };
  const refusal = fault?.status ?? (ends === "incomplete" ? 400 : undefined);
  return { requests, refusal };
}

/** What is wrong with the answers of fixtures/apps/seen.py to an input of this meaning. */
export function wrongAnswer({ requests, refusal }: WireMeaning, received: Buffer): string | undefined {
  const methods = requests.map(({ method }) => method);
  const answers = readWireAnswers(received, methods);
  const statuses = answers.map(({ status }) => status);
  const wanted = [...requests.map(() => 200), ...(refusal === undefined ? [] : [refusal])];
  if (String(statuses) !== String(wanted))
    return `Statuses are ${statuses.join(" ")}, want ${wanted.join(" ")}`;
  for (const [index, request] of requests.entries()) {
    const seen = seenText(request);
    if (answers[index]?.field("x-seen") === createHash("sha256").update(seen).digest("hex")) continue;
    const told = answers[index]?.body.toString("latin1");
    return `The application saw ${JSON.stringify(told)}, want ${JSON.stringify(seen.toString("latin1"))}`;
  }
  return undefined;
}

/** What that application sees of a request, made without the router's own code (PEP 3333, RFC 3875). */
function seenText(request: ParsedRequest): Buffer {
  const environ = new Map([
    ["REQUEST_METHOD", request.method],
    ["RAW_URI", request.target],
    ["QUERY_STRING", request.query],
    ["SERVER_PROTOCOL", request.version],
  ]);
  const isFramed = request.fields.some(([name]) => ["content-length", "transfer-encoding"].includes(name));
  if (isFramed) environ.set("CONTENT_LENGTH", String(request.body.length));
  for (const [name, value] of request.fields) {
    if (name.includes("_") || name === "content-length") continue;
    const codings = value.split(/[\t ]*,[\t ]*/).filter((coding) => !/^(chunked)?$/i.test(coding));
    if (name === "transfer-encoding" && codings.length === 0) continue;
    const key = name === "content-type" ? "CONTENT_TYPE" : `HTTP_${name.toUpperCase().replaceAll("-", "_")}`;
    const shown = name === "host" ? request.host : name === "transfer-encoding" ? codings.join(", ") : value;
    const before = environ.get(key);
    environ.set(key, before === undefined ? shown : `${before}${name === "cookie" ? "; " : ","}${shown}`);
  }
  const lines = [...environ].toSorted(([left], [right]) => (left < right ? -1 : 1));
  const text = lines.map(([name, value]) => `${name}=${value}\n`).join("");
  return Buffer.from(`${text}\n${request.body}`, "latin1");
}
