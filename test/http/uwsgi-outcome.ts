import assert from "node:assert/strict";

import { defaultHttpLimits, type HttpLimits } from "../../src/http/limits.ts";
import { strictPolicy } from "../../src/http/policy.ts";
import type { RequestHead } from "../../src/http/request-head.ts";
import { UwsgiParser } from "../../src/http/uwsgi-parser.ts";
import { piecesOf } from "../helpers/parse-outcome.ts";

export type Pair = readonly [name: string, value: string];

/** Variables of a request in which nothing is special. A value undefined leaves the variable out. */
export type Changes = Readonly<Record<string, string | undefined>>;

export const PLAIN: Changes = {
  QUERY_STRING: "b=1",
  REQUEST_METHOD: "GET",
  CONTENT_TYPE: "",
  CONTENT_LENGTH: "",
  REQUEST_URI: "/a%41?b=1",
  PATH_INFO: "/aA",
  SERVER_PROTOCOL: "HTTP/1.1",
  REMOTE_ADDR: "192.0.2.1",
  HTTP_HOST: "example.org",
};

export function pairsWith(changes: Changes): Pair[] {
  return Object.entries({ ...PLAIN, ...changes }).filter((pair): pair is [string, string] => {
    return pair[1] !== undefined;
  });
}

export function sized(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const size = Buffer.alloc(2);
  size.writeUInt16LE(bytes.length);
  return Buffer.concat([size, bytes]);
}

export function blockOf(pairs: readonly Pair[]): Buffer {
  return Buffer.concat(pairs.flatMap((pair) => pair.map(sized)));
}

interface Header {
  readonly modifier1?: number;
  readonly modifier2?: number;
  readonly size?: number;
}

export function packetOf(block: Buffer, header: Header = {}): Buffer {
  const { modifier1 = 0, modifier2 = 0, size = block.length } = header;
  return Buffer.concat([Buffer.from([modifier1, size & 0xff, size >> 8, modifier2]), block]);
}

export function requestWith(changes: Changes, body = ""): Buffer {
  return Buffer.concat([packetOf(blockOf(pairsWith(changes))), Buffer.from(body, "latin1")]);
}

/** What an input comes to, without regard to how it was cut. */
export interface Outcome {
  readonly head: RequestHead | undefined;
  readonly variables: Readonly<Record<string, string>>;
  readonly body: string;
  readonly isComplete: boolean;
  readonly fault: { readonly code: string; readonly status: number; readonly message: string } | undefined;
  readonly isIdle: boolean;
}

export function outcomeOf(pieces: Iterable<Buffer>, limits: HttpLimits): Outcome {
  const parser = new UwsgiParser(limits, strictPolicy);
  const body: Buffer[] = [];
  let head: RequestHead | undefined;
  let isComplete = false;
  let fault: Outcome["fault"];
  for (const piece of pieces) {
    parser.feed(piece);
    for (let event = parser.next(); event !== null; event = parser.next()) {
      assert.ok(fault === undefined && !isComplete, `The event ${event.type} came after the last`);
      assert.equal(event.type === "head" || event.type === "fault" || head !== undefined, true);
      switch (event.type) {
        case "head":
          assert.equal(head, undefined, "There is one head");
          head = event.head;
          break;
        case "body":
          assert.ok(event.bytes.length > 0, "A body piece has bytes");
          body.push(event.bytes);
          break;
        case "end":
          isComplete = true;
          break;
        case "fault":
          fault = { code: event.fault.code, status: event.fault.status, message: event.fault.message };
          break;
        default:
          event satisfies never;
      }
    }
  }
  return {
    head,
    variables: Object.fromEntries(head?.variables ?? []),
    body: Buffer.concat(body).toString("latin1"),
    isComplete,
    fault,
    isIdle: parser.isIdle,
  };
}

/** The outcome of the whole input, which must be that of the input in two pieces and in octets. */
export function read(input: Buffer, limits: HttpLimits = defaultHttpLimits): Outcome {
  const outcome = outcomeOf([input], limits);
  for (let cut = 0; cut <= input.length; cut += 1) {
    const pieces = [input.subarray(0, cut), input.subarray(cut)];
    assert.deepEqual(outcomeOf(pieces, limits), outcome, `Cut at ${cut}`);
  }
  for (const size of [1, 3, 7]) {
    assert.deepEqual(outcomeOf(piecesOf(input, size), limits), outcome, `In pieces of ${size}`);
  }
  return outcome;
}

/** The variables of a request in which nothing is special. */
export const BLOCK = blockOf(pairsWith({}));
