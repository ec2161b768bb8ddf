import assert from "node:assert/strict";
import { test } from "node:test";

import { cook, cookText } from "./cooked-environ.ts";

test("cookEnviron() makes the whole environ of a plain request", () => {
  const environ = cook({
    fields: [
      ["Host", "a.test"],
      ["Accept", "*/*"],
    ],
    head: { target: "/a%20b?x=1&y=%20", path: "/a%20b", query: "x=1&y=%20" },
  });
  assert.deepEqual(Object.fromEntries(environ), {
    REQUEST_METHOD: "GET",
    RAW_URI: "/a%20b?x=1&y=%20",
    QUERY_STRING: "x=1&y=%20",
    SERVER_PROTOCOL: "HTTP/1.1",
    REMOTE_ADDR: "192.0.2.7",
    REMOTE_PORT: "50123",
    "wsgi.url_scheme": "http",
    SERVER_NAME: "127.0.0.1",
    SERVER_PORT: "8000",
    SCRIPT_NAME: "",
    PATH_INFO: "/a b",
    HTTP_HOST: "a.test",
    HTTP_ACCEPT: "*/*",
  });
});

test("cookEnviron() keeps what stands in the head: method, version, target", () => {
  const head = {
    method: "PROPFIND",
    version: "HTTP/1.0",
    protocol: "HTTP/1.0",
    target: "http://a.test/x?y",
    path: "/x",
    query: "y",
  } as const;
  const environ = cook({ head });
  assert.equal(environ.get("REQUEST_METHOD"), "PROPFIND");
  assert.equal(environ.get("SERVER_PROTOCOL"), "HTTP/1.0");
  assert.equal(environ.get("RAW_URI"), "http://a.test/x?y");
  assert.equal(environ.get("PATH_INFO"), "/x");
  assert.equal(environ.get("QUERY_STRING"), "y");
});

const paths: readonly { readonly path: string; readonly pathInfo: string }[] = [
  { path: "/", pathInfo: "/" },
  { path: "*", pathInfo: "*" },
  { path: "/a%2Fb", pathInfo: "/a/b" },
  { path: "/a%2fb", pathInfo: "/a/b" },
  { path: "/caf%C3%A9", pathInfo: "/caf\xc3\xa9" },
  { path: "/%FF%80", pathInfo: "/\xff\x80" },
  { path: "/100%25", pathInfo: "/100%" },
  { path: "/%2541", pathInfo: "/%41" },
  { path: "/%", pathInfo: "/%" },
  { path: "/%4", pathInfo: "/%4" },
  { path: "/%zz%41", pathInfo: "/%zzA" },
  { path: "/%%41", pathInfo: "/%A" },
  { path: "/a+b", pathInfo: "/a+b" },
  { path: "//a/../b/.", pathInfo: "//a/../b/." },
  { path: "/a;b=c,d", pathInfo: "/a;b=c,d" },
  { path: "/%0A%0D", pathInfo: "/\n\r" },
];

for (const { path, pathInfo } of paths) {
  test(`cookEnviron() makes the path ${path} the PATH_INFO ${JSON.stringify(pathInfo)}`, () => {
    assert.equal(cook({ head: { path } }).get("PATH_INFO"), pathInfo);
  });
}

test("cookEnviron() does not decode the query", () => {
  assert.equal(cook({ head: { query: "a=%41&b=+" } }).get("QUERY_STRING"), "a=%41&b=+");
});

test("cookEnviron() keeps every octet of a field value in latin-1", () => {
  const value = Array.from({ length: 128 }, (_, index) => String.fromCharCode(128 + index)).join("");
  const text = cookText({ fields: [["X-High", value]] });
  assert.ok(Buffer.from(text, "latin1").toString("latin1").endsWith(`\0HTTP_X_HIGH\0${value}`));
});

interface FieldsCase {
  readonly what: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly expected: Readonly<Record<string, string>>;
}

