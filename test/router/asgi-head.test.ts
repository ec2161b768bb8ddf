import assert from "node:assert/strict";
import { test } from "node:test";

import { makeRouterSettings } from "../../src/arbiter/router-settings.ts";
import { resolveSettings } from "../../src/config/layers.ts";
import { defaultHttpLimits } from "../../src/http/limits.ts";
import { RequestParser } from "../../src/http/request-parser.ts";
import { cookAsgiHead } from "../../src/router/asgi-head.ts";
import { type Client, TrustedPeers } from "../../src/router/client.ts";
import type { InheritedListener } from "../../src/router/messages.ts";

const settings = makeRouterSettings(resolveSettings([]), {});
const listener: InheritedListener = {
  id: 4,
  url: "http://127.0.0.1:8000",
  serverName: "127.0.0.1",
  serverPort: "8000",
  backlog: 16,
};
const peer: Client = {
  address: "10.0.0.1",
  port: "4000",
  isTrusted: true,
  scheme: "http",
  extraEnviron: "",
  listener,
};
/** Front servers: the peer itself, and another one before it. */
const trustedPeers = new TrustedPeers(["10.0.0.0/24", "2001:db8::1"]);

interface Asked {
  readonly line?: string;
  readonly fields?: readonly string[];
  readonly client?: Partial<Client>;
  readonly rootPath?: string;
  readonly takesForwardedClient?: boolean;
  readonly isWebSocket?: boolean;
}

/** What an ASGI worker is told of a request, by name. */
function told({ line = "GET / HTTP/1.1", isWebSocket = false, ...asked }: Asked) {
  const parser = new RequestParser(defaultHttpLimits);
  parser.feed(Buffer.from([line, "Host: a.test", ...(asked.fields ?? []), "", ""].join("\r\n"), "latin1"));
  const event = parser.next();
  assert.ok(event?.type === "head", JSON.stringify(event));
  const { rootPath = "", takesForwardedClient = false } = asked;
  const application = { ...settings.application, rootPath, takesForwardedClient };
  const text = cookAsgiHead({
    head: event.head,
    client: { ...peer, ...asked.client },
    settings: { ...settings, application },
    trustedPeers,
    isWebSocket,
  });
  const [method, version, scheme, root, path, query, ...rest] = text.split("\0");
  const [client, clientPort, server, serverPort, ...fields] = rest;
  return { method, version, scheme, root, path, query, client, clientPort, server, serverPort, fields };
}

test("cookAsgiHead() tells line, client, server and fields of a request", () => {
  const { fields, ...line } = told({ line: "GET /a%20b?c=d HTTP/1.1", fields: ["X-A: 1", "x-a: 2"] });
  assert.deepEqual(line, {
    method: "GET",
    version: "1.1",
    scheme: "http",
    root: "",
    path: "/a%20b",
    query: "c=d",
    client: "10.0.0.1",
    clientPort: "4000",
    server: "127.0.0.1",
    serverPort: "8000",
  });
  assert.deepEqual(fields, ["host", "a.test", "x-a", "1", "x-a", "2"]);
});

test("cookAsgiHead() tells the authority of an absolute target as the host, whatever the field says", () => {
  const { fields, path } = told({ line: "GET http://real.test/x HTTP/1.1" });
  assert.deepEqual([fields, path], [["host", "real.test"], "/x"]);
});

for (const { field, isTrusted, isWebSocket, scheme } of [
  { field: "X-Forwarded-Proto: https", isTrusted: true, isWebSocket: false, scheme: "https" },
  { field: "X-Forwarded-Proto: https", isTrusted: true, isWebSocket: true, scheme: "wss" },
  { field: "X-Forwarded-Proto: http", isTrusted: true, isWebSocket: true, scheme: "ws" },
  { field: "X-Forwarded-Proto: https", isTrusted: false, isWebSocket: false, scheme: "http" },
]) {
  test(`cookAsgiHead() takes ${scheme} from ${field} of a peer that is ${isTrusted ? "" : "not "}trusted`, () => {
    assert.equal(told({ fields: [field], client: { isTrusted }, isWebSocket }).scheme, scheme);
  });
}

