import assert from "node:assert/strict";
import { test } from "node:test";

import { compileAccessFormat, findStrayAtom } from "../../src/log/access-format.ts";
import { type Made, makeRecord } from "./made-record.ts";

const GUNICORN_DEFAULT = `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`;

function line(format: string, requested: Made = {}): string {
  return compileAccessFormat(format)(makeRecord(requested));
}

function basic(pair: string): Readonly<Record<string, string>> {
  return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}

interface AtomCase {
  readonly what: string;
  readonly format: string;
  readonly requested?: Made;
  readonly expected: string;
}

const atoms: readonly AtomCase[] = [
  { what: "the peer's address", format: "%(h)s", expected: "192.0.2.7" },
  { what: "no address on a unix socket", format: "%(h)s", requested: { remoteAddress: "" }, expected: "-" },
  { what: "the hyphen that stands for identd", format: "%(l)s", expected: "-" },
  { what: "no user", format: "%(u)s", expected: "-" },
  {
    what: "the user of Basic authentication",
    format: "%(u)s",
    requested: { fields: basic("ann:secret:x") },
    expected: "ann",
  },
  {
    what: "a user without a password",
    format: "%(u)s",
    requested: { fields: basic("ann:") },
    expected: "ann",
  },
  {
    what: "a user beyond ASCII",
    format: "%(u)s",
    requested: { fields: basic("ännchen:x") },
    expected: "ännchen",
  },
  {
    what: "no user in a pair without a colon",
    format: "%(u)s",
    requested: { fields: basic("ann") },
    expected: "-",
  },
  { what: "no user in an empty pair", format: "%(u)s", requested: { fields: basic(":x") }, expected: "-" },
  {
    what: "no user of another scheme",
    format: "%(u)s",
    requested: { fields: { authorization: "Bearer YTpi" } },
    expected: "-",
  },
  {
    what: "a scheme in any case",
    format: "%(u)s",
    requested: { fields: { authorization: "bASIC YTpi" } },
    expected: "a",
  },
  {
    what: "no user where there is no base64",
    format: "%(u)s",
    requested: { fields: { authorization: "Basic a:b" } },
    expected: "-",
  },
  { what: "the request line", format: "%(r)s", expected: "GET /shop?id=7 HTTP/1.1" },
  { what: "the method", format: "%(m)s", expected: "GET" },
  { what: "the path", format: "%(U)s", expected: "/shop" },
  {
    what: "the path as the application sees it",
    format: "%(U)s",
    requested: { path: "/shop/a%20b", variables: { path_info: "/a b" } },
    expected: "/a b",
  },
  { what: "the query", format: "%(q)s", expected: "id=7" },
  { what: "the protocol", format: "%(H)s", expected: "HTTP/1.1" },
  { what: "the status", format: "%(s)s", expected: "200" },
  { what: "the body's bytes", format: "%(B)s %(b)s", expected: "512 512" },
  { what: "an empty body", format: "%(B)s %(b)s", requested: { bodyBytes: 0 }, expected: "0 0" },
  {
    what: "the referer",
    format: "%(f)s",
    requested: { fields: { referer: "http://a/" } },
    expected: "http://a/",
  },
  { what: "no referer", format: "%(f)s", expected: "-" },
  {
    what: "the user agent",
    format: "%(a)s",
    requested: { fields: { "user-agent": "curl/8" } },
    expected: "curl/8",
  },
  { what: "no user agent", format: "%(a)s", expected: "-" },
  { what: "whole seconds", format: "%(T)s", expected: "1" },
  { what: "whole milliseconds", format: "%(M)s", expected: "1234" },
  { what: "microseconds", format: "%(D)s", expected: "1234568" },
  { what: "seconds with microseconds", format: "%(L)s", expected: "1.234568" },
  {
    what: "a time below a second",
    format: "%(T)s %(L)s",
    requested: { durationMs: 0.25 },
    expected: "0 0.000250",
  },
  { what: "the worker's pid", format: "%(p)s", expected: "<4121>" },
  {
    what: "a request header in any case",
    format: "%({X-Request-ID}i)s",
    requested: { fields: { "x-request-id": "7" } },
    expected: "7",
  },
  {
    what: "a response header in any case",
    format: "%({Content-TYPE}o)s",
    requested: { responseFields: { "content-type": "a/b" } },
    expected: "a/b",
  },
  {
    what: "an environ entry",
    format: "%({REMOTE_PORT}e)s",
    requested: { variables: { remote_port: "50123" } },
    expected: "50123",
  },
  { what: "hyphens for what is missing", format: "%({A}i)s %({B}o)s %({C}e)s", expected: "- - -" },
  { what: "a hyphen for an atom that nobody knows", format: "%(z)s %({A}z)s %()s", expected: "- - -" },
  {
    what: "hyphens for names that every object has",
    format: "%(constructor)s %(toString)s",
    expected: "- -",
  },
  { what: "text between the atoms", format: "<%(s)s>, [%(m)s]", expected: "<200>, [GET]" },
  { what: "text alone", format: "static", expected: "static" },
  { what: "nothing", format: "", expected: "" },
  { what: "a percent sign that is written twice", format: "100%% %(s)s%%", expected: "100% 200%" },
  { what: "an escaped percent sign before what looks like an atom", format: "%%(h)s", expected: "%(h)s" },
  {
    what: "other conversions of Python",
    format: "%(s)d %(B)r %(D)5d %(L).3f",
    expected: "200 512 1234568 1.234568",
  },
  {
    what: "widths, at either side, with zeros for numbers alone",
    format: "[%(s)6s] [%(m)-6s] [%(D)010d] [%(m)06s] [%({a}i)3s]",
    expected: "[   200] [GET   ] [0001234568] [   GET] [  -]",
  },
  { what: "no more than the precision says", format: "%(m).2s %(m)-5.1s|", expected: "GE G    |" },
];

