import assert from "node:assert/strict";
import { test } from "node:test";

import { HttpFault } from "../../src/http/http-fault.ts";
import type { Client } from "../../src/router/client.ts";
import type { RouterSettings } from "../../src/router/messages.ts";
import { cook, type Cooked } from "./cooked-environ.ts";

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
  // Applications that mount themselves read it.
  assert.equal(environ.get("HTTP_SCRIPT_NAME"), "/b/");
});

test("cookEnviron() takes the SCRIPT_NAME of a front server's variables, without its last slash", () => {
  const variables = new Map([["SCRIPT_NAME", "/b/"]]);
  const environ = cook({ settings: { scriptName: "/a" }, head: { path: "/b/c", variables } });
  assert.equal(environ.get("SCRIPT_NAME"), "/b");
  assert.equal(environ.get("PATH_INFO"), "/c");
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
