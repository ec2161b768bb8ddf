import assert from "node:assert/strict";
import { test } from "node:test";

import { makeRouterSettings } from "../../src/arbiter/router-settings.ts";
import { resolveSettings } from "../../src/config/layers.ts";
import { fieldNameOf } from "../../src/http/field-name.ts";
import { HttpFault } from "../../src/http/http-fault.ts";
import type { RequestHead } from "../../src/http/request-head.ts";
import type { Client } from "../../src/router/client.ts";
import { cookEnviron } from "../../src/router/environ.ts";
import type { InheritedListener, RouterSettings } from "../../src/router/messages.ts";

const defaults: RouterSettings = makeRouterSettings(resolveSettings([]), {});

const tcpListener: InheritedListener = {
  id: 4,
  fd: 4,
  url: "http://127.0.0.1:8000",
  serverName: "127.0.0.1",
  serverPort: "8000",
  backlog: 16,
};

const unixListener: InheritedListener = {
  ...tcpListener,
  url: "unix:/s",
  serverName: null,
  serverPort: null,
};

interface Cooked {
  readonly fields?: readonly (readonly [string, string])[];
  readonly head?: Partial<RequestHead>;
  readonly client?: Partial<Client>;
  readonly settings?: Partial<RouterSettings>;
  readonly bodyBytes?: number | null;
}

/** The text that a worker is given for a request for `/`. */
function cookText({ fields = [], head = {}, client = {}, settings = {}, bodyBytes = null }: Cooked): string {
  const wholeHead: RequestHead = {
    method: "GET",
    target: head.path ?? "/",
    path: "/",
    query: "",
    version: "HTTP/1.1",
    names: fields.map(([name]) => fieldNameOf(name)),
    values: fields.map(([, value]) => value),
    host: "a.test",
    framing: { type: "none" },
    keepAlive: true,
    expectsContinue: false,
    protocol: "HTTP/1.1",
    variables: null,
    ...head,
  };
  const wholeClient: Client = {
    address: "192.0.2.7",
    port: "50123",
    isTrusted: false,
    scheme: "http",
    extraEnviron: "",
    listener: tcpListener,
    ...client,
  };
  return cookEnviron({
    head: wholeHead,
    client: wholeClient,
    settings: { ...defaults, ...settings },
    bodyBytes,
  });
}

/** The environ as a worker reads it: an even number of texts, no name twice. */
function cook(request: Cooked): ReadonlyMap<string, string> {
  const parts = cookText(request).split("\0");
  assert.equal(parts.length % 2, 0);
  const environ = new Map<string, string>();
  for (let index = 0; index < parts.length; index += 2) {
    const name = parts[index] ?? "";
    assert.ok(!environ.has(name), `${name} stands there twice`);
    environ.set(name, parts[index + 1] ?? "");
  }
  return environ;
}

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

interface SchemeCase {
  readonly what: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly client?: Partial<Client>;
  readonly settings?: Partial<RouterSettings>;
  readonly scheme: "http" | "https";
}

const trusted = { isTrusted: true };

const schemes: readonly SchemeCase[] = [
  { what: "a trusted peer that says nothing", fields: [], client: trusted, scheme: "http" },
  {
    what: "a trusted X-Forwarded-Proto: https",
    fields: [["X-Forwarded-Proto", "https"]],
    client: trusted,
    scheme: "https",
  },
  {
    what: "a trusted X-Forwarded-Protocol: ssl",
    fields: [["x-forwarded-protocol", "ssl"]],
    client: trusted,
    scheme: "https",
  },
  {
    what: "a trusted X-Forwarded-Ssl: on",
    fields: [["X-FORWARDED-SSL", "on"]],
    client: trusted,
    scheme: "https",
  },
  {
    what: "a trusted X-Forwarded-Proto: http",
    fields: [["X-Forwarded-Proto", "http"]],
    client: trusted,
    scheme: "http",
  },
  {
    what: "a trusted value that is not the secure one",
    fields: [["X-Forwarded-Proto", "https, http"]],
    client: trusted,
    scheme: "http",
  },
  {
    what: "trusted headers that agree",
    fields: [
      ["X-Forwarded-Proto", "https"],
      ["X-Forwarded-Ssl", "on"],
    ],
    client: trusted,
    scheme: "https",
  },
  {
    what: "a header that only resembles a scheme header",
    fields: [
      ["X-Forwarded-Proto", "https"],
      ["constructor", "x"],
    ],
    client: trusted,
    scheme: "https",
  },
  {
    what: "a peer that is not trusted",
    fields: [["X-Forwarded-Proto", "https"]],
    scheme: "http",
  },
  {
    what: "a peer that is not trusted and contradicts itself",
    fields: [
      ["X-Forwarded-Proto", "https"],
      ["X-Forwarded-Ssl", "off"],
    ],
    scheme: "http",
  },
  { what: "a connection that is secure by itself", fields: [], client: { scheme: "https" }, scheme: "https" },
  {
    what: "a trusted header over the scheme of the connection",
    fields: [["X-Forwarded-Proto", "http"]],
    client: { scheme: "https", isTrusted: true },
    scheme: "http",
  },
  {
    what: "a header of the settings alone",
    fields: [["X-Scheme", "TLS"]],
    client: trusted,
    settings: { secureSchemeHeaders: { "x-scheme": "TLS" } },
    scheme: "https",
  },
  {
    what: "a header that the settings have replaced",
    fields: [["X-Forwarded-Proto", "https"]],
    client: trusted,
    settings: { secureSchemeHeaders: { "x-scheme": "TLS" } },
    scheme: "http",
  },
];

