import assert from "node:assert/strict";
import { test } from "node:test";

import { defaultHttpLimits } from "../../src/http/limits.ts";
import { strictPolicy } from "../../src/http/policy.ts";
import { readPacket, toHead } from "../../src/http/uwsgi-packet.ts";
import {
  BLOCK,
  blockOf,
  packetOf,
  pairsWith,
  read,
  requestWith,
  sized,
  type Changes,
  type Pair,
} from "./uwsgi-outcome.ts";

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

test("toHead() refuses a method that is no token, also where unconventional ones are permitted", () => {
  const policy = { ...strictPolicy, permitUnconventionalMethod: true };
  const headOf = (method: string): string =>
    toHead(readPacket(blockOf(pairsWith({ REQUEST_METHOD: method }))), defaultHttpLimits, policy).method;
  assert.equal(headOf("get"), "get");
  for (const method of ["GE T", "GET\r\n", "GET\x7f", "(GET)"])
    assert.throws(() => headOf(method), { code: "ERR_HTTP_METHOD" }, method);
});

test("UwsgiParser refuses repeated variables, and repeated fields that may not be", () => {
  const repeated = (pair: Pair): string | undefined =>
    read(packetOf(blockOf([...pairsWith({}), pair]))).fault?.code;
  assert.equal(repeated(["REQUEST_METHOD", "GET"]), "ERR_UWSGI_PACKET");
  assert.equal(repeated(["CONTENT_LENGTH", ""]), "ERR_UWSGI_PACKET");
  assert.equal(repeated(["REMOTE_ADDR", "127.0.0.1"]), "ERR_UWSGI_PACKET");
  assert.equal(repeated(["HTTP_HOST", "example.org"]), "ERR_HTTP_HOST");
});

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