const fieldCases: readonly FieldsCase[] = [
  { what: "a name in any case", fields: [["x-ReQuEsT-iD", "1"]], expected: { HTTP_X_REQUEST_ID: "1" } },
  { what: "an empty value", fields: [["X-Empty", ""]], expected: { HTTP_X_EMPTY: "" } },
  {
    what: "Content-Type without HTTP_",
    fields: [["content-type", "a/b"]],
    expected: { CONTENT_TYPE: "a/b" },
  },
  {
    what: "repeated fields, joined by a comma in their order",
    fields: [
      ["X-A", "1"],
      ["X-B", "2"],
      ["x-a", "3"],
      ["X-A", "4"],
    ],
    expected: { HTTP_X_A: "1,3,4", HTTP_X_B: "2" },
  },
  {
    what: "several repeated fields",
    fields: [
      ["X-A", "1"],
      ["X-B", "2"],
      ["X-A", "3"],
      ["X-B", "4"],
      ["X-C", "5"],
    ],
    expected: { HTTP_X_A: "1,3", HTTP_X_B: "2,4", HTTP_X_C: "5" },
  },
  {
    what: "repeated empty values",
    fields: [
      ["X-A", ""],
      ["X-A", ""],
    ],
    expected: { HTTP_X_A: "," },
  },
  {
    what: "repeated cookies, joined as cookies are",
    fields: [
      ["Cookie", "a=1; b=2"],
      ["X-A", "1"],
      ["Cookie", "c=3"],
    ],
    expected: { HTTP_COOKIE: "a=1; b=2; c=3", HTTP_X_A: "1" },
  },
  {
    what: "forwarding fields of a peer that is not trusted, as it sent them",
    fields: [
      ["X-Forwarded-For", "203.0.113.9"],
      ["Forwarded", "for=203.0.113.9"],
    ],
    expected: { HTTP_X_FORWARDED_FOR: "203.0.113.9", HTTP_FORWARDED: "for=203.0.113.9" },
  },
  {
    what: "hop-by-hop fields, as Gunicorn does",
    fields: [
      ["Connection", "close"],
      ["Upgrade", "x"],
      ["TE", "trailers"],
    ],
    expected: { HTTP_CONNECTION: "close", HTTP_UPGRADE: "x", HTTP_TE: "trailers" },
  },
  {
    what: "names that are also properties of every object",
    fields: [
      ["constructor", "1"],
      ["hasOwnProperty", "2"],
    ],
    expected: { HTTP_CONSTRUCTOR: "1", HTTP_HASOWNPROPERTY: "2" },
  },
  { what: "a name with other token characters", fields: [["X!#$.~", "1"]], expected: { "HTTP_X!#$.~": "1" } },
  { what: "no field with an underscore", fields: [["X_A", "1"]], expected: {} },
  {
    what: "no field with an underscore that would overwrite another",
    fields: [
      ["X-User", "a"],
      ["X_User", "b"],
      ["X-User_", "c"],
    ],
    expected: { HTTP_X_USER: "a" },
  },
  { what: "no field named like an object's prototype", fields: [["__proto__", "1"]], expected: {} },
  { what: "no Content_Type", fields: [["Content_Type", "a/b"]], expected: {} },
  {
    what: "no Content-Length, in whose place the counted length stands",
    fields: [["Content-Length", "5"]],
    expected: {},
  },
  {
    what: "no Transfer-Encoding whose members are chunked or empty",
    fields: [
      ["Transfer-Encoding", ", chunked,"],
      ["Transfer-Encoding", ""],
    ],
    expected: {},
  },
  {
    what: "Transfer-Encoding as far as the body is still encoded",
    fields: [
      ["Transfer-Encoding", "gzip,deflate"],
      ["Transfer-Encoding", "chunked"],
    ],
    expected: { HTTP_TRANSFER_ENCODING: "gzip, deflate" },
  },
  {
    what: "no Transfer-Encoding: the body is decoded",
    fields: [["Transfer-Encoding", "Chunked"]],
    expected: {},
  },
];

for (const { what, fields, expected } of fieldCases) {
  test(`cookEnviron() passes on ${what}`, () => {
    const without = cook({});
    const added = [...cook({ fields })].filter(([name]) => !without.has(name));
    assert.deepEqual(Object.fromEntries(added), expected);
  });
}

test("cookEnviron() keeps the fields in the order of their first coming", () => {
  const fields = [
    ["X-B", "1"],
    ["X-A", "2"],
    ["X-B", "3"],
    ["X-C", "4"],
  ] as const;
  const names = [...cook({ fields }).keys()].filter((name) => name.startsWith("HTTP_X_"));
  assert.deepEqual(names, ["HTTP_X_B", "HTTP_X_A", "HTTP_X_C"]);
});

test("cookEnviron() is right for more field names than it remembers", () => {
  for (let index = 0; index < 3000; index += 1) {
    const environ = cook({ fields: [[`X-Many-${index}`, "1"]] });
    assert.equal(environ.get(`HTTP_X_MANY_${index}`), "1");
  }
  assert.equal(cook({ fields: [["Content-Type", "a/b"]] }).get("CONTENT_TYPE"), "a/b");
});

for (const { what, bodyBytes, expected } of [
  { what: "no CONTENT_LENGTH for a request that announced no body", bodyBytes: null, expected: undefined },
  { what: "CONTENT_LENGTH 0 for an announced empty body", bodyBytes: 0, expected: "0" },
  { what: "the counted CONTENT_LENGTH", bodyBytes: 10_485_760, expected: "10485760" },
]) {
  test(`cookEnviron() gives ${what}`, () => {
    assert.equal(cook({ bodyBytes }).get("CONTENT_LENGTH"), expected);
  });
}

test("cookEnviron() adds what the connection itself adds", () => {
  const environ = cook({ client: { extraEnviron: "\0PROXY_ADDR\x00203.0.113.9\0PROXY_PORT\x00443" } });
  assert.equal(environ.get("PROXY_ADDR"), "203.0.113.9");
  assert.equal(environ.get("PROXY_PORT"), "443");
});