for (const { what, fields, client = {}, settings = {}, scheme } of schemes) {
  test(`cookEnviron() takes the scheme ${scheme} from ${what}`, () => {
    assert.equal(cook({ fields, client, settings }).get("wsgi.url_scheme"), scheme);
  });
}

for (const [what, first, second] of [
  ["two headers", ["X-Forwarded-Proto", "https"], ["X-Forwarded-Ssl", "off"]],
  ["one header sent twice", ["X-Forwarded-Proto", "http"], ["X-Forwarded-Proto", "https"]],
] as const) {
  test(`cookEnviron() refuses the request of a trusted peer when ${what} contradict each other`, () => {
    assert.throws(() => cook({ fields: [first, second], client: trusted }), {
      code: "ERR_SCHEME_HEADERS",
      status: 400,
    });
  });
}

interface MountCase {
  readonly scriptName: string;
  readonly path: string;
  /** Null: the request is refused. */
  readonly pathInfo: string | null;
}

const mounts: readonly MountCase[] = [
  { scriptName: "/shop", path: "/shop", pathInfo: "" },
  { scriptName: "/shop", path: "/shop/", pathInfo: "/" },
  { scriptName: "/shop", path: "/shop/cart", pathInfo: "/cart" },
  { scriptName: "/shop", path: "/%73hop/cart", pathInfo: "/cart" },
  { scriptName: "/a/b", path: "/a/b/c", pathInfo: "/c" },
  { scriptName: "/shop", path: "/shopping", pathInfo: null },
  { scriptName: "/shop", path: "/", pathInfo: null },
  { scriptName: "/shop", path: "*", pathInfo: null },
];

for (const { scriptName, path, pathInfo } of mounts) {
  const from = [
    { source: "the settings", request: { settings: { scriptName } } },
    {
      source: "a trusted peer",
      request: { client: trusted, fields: [["SCRIPT_NAME", scriptName]] as const },
    },
  ];
  for (const { source, request } of from) {
    const outcome = pathInfo === null ? "refuses" : `makes it the PATH_INFO "${pathInfo}"`;
    test(`cookEnviron() under the SCRIPT_NAME ${scriptName} of ${source} meets ${path} and ${outcome}`, () => {
      if (pathInfo === null) {
        assert.throws(() => cook({ ...request, head: { path } }), { code: "ERR_SCRIPT_NAME", status: 400 });
        return;
      }
      const environ = cook({ ...request, head: { path } });
      assert.equal(environ.get("SCRIPT_NAME"), scriptName);
      assert.equal(environ.get("PATH_INFO"), pathInfo);
    });
  }
}

test("cookEnviron() takes a trusted SCRIPT_NAME over that of the settings, without its last slash", () => {
  const environ = cook({
    client: trusted,
    fields: [["script_name", "/b/"]],
    settings: { scriptName: "/a" },
    head: { path: "/b/c" },
  });
  assert.equal(environ.get("SCRIPT_NAME"), "/b");
  assert.equal(environ.get("PATH_INFO"), "/c");
  assert.equal(environ.get("HTTP_SCRIPT_NAME"), undefined);
});

test("cookEnviron() takes no SCRIPT_NAME from a peer that is not trusted", () => {
  const environ = cook({ fields: [["SCRIPT_NAME", "/b"]], head: { path: "/b/c" } });
  assert.equal(environ.get("SCRIPT_NAME"), "");
  assert.equal(environ.get("PATH_INFO"), "/b/c");
});

