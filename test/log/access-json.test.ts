import assert from "node:assert/strict";
import { test } from "node:test";

import { compileAccessJson } from "../../src/log/access-json.ts";
import { type Made, makeRecord } from "./made-record.ts";

function members(made: Made = {}, format = ""): Record<string, unknown> {
  const line = compileAccessJson(format)(makeRecord(made));
  assert.doesNotMatch(line, /\n/);
  return JSON.parse(line) as Record<string, unknown>;
}

test("compileAccessJson() writes all members, null for what is missing", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.UTC(2026, 10, 20, 23, 49, 21, 100) });
  assert.deepEqual(members(), {
    time: "2026-11-20T23:49:21.100Z",
    remote_address: "192.0.2.7",
    user: null,
    method: "GET",
    target: "/shop?id=7",
    path: "/shop",
    query: "id=7",
    protocol: "HTTP/1.1",
    status: 200,
    bytes: 512,
    duration_ms: 1234.568,
    referer: null,
    user_agent: null,
    pid: 4121,
  });
});

test("compileAccessJson() writes what the client says of itself", () => {
  const authorization = `Basic ${Buffer.from("ann:secret").toString("base64")}`;
  const fields = { authorization, referer: "http://a.test/", "user-agent": 'say "hi"\n' };
  const { user, referer, user_agent } = members({ fields });
  assert.deepEqual([user, referer, user_agent], ["ann", "http://a.test/", 'say "hi"\n']);
});

test("compileAccessJson() adds what the format's named atoms ask for, under the names as they are written", () => {
  const { request_headers, response_headers, environ } = members(
    {
      fields: { "x-request-id": "7" },
      responseFields: { "content-type": "a/b" },
      variables: { remote_user: "bob" },
    },
    "%(h)s %({X-Request-ID}i)s %({missing}i)s %({Content-Type}o)s %({REMOTE_USER}e)s %({X-Request-ID}i)s",
  );
  assert.deepEqual(request_headers, { "X-Request-ID": "7", missing: null });
  assert.deepEqual(response_headers, { "Content-Type": "a/b" });
  assert.deepEqual(environ, { REMOTE_USER: "bob" });
});

for (const { what, octets, expected } of [
  { what: "UTF-8 as what it means", octets: Buffer.from("/café").toString("latin1"), expected: "/café" },
  { what: "other octets as latin-1", octets: "/caf\u00e9", expected: "/caf\u00e9" },
  { what: "an application's own text as it is", octets: "/caf\u00e9 ☕", expected: "/caf\u00e9 ☕" },
]) {
  test(`compileAccessJson() reads ${what}`, () => {
    assert.equal(members({ variables: { path_info: octets } })["path"], expected);
  });
}
