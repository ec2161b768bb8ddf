import { defaultHttpLimits, type HttpLimits } from "../../src/http/limits.ts";
import { strictPolicy, type HttpPolicy } from "../../src/http/policy.ts";
import type { RequestHead } from "../../src/http/request-head.ts";
import { RequestParser } from "../../src/http/request-parser.ts";
import type { ExpectedFault, ExpectedRequest, InputEnd } from "./request-case.ts";

export type ParsedRequest = Required<ExpectedRequest>;

/** What an input means, without regard to how it was cut: all that a server may act upon. */
export interface ParseOutcome {
  readonly requests: readonly ParsedRequest[];
  /** The request whose head came and whose end did not. */
  readonly unfinished: ParsedRequest | undefined;
  readonly fault: ExpectedFault | undefined;
  readonly ends: InputEnd;
}

export interface ParseRules {
  readonly limits: HttpLimits;
  readonly policy: HttpPolicy;
}

export const defaultRules: ParseRules = { limits: defaultHttpLimits, policy: strictPolicy };

/** Feeds the pieces to a new parser, taking all events after each, as a connection does. */
export function parsePieces({ limits, policy }: ParseRules, pieces: Iterable<Buffer>): ParseOutcome {
  const parser = new RequestParser(limits, policy);
  const requests: ParsedRequest[] = [];
  let head: RequestHead | undefined;
  let body: Buffer[] = [];
  let fault: ExpectedFault | undefined;
  for (const piece of pieces) {
    parser.feed(piece);
    for (let event = parser.next(); event !== null; event = parser.next()) {
      if (fault !== undefined) {
        throw new Error(`The event ${event.type} came after a fault`);
      }
      switch (event.type) {
        case "head":
          if (head !== undefined) {
            throw new Error("A head came before the end of the request before it");
          }
          head = event.head;
          break;
        case "body":
          if (head === undefined || event.bytes.length === 0) {
            throw new Error("A body piece came without a head or without bytes");
          }
          body.push(event.bytes);
          break;
        case "end":
          if (head === undefined) {
            throw new Error("An end came without a head");
          }
          requests.push(toParsed(head, body));
          head = undefined;
          body = [];
          break;
        case "fault":
          fault = { code: event.fault.code, status: event.fault.status };
          break;
        default:
          event satisfies never;
      }
    }
  }
  return {
    requests,
    unfinished: head === undefined ? undefined : toParsed(head, body),
    fault,
    ends: head === undefined && parser.isIdle ? "complete" : "incomplete",
  };
}

/** The input as one piece. */
export function parseWhole(rules: ParseRules, input: Buffer): ParseOutcome {
  return parsePieces(rules, [input]);
}

/** Cuts the input into pieces of `size` octets. */
export function* piecesOf(input: Buffer, size: number): Generator<Buffer> {
  for (let start = 0; start < input.length; start += size) {
    yield input.subarray(start, start + size);
  }
}

// The pieces are joined only here, so that a piece overwritten by a later `feed` shows.
function toParsed(head: RequestHead, body: readonly Buffer[]): ParsedRequest {
  const { method, target, path, query, version, host, keepAlive, expectsContinue } = head;
  return {
    method,
    target,
    path,
    query,
    version,
    host,
    fields: head.names.map((name, index) => [name.lower, head.values[index] ?? ""]),
    body: Buffer.concat(body).toString("latin1"),
    keepAlive,
    expectsContinue,
  };
}
