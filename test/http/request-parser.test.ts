import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { defaultHttpLimits } from "../../src/http/limits.ts";
import type { HttpPolicy } from "../../src/http/policy.ts";
import { RequestParser } from "../../src/http/request-parser.ts";
import {
  encodeWireText,
  readRequestCases,
  type ExpectedRequest,
  type RequestCase,
} from "../helpers/request-case.ts";
import {
  defaultRules,
  parsePieces,
  parseWhole,
  piecesOf,
  type ParsedRequest,
  type ParseOutcome,
} from "../helpers/parse-outcome.ts";

/** Far above what the work takes on a loaded machine, far below what quadratic work takes. */
const HOSTILE_DEADLINE_MS = 2000;

/** What an operator may permit costs no more. */
const lenientPolicy: HttpPolicy = {
  permitUnconventionalMethod: true,
  permitUnconventionalVersion: true,
  casefoldMethod: true,
  permitObsoleteFolding: true,
  stripHeaderSpaces: true,
};

for (const kind of ["valid", "invalid"] as const) {
  for (const requestCase of readRequestCases(kind)) {
    test(`RequestParser reads ${kind}/${requestCase.name} as it is meant (${requestCase.rule})`, () => {
      const outcome = parseWhole(requestCase, requestCase.input);
      assertMeaning(outcome, requestCase);
      assertSameHoweverCut(outcome, requestCase);
    });
  }
}

test("RequestParser refuses chunk extensions that are short each and large together (RFC 9112 section 7.1.1)", () => {
  const chunk = `1;${"x".repeat(1000)}\r\nz\r\n`;
  const input = chunkedRequest(chunk.repeat(17));
  const outcome = parseWhole(defaultRules, input);
  assert.deepEqual(outcome.fault, { code: "ERR_HTTP_CHUNK", status: 400 });
  assert.equal(outcome.unfinished?.body, "z".repeat(16));
  for (const size of [1, 2, 3, 7, 1009]) {
    assert.deepEqual(parsePieces(defaultRules, piecesOf(input, size)), outcome);
  }
});

test("RequestParser counts chunk extensions for each body anew (RFC 9112 section 7.1.1)", () => {
  const chunk = `1;${"x".repeat(1000)}\r\nz\r\n`;
  const one = chunkedRequest(`${chunk.repeat(10)}0\r\n\r\n`);
  const outcome = parseWhole(defaultRules, Buffer.concat([one, one, one]));
  assert.equal(outcome.fault, undefined);
  assert.equal(outcome.requests.length, 3);
});

test("RequestParser gives the head before the body has come (RFC 9110 section 10.1.1)", () => {
  const parser = new RequestParser(defaultHttpLimits);
  parser.feed(Buffer.from("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"));
  assert.equal(parser.next()?.type, "head");
  assert.equal(parser.next(), null);
});

test("RequestParser gives body bytes as they come, without waiting for a chunk to be whole", () => {
  const parser = new RequestParser(defaultHttpLimits);
  parser.feed(chunkedRequest("5\r\nhe"));
  assert.equal(parser.next()?.type, "head");
  const event = parser.next();
  assert.equal(event?.type === "body" && event.bytes.toString(), "he");
  assert.equal(parser.next(), null);
});

test("RequestParser refuses a bad first octet without waiting for a line end", () => {
  const parser = new RequestParser(defaultHttpLimits);
  parser.feed(Buffer.from([0x16]));
  assert.equal(parser.next()?.type, "fault");
});

for (const [what, line] of [
  ["does not begin with a digit", "x"],
  ["ends in a bare line feed", "5\n"],
  ["ends its extensions by a bare line feed", "5;a=b\n"],
] as const) {
  test(`RequestParser refuses a chunk size that ${what} without waiting for more`, () => {
    const outcome = parseWhole(defaultRules, chunkedRequest(line));
    assert.equal(outcome.fault?.code, "ERR_HTTP_CHUNK");
  });
}

test("RequestParser leaves a pipelined request inside until it is asked on", () => {
  const parser = new RequestParser(defaultHttpLimits);
  const second = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
  parser.feed(Buffer.from(`GET /1 HTTP/1.1\r\nHost: a\r\n\r\n${second}`));
  assert.equal(parser.next()?.type, "head");
  assert.equal(parser.next()?.type, "end");
  assert.equal(parser.bufferedBytes, second.length);
  const event = parser.next();
  assert.equal(event?.type === "head" && event.head.target, "/2");
});

test("RequestParser is idle between requests and in a head from its first octet", () => {
  const parser = new RequestParser(defaultHttpLimits);
  const state = (): string => `${parser.isIdle ? "idle" : "busy"} ${parser.isInHead ? "head" : "else"}`;
  const seen = [state()];
  for (const piece of ["\r\n", "G", "ET / HTTP/1.1\r\n", "Host: a\r\nContent-Length: 1\r\n\r\n", "x"]) {
    parser.feed(Buffer.from(piece));
    while (parser.next() !== null);
    seen.push(state());
  }
  assert.deepEqual(seen, ["idle else", "idle else", "busy head", "busy head", "busy else", "idle else"]);
});

