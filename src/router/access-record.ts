import type { Exchange } from "../http/exchange.ts";
import { lastFieldValue } from "../http/request-head.ts";
import type { AccessRecord, AccessSource } from "../log/access-format.ts";
import { version } from "../version.ts";
import type { Client } from "./client.ts";

/** What is known of a request when it is over. */
export interface AccessFacts {
  readonly client: Client;
  readonly exchange: Exchange;
  /** What was answered. */
  readonly status: number;
  /** Of the worker that answered, or of the router. */
  readonly pid: number;
  readonly response: KeptResponseHead | null;
  readonly request: LoggedRequest;
}

/** What a request knows of its environ. */
export interface LoggedRequest {
  /** Cooked; "" when the request was refused before. */
  readonly environ: string;
  /** What the application has changed in it, in the same form. */
  readonly environChanges: string;
}

/** What is kept of a response's head when the access log may ask for it. */
export interface KeptResponseHead {
  /** Each ending in CRLF, in latin-1. */
  readonly fieldLines: Buffer;
  /** The router takes it out of the field lines. */
  readonly contentLength: number | null;
}

/** The record of a request that was answered. Nothing is looked up before somebody asks. */
export function makeAccessRecord(facts: AccessFacts): AccessRecord {
  const record = new AnsweredRecord(facts);
  const { environChanges } = facts.request;
  return environChanges === "" ? record : changedRecord(record, environChanges);
}

class AnsweredRecord implements AccessRecord {
  readonly remoteAddress: string;
  readonly method: string;
  readonly target: string;
  readonly path: string;
  readonly query: string;
  readonly protocol: string;
  readonly status: number;
  readonly bodyBytes: number;
  readonly durationMs: number;
  readonly pid: number;
  readonly #facts: AccessFacts;

  constructor(facts: AccessFacts) {
    const { head, bodyBytes, startedAt } = facts.exchange;
    this.remoteAddress = facts.client.address;
    this.method = head.method;
    this.target = head.target;
    this.path = head.path;
    this.query = head.query;
    this.protocol = head.protocol;
    this.status = facts.status;
    this.bodyBytes = bodyBytes;
    this.durationMs = performance.now() - startedAt;
    this.pid = facts.pid;
    this.#facts = facts;
  }

  requestField(lowerName: string): string | undefined {
    return lastFieldValue(this.#facts.exchange.head, lowerName);
  }

  responseField(lowerName: string): string | undefined {
    return responseField(this.#facts.response, lowerName);
  }

  environ(lowerName: string): string | undefined {
    const { environ } = this.#facts.request;
    return environValue(environ, lowerName) ?? (environ === "" ? undefined : WORKER_ENTRIES.get(lowerName));
  }

  source(): AccessSource {
    const { exchange, response, request } = this.#facts;
    const { names, values } = exchange.head;
    return {
      requestFields: names.flatMap((name, index) => [name.lower, values[index] ?? ""]),
      responseLines: responseLines(response),
      environ: request.environ,
    };
  }
}

/** The record as Gunicorn would make it, from the environ as the application has left it. */
function changedRecord(record: AnsweredRecord, changes: string): AccessRecord {
  const changed = (name: string): string | undefined => environValue(changes, name);
  return {
    remoteAddress: changed("remote_addr") ?? record.remoteAddress,
    method: changed("request_method") ?? record.method,
    target: changed("raw_uri") ?? record.target,
    path: record.path,
    query: changed("query_string") ?? record.query,
    protocol: changed("server_protocol") ?? record.protocol,
    status: record.status,
    bodyBytes: record.bodyBytes,
    durationMs: record.durationMs,
    pid: record.pid,
    requestField: (lowerName) => record.requestField(lowerName),
    responseField: (lowerName) => record.responseField(lowerName),
    environ: (lowerName) => changed(lowerName) ?? record.environ(lowerName),
    source: () => {
      const source = record.source();
      // Of two entries of one name the latter counts.
      return { ...source, environ: source.environ === "" ? changes : `${source.environ}\0${changes}` };
    },
  };
}

/** The record of a request that could not be read. */
export function makeFaultRecord(client: Client, status: number): AccessRecord {
  const missing = (): undefined => undefined;
  return {
    remoteAddress: client.address,
    method: "-",
    target: "-",
    path: "-",
    query: "",
    protocol: "-",
    status,
    bodyBytes: 0,
    durationMs: 0,
    pid: process.pid,
    requestField: missing,
    responseField: missing,
    environ: missing,
    source: () => ({ requestFields: [], responseLines: "", environ: "" }),
  };
}

/** Last value of a response field, or undefined. */
function responseField(response: KeptResponseHead | null, lowerName: string): string | undefined {
  const lines = responseLines(response).split("\r\n");
  const line = lines.findLast((text) => text.slice(0, text.indexOf(":")).toLowerCase() === lowerName);
  return line?.slice(lowerName.length + 1).trim();
}

function responseLines(response: KeptResponseHead | null): string {
  if (response === null) return "";
  const { fieldLines, contentLength } = response;
  const lengthLine = contentLength === null ? "" : `Content-Length: ${contentLength}\r\n`;
  return fieldLines.toString("latin1") + lengthLine;
}

/** What each environ has that the router does not send: python/tunicorn/environ.py adds it. */
const WORKER_ENTRIES: ReadonlyMap<string, string> = new Map([
  ["server_software", `tunicorn/${version}`],
  ["wsgi.version", "(1, 0)"],
  ["wsgi.run_once", "False"],
  ["wsgi.input_terminated", "True"],
]);

function environValue(environ: string, lowerName: string): string | undefined {
  const parts = environ.split("\0");
  for (let index = 0; index + 1 < parts.length; index += 2) {
    if (parts[index]?.toLowerCase() === lowerName) return parts[index + 1];
  }
  return undefined;
}