for (const { what, format, requested, expected } of atoms) {
  test(`compileAccessFormat() writes ${what}`, () => {
    assert.equal(line(format, requested), expected);
  });
}

test("compileAccessFormat() writes Gunicorn's default format as Gunicorn does", () => {
  const fields = { referer: "http://a.test/", "user-agent": "curl/8.5", ...basic("ann:x") };
  const written = line(GUNICORN_DEFAULT, { fields });
  const time = String.raw`\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]`;
  assert.match(
    written,
    new RegExp(
      String.raw`^192\.0\.2\.7 - ann ${time} "GET /shop\?id=7 HTTP/1\.1" 200 512 "http://a\.test/" "curl/8\.5"$`,
    ),
  );
});

test("compileAccessFormat() writes the time of the line, second by second", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.UTC(2026, 10, 20, 23, 49, 21, 100) });
  const format = compileAccessFormat("%(t)s");
  const clockOf = (): string => /\d\d:(\d\d:\d\d) /.exec(format(makeRecord()))?.[1] ?? "";
  assert.equal(clockOf(), "49:21");
  t.mock.timers.tick(899);
  assert.equal(clockOf(), "49:21");
  t.mock.timers.tick(1);
  assert.equal(clockOf(), "49:22");
  t.mock.timers.setTime(Date.UTC(2026, 10, 20, 23, 50, 0));
  assert.equal(clockOf(), "50:00");
});

test("compileAccessFormat() keeps a quotation mark of the client from ending a field of the line", () => {
  const evil = 'x" 200 1 "';
  const requested: Made = {
    method: "GET",
    target: `/${evil}`,
    path: `/${evil}`,
    query: evil,
    fields: { referer: evil, "user-agent": evil, "x-a": evil, ...basic(`${evil}:x`) },
    responseFields: { "x-a": evil },
    variables: { x: evil, path_info: `/${evil}` },
  };
  for (const atom of ["r", "U", "q", "f", "a", "u", "{x-a}i", "{x-a}o", "{X}e"]) {
    const written = line(`%(${atom})s`, requested);
    assert.ok(written.includes(String.raw`x\" 200 1 \"`), `${atom}: ${written}`);
    assert.doesNotMatch(written, /(?<!\\)"/);
  }
});

test("compileAccessFormat() lets no client begin a line of its own, nor write control characters", () => {
  const evil = "a\r\n\u001b[2Jb";
  const requested: Made = {
    fields: basic(`${evil}:x`),
    // The path stands decoded in the environ: %0A is a line end there.
    variables: { path_info: `/${evil}` },
  };
  for (const atom of ["u", "{PATH_INFO}e"]) {
    const written = line(`%(${atom})s`, requested);
    assert.doesNotMatch(written, /\p{Cc}/u, atom);
    assert.match(written, /a.*b/);
  }
});

for (const [format, stray] of [
  [GUNICORN_DEFAULT, null],
  ["%(h)s %({x-request-id}i)s %(L)10.3s 100%%", null],
  ['%h %l %u "%r"', "%h"],
  ["%(h)s %(x)q", "%(x)q"],
  ["%(h) 5", "%(h)"],
  ["100%", "%"],
] as const) {
  test(`findStrayAtom() finds ${stray ?? "nothing"} in ${format}`, () => {
    assert.equal(findStrayAtom(format), stray);
  });
}