test("RequestParser gives nothing after a fault, whatever is fed", () => {
  const parser = new RequestParser(defaultHttpLimits);
  parser.feed(Buffer.from(" "));
  assert.equal(parser.next()?.type, "fault");
  parser.feed(Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  assert.equal(parser.next(), null);
  assert.equal(parser.next(), null);
});

test("RequestParser keeps body pieces as they were when more is fed", () => {
  const parser = new RequestParser(defaultHttpLimits);
  parser.feed(Buffer.from("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r"));
  assert.equal(parser.next(), null);
  parser.feed(Buffer.from("\n3\r\nabc\r\n3"));
  assert.equal(parser.next()?.type, "head");
  const event = parser.next();
  assert.ok(event?.type === "body");
  assert.equal(parser.next(), null);
  parser.feed(Buffer.from("\r\nxyz\r\n0\r\n\r\n"));
  while (parser.next() !== null);
  assert.equal(event.bytes.toString(), "abc");
});

/** Inputs of a size that the limits allow, each the worst for some way of reading it; linear work takes milliseconds. */
const hostile: readonly (readonly [what: string, input: string])[] = [
  ["white space within Transfer-Encoding", head(`Transfer-Encoding: x${" ".repeat(8000)}y`, 90)],
  ["tabs within Transfer-Encoding", head(`Transfer-Encoding: ${"\t\t\t\t,".repeat(1600)}y`, 90)],
  ["commas in Transfer-Encoding", head(`Transfer-Encoding: ${",".repeat(8000)}chunked`, 90)],
  ["white space within Connection", head(`Connection: x${" ".repeat(8000)}y`, 90)],
  ["commas in Connection", head(`Connection: ${",".repeat(8000)}`, 90)],
  ["white space within Expect", head(`Expect: 100-continue${" ".repeat(8000)}y`, 90)],
  ["white space within a value", head(`X: y${" ".repeat(8000)}z`, 90)],
  ["white space in folded lines", head(`X: y${"\r\n ".repeat(2500)}z`, 90)],
  ["white space after a name", head(`X${" ".repeat(8000)}: y`, 90)],
  ["white space before and after a value", head(`X: ${" ".repeat(4000)}y${" ".repeat(4000)}`, 90)],
  ["a long Host", `GET / HTTP/1.1\r\nHost: ${"a.".repeat(4000)}\r\n\r\n`],
  ["a Host of colons", `GET / HTTP/1.1\r\nHost: ${":".repeat(8000)}\r\n\r\n`],
  ["a Content-Length of zeros", head(`Content-Length: ${"0".repeat(8000)}x`, 1)],
  ["a target of question marks", `GET /${"?".repeat(4000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
  ["an absolute target of slashes", `GET http://${"/".repeat(4000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
  ["chunks of one octet", chunkedRequest(`${"1\r\nx\r\n".repeat(50_000)}0\r\n\r\n`).toString("latin1")],
  ["white space in a chunk extension", chunkedRequest(`1;a${" ".repeat(1000)}\r\n`).toString("latin1")],
  ["many chunk extensions", chunkedRequest(`1${" ;a = b".repeat(140)}(\r\n`).toString("latin1")],
  ["a quoted chunk extension", chunkedRequest(`1;a="${"\\a".repeat(500)}\r\n`).toString("latin1")],
  ["many requests", "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20_000)],
];
for (const [what, input] of hostile) {
  test(`RequestParser is not slowed by ${what}, at once or in small pieces`, () => {
    const octets = Buffer.from(input, "latin1");
    const rules = { limits: defaultHttpLimits, policy: lenientPolicy };
    const begin = performance.now();
    const outcome = parseWhole(rules, octets);
    const whole = performance.now() - begin;
    assert.ok(whole < HOSTILE_DEADLINE_MS, `It took ${Math.round(whole)} ms at once`);
    assert.deepEqual(parsePieces(rules, piecesOf(octets, 10)).fault, outcome.fault);
    const pieces = performance.now() - begin - whole;
    assert.ok(pieces < HOSTILE_DEADLINE_MS, `It took ${Math.round(pieces)} ms in pieces of 10`);
  });
}

function head(field: string, count: number): string {
  return `POST / HTTP/1.1\r\nHost: a\r\n${`${field}\r\n`.repeat(count)}\r\n`;
}

function chunkedRequest(body: string): Buffer {
  return Buffer.from(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}`, "latin1");
}

function assertMeaning(outcome: ParseOutcome, expected: RequestCase): void {
  const { requests, unfinished, fault, ends } = expected;
  assert.deepEqual(outcome.fault, fault);
  assert.deepEqual(outcome.requests.map(comparedWith(requests)), requests);
  if (unfinished !== undefined) {
    assert.deepEqual(outcome.unfinished && comparedWith([unfinished])(outcome.unfinished, 0), unfinished);
  }
  if (fault === undefined) {
    assert.equal(outcome.ends, ends);
  }
}

/** A request with no more keys than its expectation names. */
function comparedWith(expected: readonly ExpectedRequest[]) {
  return (request: ParsedRequest, index: number): Partial<ParsedRequest> => {
    const keys = Object.keys(expected[index] ?? request);
    return Object.fromEntries(Object.entries(request).filter(([key]) => keys.includes(key)));
  };
}

function assertSameHoweverCut(outcome: ParseOutcome, { input, ...rules }: RequestCase): void {
  const check = (how: string, pieces: Iterable<Buffer>): void => {
    const other = parsePieces(rules, pieces);
    if (!isDeepStrictEqual(other, outcome)) {
      assert.deepEqual(other, outcome, `Fed ${how} the input has another meaning:\n${encodeWireText(input)}`);
    }
  };
  for (const size of [1, 2, 3, 7]) {
    check(`in pieces of ${size}`, piecesOf(input, size));
  }
  for (let cut = 1; cut < input.length; cut += 1) {
    check(`in two pieces, cut at ${cut},`, [input.subarray(0, cut), input.subarray(cut)]);
  }
}