interface UnderscoreCase {
  readonly what: string;
  readonly settings: Partial<RouterSettings>;
  readonly client?: Partial<Client>;
  readonly expected: Readonly<Record<string, string>>;
}

const underscores: readonly UnderscoreCase[] = [
  { what: "drops it", settings: { headerMap: "drop" }, expected: {} },
  {
    what: "passes it on if that is wished",
    settings: { headerMap: "dangerous" },
    expected: { HTTP_REMOTE_USER: "eve" },
  },
  {
    what: "drops it from a peer that is not trusted, though it is a forwarder header",
    settings: { forwarderHeaders: ["REMOTE_USER"] },
    expected: {},
  },
  {
    what: "passes it on from a trusted peer as a forwarder header",
    settings: { forwarderHeaders: ["REMOTE_USER"] },
    client: trusted,
    expected: { HTTP_REMOTE_USER: "eve" },
  },
  {
    what: "passes it on from a trusted peer when all are forwarder headers",
    settings: { forwarderHeaders: ["*"] },
    client: trusted,
    expected: { HTTP_REMOTE_USER: "eve" },
  },
  { what: "drops it from a trusted peer that may not set it", settings: {}, client: trusted, expected: {} },
];

for (const { what, settings, client = {}, expected } of underscores) {
  test(`cookEnviron() meets a header with an underscore and ${what}`, () => {
    const environ = cook({ fields: [["Remote_User", "eve"]], settings, client });
    const added = [...environ].filter(([name]) => name.includes("USER"));
    assert.deepEqual(Object.fromEntries(added), expected);
  });
}

test("cookEnviron() refuses a header with an underscore if that is wished, and tells its name, not its value", () => {
  const request: Cooked = { fields: [["X_Evil", "secret"]], settings: { headerMap: "refuse" } };
  assert.throws(
    () => cook(request),
    (error: unknown) => {
      assert.ok(error instanceof HttpFault);
      assert.equal(error.code, "ERR_HTTP_HEADER_MAP");
      assert.equal(error.status, 400);
      assert.match(error.message, /X_EVIL/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    },
  );
});

interface ServerCase {
  readonly host: string;
  readonly scheme?: "https";
  readonly name: string;
  readonly port: string;
}

const unixServers: readonly ServerCase[] = [
  { host: "a.test", name: "a.test", port: "80" },
  { host: "a.test", scheme: "https", name: "a.test", port: "443" },
  { host: "a.test:8443", name: "a.test", port: "8443" },
  { host: "a.test:8443", scheme: "https", name: "a.test", port: "8443" },
  { host: "a.test:", name: "a.test", port: "80" },
  { host: "192.0.2.1:81", name: "192.0.2.1", port: "81" },
  { host: "[2001:db8::1]", name: "[2001:db8::1]", port: "80" },
  { host: "[2001:db8::1]:81", name: "[2001:db8::1]", port: "81" },
];

for (const { host, scheme = "http", name, port } of unixServers) {
  test(`cookEnviron() on a unix socket takes ${name} and port ${port} from Host: ${host} by ${scheme}`, () => {
    const environ = cook({
      head: { host },
      client: { listener: unixListener, isTrusted: true, address: "", port: "" },
      fields: [["X-Forwarded-Proto", scheme]],
    });
    assert.equal(environ.get("SERVER_NAME"), name);
    assert.equal(environ.get("SERVER_PORT"), port);
    assert.equal(environ.get("REMOTE_ADDR"), "");
    assert.equal(environ.get("REMOTE_PORT"), "");
  });
}

test("cookEnviron() has a SERVER_NAME and a SERVER_PORT on a unix socket without a Host, as PEP 3333 wants", () => {
  const environ = cook({ head: { host: "", version: "HTTP/1.0" }, client: { listener: unixListener } });
  assert.notEqual(environ.get("SERVER_NAME"), undefined);
  assert.notEqual(environ.get("SERVER_PORT") ?? "", "");
});

test("cookEnviron() on TCP takes name and port from the listener, whatever Host says", () => {
  const environ = cook({ head: { host: "evil.test:1" }, fields: [["Host", "evil.test:1"]] });
  assert.equal(environ.get("SERVER_NAME"), "127.0.0.1");
  assert.equal(environ.get("SERVER_PORT"), "8000");
  assert.equal(environ.get("HTTP_HOST"), "evil.test:1");
});
