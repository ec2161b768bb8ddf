import assert from "node:assert/strict";
import { test } from "node:test";

import {
  PLAIN,
  blockOf,
  packetOf,
  pairsWith,
  read,
  requestWith,
  type Changes,
  type Pair,
} from "./uwsgi-outcome.ts";

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