for (const [list, client, port] of [
  ["203.0.113.7", "203.0.113.7", "0"],
  ["203.0.113.7:5000", "203.0.113.7", "5000"],
  ["[2001:db8::7]:5000", "2001:db8::7", "5000"],
  ["2001:db8::7", "2001:db8::7", "0"],
  // What stands before the last one that is not trusted may be made up.
  ["192.0.2.66, 203.0.113.7, 10.0.0.2", "203.0.113.7", "0"],
  ["203.0.113.7, 2001:db8::1", "203.0.113.7", "0"],
  ["10.0.0.3, 10.0.0.2", "10.0.0.3", "0"],
  ["", "10.0.0.1", "4000"],
] as const) {
  test(`cookAsgiHead() finds the client ${client} in X-Forwarded-For: ${list}, where it is taken`, () => {
    const asked = { fields: [`X-Forwarded-For: ${list}`], takesForwardedClient: true };
    const found = told(asked);
    assert.deepEqual([found.client, found.clientPort], [client, port]);
    const untrusted = told({ ...asked, client: { isTrusted: false } });
    assert.deepEqual([untrusted.client, untrusted.clientPort], ["10.0.0.1", "4000"]);
    const notTaken = told({ ...asked, takesForwardedClient: false });
    assert.deepEqual([notTaken.client, notTaken.clientPort], ["10.0.0.1", "4000"]);
  });
}

test("cookAsgiHead() reads several X-Forwarded-For fields as one list", () => {
  const fields = ["X-Forwarded-For: 192.0.2.66", "X-Forwarded-For: 203.0.113.7, 10.0.0.2"];
  assert.equal(told({ fields, takesForwardedClient: true }).client, "203.0.113.7");
});

test("cookAsgiHead() names nobody for a client on a unix socket, and the socket as the server", () => {
  const unix = { ...listener, url: "unix:/run/caf\u00e9.sock", serverName: null, serverPort: null };
  const found = told({ client: { address: "", port: "", listener: unix } });
  assert.deepEqual([found.client, found.clientPort], ["", ""]);
  assert.deepEqual([found.server, found.serverPort], ["/run/caf\u00c3\u00a9.sock", ""]);
});

for (const [rootPath, target, path] of [
  ["", "/cart", "/cart"],
  ["/shop", "/shop/cart", "/shop/cart"],
  ["/shop", "/shop", "/shop"],
  ["/shop", "/cart", "/shop/cart"],
  ["/shop", "/shopping", "/shop/shopping"],
] as const) {
  test(`cookAsgiHead() under "${rootPath}" tells ${target} as ${path}`, () => {
    const found = told({ line: `GET ${target} HTTP/1.1`, rootPath });
    assert.deepEqual([found.root, found.path], [rootPath, path]);
  });
}

test("cookAsgiHead() leaves the asterisk of OPTIONS alone", () => {
  assert.equal(told({ line: "OPTIONS * HTTP/1.1", rootPath: "/shop" }).path, "*");
});

test("cookAsgiHead() takes SCRIPT_NAME from a trusted peer, where the path lies under it", () => {
  const asked = { line: "GET /shop/cart HTTP/1.1", fields: ["SCRIPT_NAME: /shop/"], rootPath: "/other" };
  const found = told(asked);
  assert.deepEqual([found.root, found.path], ["/shop", "/shop/cart"]);
  // The application is given the field as well.
  assert.deepEqual(found.fields, ["host", "a.test", "script_name", "/shop/"]);
  assert.equal(told({ ...asked, client: { isTrusted: false } }).root, "/other");
  assert.throws(() => told({ ...asked, line: "GET /shopping HTTP/1.1" }), { code: "ERR_SCRIPT_NAME" });
});
