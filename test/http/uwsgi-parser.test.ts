import assert from "node:assert/strict";
import { test } from "node:test";

import { defaultHttpLimits, type HttpLimits } from "../../src/http/limits.ts";
import { strictPolicy } from "../../src/http/policy.ts";
import type { RequestHead } from "../../src/http/request-head.ts";
import { UwsgiParser } from "../../src/http/uwsgi-parser.ts";
import { Random } from "../helpers/random.ts";
import { piecesOf } from "../helpers/parse-outcome.ts";

type Pair = readonly [name: string, value: string];

/** Variables of a request in which nothing is special. A value undefined leaves the variable out. */
type Changes = Readonly<Record<string, string | undefined>>;

const PLAIN: Changes = {
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

function pairsWith(changes: Changes): Pair[] {
  return Object.entries({ ...PLAIN, ...changes }).filter((pair): pair is [string, string] => {
    return pair[1] !== undefined;
  });
}

function sized(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const size = Buffer.alloc(2);
  size.writeUInt16LE(bytes.length);
  return Buffer.concat([size, bytes]);
}

function blockOf(pairs: readonly Pair[]): Buffer {
  return Buffer.concat(pairs.flatMap((pair) => pair.map(sized)));
}

interface Header {
  readonly modifier1?: number;
  readonly modifier2?: number;
  readonly size?: number;
}

function packetOf(block: Buffer, header: Header = {}): Buffer {
  const { modifier1 = 0, modifier2 = 0, size = block.length } = header;
  return Buffer.concat([Buffer.from([modifier1, size & 0xff, size >> 8, modifier2]), block]);
}

function requestWith(changes: Changes, body = ""): Buffer {
  return Buffer.concat([packetOf(blockOf(pairsWith(changes))), Buffer.from(body, "latin1")]);
}

/** What an input comes to, without regard to how it was cut. */
interface Outcome {
  readonly head: RequestHead | undefined;
  readonly variables: Readonly<Record<string, string>>;
  readonly body: string;
  readonly isComplete: boolean;
  readonly fault: { readonly code: string; readonly status: number; readonly message: string } | undefined;
  readonly isIdle: boolean;
}

function outcomeOf(pieces: Iterable<Buffer>, limits: HttpLimits): Outcome {
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
function read(input: Buffer, limits: HttpLimits = defaultHttpLimits): Outcome {
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

/** A head of which only some parts are of interest. */
interface Expected {
  readonly method?: string;
  readonly target?: string;
  readonly path?: string;
  readonly query?: string;
  readonly protocol?: string;
  readonly host?: string;
  readonly fields?: readonly Pair[];
  readonly body?: string;
}

const taken: readonly (readonly [name: string, Changes, Expected])[] = [
  [
    "what nginx sends for a GET",
    { HTTP_X_FORWARDED_FOR: "192.0.2.7", HTTP_CONNECTION: "close" },
    {
      method: "GET",
      target: "/a%41?b=1",
      path: "/aA",
      query: "b=1",
      protocol: "HTTP/1.1",
      host: "example.org",
      fields: [
        ["host", "example.org"],
        ["x-forwarded-for", "192.0.2.7"],
        ["connection", "close"],
      ],
    },
  ],
  [
    "a body with its length, of which nginx sends the fields too",
    {
      REQUEST_METHOD: "POST",
      CONTENT_TYPE: "a/b; c=D",
      CONTENT_LENGTH: "5",
      HTTP_CONTENT_TYPE: "a/b; c=D",
      HTTP_CONTENT_LENGTH: "5",
    },
    {
      method: "POST",
      fields: [
        ["host", "example.org"],
        ["content-type", "a/b; c=D"],
        ["content-length", "5"],
      ],
      body: "hello",
    },
  ],
  [
    "a body that came chunked and is sent decoded",
    { CONTENT_LENGTH: "5", HTTP_TRANSFER_ENCODING: "Chunked" },
    {
      fields: [
        ["host", "example.org"],
        ["content-length", "5"],
      ],
      body: "hello",
    },
  ],
  [
    "a body that the front server keeps for itself",
    { HTTP_CONTENT_LENGTH: "5", HTTP_CONTENT_TYPE: "a/b", HTTP_TRANSFER_ENCODING: "chunked" },
    { fields: [["host", "example.org"]], body: "" },
  ],
  ["a length of 0", { CONTENT_LENGTH: "0" }, { body: "" }],
  ["a rewritten path", { PATH_INFO: "/other" }, { target: "/a%41?b=1", path: "/other", query: "b=1" }],
  ["a rewritten query", { QUERY_STRING: "c" }, { target: "/a%41?b=1", path: "/aA", query: "c" }],
  ["a removed query", { QUERY_STRING: "" }, { query: "" }],
  ["a path without QUERY_STRING", { QUERY_STRING: undefined }, { path: "/aA", query: "b=1" }],
  [
    "a target without PATH_INFO",
    { PATH_INFO: undefined, QUERY_STRING: undefined },
    { path: "/a%41", query: "b=1" },
  ],
  ["a path without REQUEST_URI", { REQUEST_URI: undefined }, { target: "/aA?b=1", path: "/aA" }],
  [
    "a decoded path, which is encoded anew",
    { PATH_INFO: "/a b%2F?#\n\xc3\xa9" },
    { path: "/a%20b%252F%3F%23%0A%C3%A9" },
  ],
  ["an empty path below a script name", { SCRIPT_NAME: "/s", PATH_INFO: "" }, { path: "", query: "b=1" }],
  [
    "OPTIONS *",
    { REQUEST_METHOD: "OPTIONS", REQUEST_URI: "*", PATH_INFO: "*", QUERY_STRING: "" },
    { target: "*", path: "*", query: "" },
  ],
  ["an absolute target", { REQUEST_URI: "http://b/c" }, { target: "http://b/c", path: "/aA", host: "b" }],
  ["a path of two slashes", { PATH_INFO: "//b" }, { path: "//b" }],
  [
    "a client of HTTP/1.0 without Host, for which nginx sends an empty one",
    { SERVER_PROTOCOL: "HTTP/1.0", HTTP_HOST: "" },
    { protocol: "HTTP/1.0", host: "", fields: [] },
  ],
  ["a client of HTTP/2", { SERVER_PROTOCOL: "HTTP/2.0" }, { protocol: "HTTP/2.0" }],
  ["a client of HTTP/3", { SERVER_PROTOCOL: "HTTP/3" }, { protocol: "HTTP/3" }],
  [
    "a field value with white space around it, which goes",
    { HTTP_X: "\t a \xe9 b \t" },
    {
      fields: [
        ["host", "example.org"],
        ["x", "a \xe9 b"],
      ],
    },
  ],
  [
    "a no-break space, which stays",
    { HTTP_X: "\xa0a\x85" },
    {
      fields: [
        ["host", "example.org"],
        ["x", "\xa0a\x85"],
      ],
    },
  ],
  [
    "an empty field",
    { HTTP_X: "" },
    {
      fields: [
        ["host", "example.org"],
        ["x", ""],
      ],
    },
  ],
];
for (const [name, changes, expected] of taken) {
  test(`UwsgiParser takes ${name}`, () => {
    const { body, ...parts } = expected;
    const { head, ...outcome } = read(requestWith(changes, body));
    assert.equal(outcome.fault, undefined);
    assert.ok(head !== undefined && outcome.isComplete && outcome.isIdle);
    assert.equal(outcome.body, body ?? "");
    const fields = head.names.map(({ lower }, index) => [lower, head.values[index]]);
    const seen = Object.entries({ ...head, fields }).filter(([key]) => key in parts);
    assert.deepEqual(Object.fromEntries(seen), parts);
    assert.equal(head.keepAlive, false);
    assert.equal(head.expectsContinue, false);
  });
}

test("UwsgiParser gives all variables that are no header fields, as they were sent", () => {
  const certificate = "-----BEGIN\n\tCERTIFICATE-----\n";
  const sent = {
    HTTPS: "on",
    SCRIPT_NAME: "/s",
    SSL_CERT: certificate,
    "wsgi.url_scheme": "https",
    EMPTY: "",
  };
  const { variables } = read(requestWith({ ...sent, HTTP_X: "y" }));
  const plain = Object.entries(PLAIN).filter(([name]) => !name.startsWith("HTTP_"));
  assert.deepEqual(variables, { ...Object.fromEntries(plain), ...sent });
});

test("UwsgiParser takes repeated header fields, as nginx before 1.23 sends them", () => {
  const pairs: Pair[] = [...pairsWith({ HTTP_X_Y: "1" }), ["HTTP_X_Y", "2"], ["HTTP_x-y", "3"]];
  const { head } = read(packetOf(blockOf(pairs)));
  assert.deepEqual(head?.values.slice(1), ["1", "2", "3"]);
  assert.deepEqual(new Set(head.names.slice(1).map(({ lower }) => lower)), new Set(["x-y"]));
});

test("UwsgiParser passes Expect on without waiting for it: the front server has answered it", () => {
  const { head } = read(requestWith({ CONTENT_LENGTH: "1", HTTP_EXPECT: "100-continue" }, "x"));
  assert.equal(head?.expectsContinue, false);
  assert.equal(head.names[1]?.lower, "expect");
});

const refused: readonly (readonly [name: string, Changes, code: string])[] = [
  ["no method", { REQUEST_METHOD: undefined }, "ERR_UWSGI_PACKET"],
  ["an empty method", { REQUEST_METHOD: "" }, "ERR_UWSGI_PACKET"],
  ["a method in lower case", { REQUEST_METHOD: "get" }, "ERR_HTTP_METHOD"],
  ["a method with a space", { REQUEST_METHOD: "GET /" }, "ERR_HTTP_METHOD"],
  ["a method with a line end", { REQUEST_METHOD: "GET\r\n" }, "ERR_HTTP_METHOD"],
  ["CONNECT", { REQUEST_METHOD: "CONNECT" }, "ERR_HTTP_CONNECT"],
  ["no protocol", { SERVER_PROTOCOL: undefined }, "ERR_UWSGI_PACKET"],
  ["a protocol that is none", { SERVER_PROTOCOL: "INCLUDED" }, "ERR_HTTP_REQUEST_LINE"],
  ["a version that is not offered", { SERVER_PROTOCOL: "HTTP/0.9" }, "ERR_HTTP_VERSION"],
  ["a version with a line end", { SERVER_PROTOCOL: "HTTP/1.1\r\n" }, "ERR_HTTP_REQUEST_LINE"],
  ["a version 2 with a line end", { SERVER_PROTOCOL: "HTTP/2.0\n" }, "ERR_HTTP_REQUEST_LINE"],
  ["neither target nor path", { REQUEST_URI: undefined, PATH_INFO: undefined }, "ERR_UWSGI_PACKET"],
  ["a target with a space", { REQUEST_URI: "/a b" }, "ERR_HTTP_TARGET"],
  ["a target with a line end", { REQUEST_URI: "/a\r\n" }, "ERR_HTTP_TARGET"],
  ["a target above ASCII", { REQUEST_URI: "/\xe9" }, "ERR_HTTP_TARGET"],
  ["a target with a fragment", { REQUEST_URI: "/a#b" }, "ERR_HTTP_TARGET"],
  ["a target that is no path", { REQUEST_URI: "a" }, "ERR_HTTP_TARGET"],
  ["a target with an encoded NUL", { REQUEST_URI: "/%00" }, "ERR_HTTP_TARGET"],
  ["an asterisk for a GET", { PATH_INFO: "*" }, "ERR_HTTP_TARGET"],
  ["a path that is none", { PATH_INFO: "a" }, "ERR_HTTP_TARGET"],
  ["a path that is a URL", { PATH_INFO: "http://evil/" }, "ERR_HTTP_TARGET"],
  ["a path with a NUL", { PATH_INFO: "/a\0b" }, "ERR_UWSGI_PACKET"],
  ["a query with a space", { QUERY_STRING: "a b" }, "ERR_HTTP_TARGET"],
  ["a query with a fragment", { QUERY_STRING: "a#b" }, "ERR_HTTP_TARGET"],
  ["a query with a line feed", { QUERY_STRING: "a\nb" }, "ERR_HTTP_TARGET"],
  ["a query above ASCII", { QUERY_STRING: "\xe9" }, "ERR_HTTP_TARGET"],
  ["no Host", { HTTP_HOST: undefined }, "ERR_HTTP_HOST"],
  ["an empty Host", { HTTP_HOST: "" }, "ERR_HTTP_HOST"],
  ["a bad Host", { HTTP_HOST: "a/b" }, "ERR_HTTP_HOST"],
  ["a carriage return in a field", { HTTP_X: "a\rb" }, "ERR_HTTP_FIELD"],
  ["a line feed in a field", { HTTP_X: "a\nSet-Cookie: b" }, "ERR_HTTP_FIELD"],
  ["a NUL in a field", { HTTP_X: "a\0b" }, "ERR_UWSGI_PACKET"],
  ["DEL in a field", { HTTP_X: "\x7f" }, "ERR_HTTP_FIELD"],
  ["a control at the end of a field", { HTTP_X: "a\x0b" }, "ERR_HTTP_FIELD"],
  ["a line feed in Content-Type", { CONTENT_TYPE: "a/b\nc" }, "ERR_HTTP_FIELD"],
  ["a field without name", { HTTP_: "a" }, "ERR_HTTP_FIELD"],
  ["a field name with a space", { "HTTP_X Y": "a" }, "ERR_UWSGI_PACKET"],
  ["a field name with a colon", { "HTTP_X:": "a" }, "ERR_UWSGI_PACKET"],
  ["a field name above ASCII", { "HTTP_\xe9": "a" }, "ERR_UWSGI_PACKET"],
  ["a variable without name", { "": "a" }, "ERR_UWSGI_PACKET"],
  ["a variable name with a NUL", { "A\0REMOTE_ADDR": "a" }, "ERR_UWSGI_PACKET"],
  ["a NUL in any variable", { REMOTE_ADDR: "::1\0HTTPS\0on" }, "ERR_UWSGI_PACKET"],
  ["an unknown expectation", { HTTP_EXPECT: "tea" }, "ERR_HTTP_EXPECTATION"],
  ["a length with a sign", { CONTENT_LENGTH: "+5" }, "ERR_UWSGI_PACKET"],
  ["a negative length", { CONTENT_LENGTH: "-5" }, "ERR_UWSGI_PACKET"],
  ["a length with a space", { CONTENT_LENGTH: " 5" }, "ERR_UWSGI_PACKET"],
  ["a length of one space", { CONTENT_LENGTH: " " }, "ERR_UWSGI_PACKET"],
  ["a length that is a list", { CONTENT_LENGTH: "5, 5" }, "ERR_UWSGI_PACKET"],
  ["a hexadecimal length", { CONTENT_LENGTH: "0x5" }, "ERR_UWSGI_PACKET"],
  ["a length with a line feed", { CONTENT_LENGTH: "5\n" }, "ERR_UWSGI_PACKET"],
  ["a length of other digits", { CONTENT_LENGTH: "\xb2" }, "ERR_UWSGI_PACKET"],
  ["a length that no number holds", { CONTENT_LENGTH: "9007199254740993" }, "ERR_UWSGI_PACKET"],
  ["two different lengths", { CONTENT_LENGTH: "5", HTTP_CONTENT_LENGTH: "6" }, "ERR_UWSGI_PACKET"],
  [
    "a body that only the field announces",
    { CONTENT_LENGTH: undefined, HTTP_CONTENT_LENGTH: "5" },
    "ERR_UWSGI_PACKET",
  ],
  [
    "a chunked body without a length",
    { CONTENT_LENGTH: undefined, HTTP_TRANSFER_ENCODING: "chunked" },
    "ERR_UWSGI_PACKET",
  ],
  [
    "a body in another coding",
    { CONTENT_LENGTH: "5", HTTP_TRANSFER_ENCODING: "gzip, chunked" },
    "ERR_UWSGI_PACKET",
  ],
  ["two different types", { CONTENT_TYPE: "a/b", HTTP_CONTENT_TYPE: "a/B" }, "ERR_UWSGI_PACKET"],
];
for (const [name, changes, code] of refused) {
  test(`UwsgiParser refuses ${name}`, () => {
    const { fault, head } = read(requestWith(changes, "hello"));
    assert.equal(fault?.code, code, fault?.message);
    assert.equal(head, undefined);
  });
}

test("UwsgiParser refuses repeated variables, and repeated fields that may not be", () => {
  const repeated = (pair: Pair): string | undefined =>
    read(packetOf(blockOf([...pairsWith({}), pair]))).fault?.code;
  assert.equal(repeated(["REQUEST_METHOD", "GET"]), "ERR_UWSGI_PACKET");
  assert.equal(repeated(["CONTENT_LENGTH", ""]), "ERR_UWSGI_PACKET");
  assert.equal(repeated(["REMOTE_ADDR", "127.0.0.1"]), "ERR_UWSGI_PACKET");
  assert.equal(repeated(["HTTP_HOST", "example.org"]), "ERR_HTTP_HOST");
});

const BLOCK = blockOf(pairsWith({}));
const packets: readonly (readonly [name: string, input: Buffer, RegExp])[] = [
  ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), /modifier1 is 71.*plain HTTP\?$/],
  ["a TLS handshake", Buffer.from([0x16, 3, 1, 2, 0]), /modifier1 is 22, want 0/],
  ["code to evaluate", packetOf(Buffer.from("import os"), { modifier1: 22 }), /modifier1 is 22/],
  ["a PSGI request", packetOf(BLOCK, { modifier1: 5 }), /modifier1 is 5/],
  ["a reload", packetOf(Buffer.alloc(0), { modifier1: 98 }), /modifier1 is 98/],
  ["the last modifier", packetOf(BLOCK, { modifier1: 255 }), /modifier1 is 255/],
  ["a second modifier", packetOf(BLOCK, { modifier2: 1 }), /modifier2 is 1, want 0/],
  ["an empty packet", packetOf(Buffer.alloc(0)), /REQUEST_METHOD is missing/],
  ["one octet", packetOf(Buffer.from([0])), /the last pair is cut off/],
  ["a name without value", packetOf(sized("A")), /the last pair is cut off/],
  ["half a size at the end", packetOf(Buffer.concat([BLOCK, Buffer.from([1])])), /the last pair is cut off/],
  ["half a value size", packetOf(Buffer.concat([BLOCK, sized("A"), Buffer.from([0])])), /is cut off/],
  [
    "a name that reaches one byte beyond the packet",
    packetOf(Buffer.from([2, 0, 0x41])),
    /reaches 1 bytes beyond/,
  ],
  [
    "a value that reaches far beyond the packet",
    packetOf(Buffer.concat([sized("A"), Buffer.from([255, 255])])),
    /reaches 65535 bytes beyond the packet/,
  ],
  ["a size that cuts the last pair", packetOf(BLOCK, { size: BLOCK.length - 1 }), /beyond the packet/],
  ["a size that counts the header", packetOf(BLOCK, { size: BLOCK.length - 4 }), /beyond the packet/],
];
for (const [name, input, pattern] of packets) {
  test(`UwsgiParser refuses ${name} as a packet`, () => {
    const { fault, head } = read(Buffer.concat([input, Buffer.from("more")]));
    assert.deepEqual([fault?.code, fault?.status], ["ERR_UWSGI_PACKET", 400]);
    assert.match(fault?.message ?? "", pattern);
    assert.equal(head, undefined);
  });
}

test("UwsgiParser refuses other modifiers as soon as they come", () => {
  assert.match(read(Buffer.from([5])).fault?.message ?? "", /modifier1 is 5/);
  assert.match(read(Buffer.from([0, 255, 255, 7])).fault?.message ?? "", /modifier2 is 7/);
});

const limited: readonly (readonly [name: string, Changes, Partial<HttpLimits>, code: string | undefined])[] =
  [
    ["a request line at its limit", {}, { requestLineBytes: 22 }, undefined],
    ["a request line above its limit", {}, { requestLineBytes: 21 }, "ERR_HTTP_LINE_TOO_LONG"],
    [
      "any request line without a limit",
      { REQUEST_URI: `/${"a".repeat(9000)}` },
      { requestLineBytes: 0 },
      undefined,
    ],
    ["a field at its limit", { HTTP_X: "a".repeat(37) }, { fieldBytes: 40 }, undefined],
    ["a field above its limit", { HTTP_X: "a".repeat(38) }, { fieldBytes: 40 }, "ERR_HTTP_FIELD_TOO_LARGE"],
    ["as many fields as allowed", { HTTP_X: "1", HTTP_Y: "2" }, { fieldCount: 3 }, undefined],
    ["one field too many", { HTTP_X: "1", HTTP_Y: "2" }, { fieldCount: 2 }, "ERR_HTTP_TOO_MANY_FIELDS"],
    ["a packet above the limit of a head", {}, { headBytes: 100 }, "ERR_HTTP_FIELD_TOO_LARGE"],
  ];
for (const [name, changes, limits, code] of limited) {
  test(`UwsgiParser ${code === undefined ? "takes" : "refuses"} ${name}`, () => {
    const input = requestWith(changes);
    const outcome = outcomeOf([input], { ...defaultHttpLimits, ...limits });
    assert.equal(outcome.fault?.code, code);
    assert.deepEqual(outcomeOf(piecesOf(input, 7), { ...defaultHttpLimits, ...limits }), outcome);
  });
}

test("UwsgiParser asks for more until packet and body are complete", () => {
  const input = requestWith({ CONTENT_LENGTH: "5" }, "hello");
  for (let length = 0; length < input.length; length += 1) {
    const outcome = outcomeOf([input.subarray(0, length)], defaultHttpLimits);
    assert.equal(outcome.fault, undefined);
    assert.equal(outcome.isComplete, false);
    assert.equal(outcome.head !== undefined, length >= input.length - 5);
    assert.equal(outcome.isIdle, length === 0);
  }
});

test("UwsgiParser gives body bytes as they come", () => {
  const parser = new UwsgiParser(defaultHttpLimits, strictPolicy);
  parser.feed(requestWith({ CONTENT_LENGTH: "5" }, "he"));
  assert.equal(parser.next()?.type, "head");
  const event = parser.next();
  assert.ok(event?.type === "body");
  assert.equal(parser.next(), null);
  parser.feed(Buffer.from("llo"));
  assert.equal(event.bytes.toString(), "he");
  const rest = parser.next();
  assert.equal(rest?.type === "body" && rest.bytes.toString(), "llo");
  assert.equal(parser.next()?.type, "end");
});

test("UwsgiParser drops what follows the body: front servers do not reuse the connection", () => {
  const parser = new UwsgiParser(defaultHttpLimits, strictPolicy);
  parser.feed(Buffer.concat([requestWith({ CONTENT_LENGTH: "5" }, "hello"), requestWith({})]));
  const types = ["head", "body", "end"];
  for (const type of types) {
    assert.equal(parser.next()?.type, type);
  }
  for (let round = 0; round < 3; round += 1) {
    assert.equal(parser.next(), null);
    assert.equal(parser.bufferedBytes, 0);
    assert.equal(parser.isIdle, true);
    parser.feed(requestWith({}));
  }
});

test("UwsgiParser is in a head from its first octet to the last of the packet", () => {
  const parser = new UwsgiParser(defaultHttpLimits, strictPolicy);
  const packet = requestWith({ CONTENT_LENGTH: "1" });
  const seen: string[] = [];
  const note = (): void => {
    while (parser.next() !== null);
    const state = `${parser.isIdle ? "idle" : "busy"} ${parser.isInHead ? "head" : "else"}`;
    seen.push(`${state} ${parser.bufferedBytes}`);
  };
  note();
  for (const piece of [packet.subarray(0, 1), packet.subarray(1, 9), packet.subarray(9), Buffer.from("x")]) {
    parser.feed(piece);
    note();
  }
  assert.deepEqual(seen, ["idle else 0", "busy head 1", "busy head 9", "busy else 0", "idle else 0"]);
});

test("UwsgiParser gives nothing after a fault, and keeps nothing", () => {
  const parser = new UwsgiParser(defaultHttpLimits, strictPolicy);
  parser.feed(Buffer.from([9]));
  assert.equal(parser.next()?.type, "fault");
  parser.feed(requestWith({}));
  assert.equal(parser.next(), null);
  assert.equal(parser.bufferedBytes, 0);
  assert.equal(parser.isIdle, false);
});

/** Far above what the work takes on a loaded machine, far below what quadratic work takes. */
const HOSTILE_DEADLINE_MS = 2000;
const roomy: HttpLimits = { requestLineBytes: 0, fieldCount: 0, fieldBytes: 0, headBytes: 1024 * 1024 };
const hostile: readonly (readonly [what: string, block: Buffer])[] = [
  ["a field of white space", blockOf(pairsWith({ HTTP_X: `a${" ".repeat(65_000)}b` }))],
  ["white space around a field", blockOf(pairsWith({ HTTP_X: " ".repeat(65_000) }))],
  ["a path of octets to encode", blockOf(pairsWith({ PATH_INFO: `/${"%".repeat(65_000)}` }))],
  ["a target of question marks", blockOf(pairsWith({ REQUEST_URI: `/${"?".repeat(65_000)}` }))],
  ["many fields", Buffer.concat([BLOCK, ...Array.from({ length: 6000 }, () => blockOf([["HTTP_A", ""]]))])],
  [
    "many variables",
    Buffer.concat([BLOCK, ...Array.from({ length: 6000 }, (_, index) => blockOf([[`V${index}`, ""]]))]),
  ],
  ["a Connection of commas", blockOf(pairsWith({ HTTP_CONNECTION: ",".repeat(65_000) }))],
];
for (const [what, block] of hostile) {
  test(`UwsgiParser is not slowed by ${what}, at once or octet by octet`, () => {
    const input = packetOf(block);
    const begin = performance.now();
    const outcome = outcomeOf([input], roomy);
    const whole = performance.now() - begin;
    assert.equal(outcome.fault, undefined);
    assert.ok(whole < HOSTILE_DEADLINE_MS, `It took ${Math.round(whole)} ms at once`);
    assert.deepEqual(outcomeOf(piecesOf(input, 1), roomy), outcome);
    const pieces = performance.now() - begin - whole;
    assert.ok(pieces < HOSTILE_DEADLINE_MS, `It took ${Math.round(pieces)} ms octet by octet`);
  });
}

test("UwsgiParser survives 20000 mutilated packets, and lets nothing through that HTTP would not", () => {
  const seeds = [
    requestWith({ HTTP_X_FORWARDED_FOR: "192.0.2.7", SCRIPT_NAME: "" }),
    requestWith({ REQUEST_METHOD: "POST", CONTENT_LENGTH: "5", CONTENT_TYPE: "a/b" }, "hello"),
  ];
  const random = new Random(0x9e3779b9);
  let heads = 0;
  for (let round = 0; round < 20_000; round += 1) {
    const input = Buffer.from(seeds[round % seeds.length] ?? []);
    for (let changes = random.below(3); changes >= 0; changes -= 1) {
      input[4 + random.below(input.length - 4)] = random.below(256);
    }
    const outcome = outcomeOf([input], defaultHttpLimits);
    assert.deepEqual(outcomeOf(piecesOf(input, 1 + random.below(50)), defaultHttpLimits), outcome);
    const { head } = outcome;
    if (head === undefined) continue;
    heads += 1;
    assert.match(head.method, /^[!-~]+$/);
    assert.match(head.target, /^[!-~]+$/);
    assert.match(`${head.path}?${head.query}`, /^[!-~]+$/);
    assert.ok(head.values.every((value) => /^[^\0\r\n\x7f]*$/.test(value)));
    assert.equal(Object.values(outcome.variables).join("").includes("\0"), false);
  }
  assert.ok(heads > 1000, `Only ${heads} heads were valid`);
});
