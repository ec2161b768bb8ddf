import assert from "node:assert/strict";
import { test } from "node:test";

import { HttpFault } from "../../src/http/http-fault.ts";
import { isValidHost, parseTarget } from "../../src/http/request-target.ts";

const absolute = (authority: string, path: string, query = "") => ({ path, query, authority });
const origin = (path: string, query = "") => ({ path, query, authority: undefined });

const understood: readonly [method: string, target: string, ReturnType<typeof parseTarget>][] = [
  ["GET", "/", origin("/")],
  ["GET", "/a/b?c=d&e", origin("/a/b", "c=d&e")],
  ["GET", "/a?b?c", origin("/a", "b?c")],
  ["GET", "/a?", origin("/a")],
  ["GET", "/?http://b/", origin("/", "http://b/")],
  ["GET", "//b/c", origin("//b/c")],
  ["GET", "/*", origin("/*")],
  ["GET", "/a:80", origin("/a:80")],
  ["GET", "/%2e%2e/%2F", origin("/%2e%2e/%2F")],
  ["OPTIONS", "*", origin("*")],
  ["OPTIONS", "/", origin("/")],
  ["GET", "http://a", absolute("a", "/")],
  ["GET", "http://a?b", absolute("a", "/", "b")],
  ["GET", "http://a/b?c", absolute("a", "/b", "c")],
  ["GET", "http://a//b", absolute("a", "//b")],
  ["GET", "HTTP://A:80/b", absolute("A:80", "/b")],
  ["GET", "https://a/b", absolute("a", "/b")],
  ["GET", "http://[::1]:80/b", absolute("[::1]:80", "/b")],
];
for (const [method, target, expected] of understood) {
  test(`parseTarget() takes ${method} ${target} apart`, () => {
    assert.deepEqual(parseTarget(method, target), expected);
  });
}

const refused: readonly [method: string, target: string, code: string][] = [
  ["GET", "*", "ERR_HTTP_TARGET"],
  ["OPTIONS", "**", "ERR_HTTP_TARGET"],
  ["OPTIONS", "*?a", "ERR_HTTP_TARGET"],
  ["GET", "a", "ERR_HTTP_TARGET"],
  ["GET", "a/b", "ERR_HTTP_TARGET"],
  ["GET", "?a", "ERR_HTTP_TARGET"],
  ["GET", "#a", "ERR_HTTP_TARGET"],
  ["GET", "/#", "ERR_HTTP_TARGET"],
  ["GET", "/a?b#c", "ERR_HTTP_TARGET"],
  ["GET", "/a%00", "ERR_HTTP_TARGET"],
  ["GET", "a:80", "ERR_HTTP_TARGET"],
  ["GET", "http:a", "ERR_HTTP_TARGET"],
  ["GET", "http://", "ERR_HTTP_TARGET"],
  ["GET", "http:///a", "ERR_HTTP_TARGET"],
  ["GET", "http://:80/a", "ERR_HTTP_TARGET"],
  ["GET", "http://a#b", "ERR_HTTP_TARGET"],
  ["GET", "http://a/%00", "ERR_HTTP_TARGET"],
  ["GET", "http://joe:secret@a/", "ERR_HTTP_TARGET"],
  ["GET", "http://a:b/", "ERR_HTTP_TARGET"],
  ["GET", "http://a\\b/", "ERR_HTTP_TARGET"],
  ["GET", "ws://a/", "ERR_HTTP_TARGET"],
  ["GET", "xhttp://a/", "ERR_HTTP_TARGET"],
  ["CONNECT", "a:80", "ERR_HTTP_CONNECT"],
  ["CONNECT", "/", "ERR_HTTP_CONNECT"],
];
for (const [method, target, code] of refused) {
  test(`parseTarget() refuses ${method} ${target}`, () => {
    assert.throws(
      () => parseTarget(method, target),
      (error) => error instanceof HttpFault && error.code === code,
    );
  });
}

const validHosts = [
  "a",
  "A.example",
  "a:",
  "a:0",
  "a:80",
  "a:65535",
  "127.0.0.1",
  "1.2.3.4:5",
  "a_b",
  "-a-",
  "a.",
  "%61",
  "!$&'()*+;=",
  "[::]",
  "[::1]:80",
  "[1:2:3:4:5:6:7:8]",
  "[1:2:3:4:5:6:1.2.3.4]",
  "[FE80::a]",
  "[v1.a:b]",
  "[vF.1]",
];
for (const host of validHosts) {
  test(`isValidHost() accepts ${host} (RFC 3986 section 3.2)`, () => {
    assert.equal(isValidHost(host), true);
    assert.equal(isValidHost(host), true, "The second time it is looked up");
  });
}

const invalidHosts = [
  "",
  ":",
  ":80",
  "a b",
  "a/",
  "a?",
  "a#",
  "a\\b",
  "joe@a",
  "a<b",
  'a"',
  "a|b",
  "a^",
  "a`",
  "{a}",
  "%",
  "%6",
  "%6g",
  "a:b",
  "a:+80",
  "a:80 ",
  "a: 80",
  "a:80:80",
  "a:65536",
  "a:99999",
  "a\xe9",
  "a\n",
  "\ta",
  "a\0",
  "[]",
  "[::1",
  "::1]",
  "::1",
  "[::1]a",
  "a[::1]",
  "[::1]:b",
  "[:]",
  "[1:2:3]",
  "[1:2:3:4:5:6:7:8:9]",
  "[1::2::3]",
  "[12345::]",
  "[::1.2.3]",
  "[::1.2.3.256]",
  "[1.2.3.4]",
  "[g::]",
  "[v.a]",
  "[v1.]",
  "[a]",
];
for (const host of invalidHosts) {
  test(`isValidHost() refuses ${JSON.stringify(host)} (RFC 3986 section 3.2)`, () => {
    assert.equal(isValidHost(host), false);
    assert.equal(isValidHost(host), false, "The second time it is looked up");
  });
}
