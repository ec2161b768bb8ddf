import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";

import { parseEcho } from "../helpers/bodies.ts";
import { ClientConnection, request } from "../helpers/client.ts";
import { startTemplateNginx, withoutStream } from "../helpers/nginx.ts";
import { addressBlock, binaryPreamble, startPreambleProxy } from "../helpers/preamble-proxy.ts";
import { LOOPBACK, startFixture, startServer } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const CLIENT = "203.0.113.7";
const LINE = `PROXY TCP4 ${CLIENT} 192.0.2.1 56324 443\r\n`;
const LINE_OF_IPV6 = "PROXY TCP6 2001:DB8:0:0::7 ::1 56324 443\r\n";
const BINARY = binaryPreamble({ block: addressBlock([203, 0, 113, 7], [192, 0, 2, 1], 56324, 443) });
const LOCAL = binaryPreamble({ command: 0x20, family: 0, block: Buffer.alloc(0) });

/** An application that answers with all texts of its environ. */
const ENVIRON_APPLICATION = `
import json

def application(environ, start_response):
    texts = {name: value for name, value in environ.items() if isinstance(value, str)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(texts).encode()]
`;

async function environOf(t: TestContext, args: readonly string[], preamble: string): Promise<unknown> {
  const cwd = await temporaryFolder(t, { "texts.py": ENVIRON_APPLICATION });
  const server = await startServer(t, { cwd, args: [...LOOPBACK, ...args, "texts"] });
  const port = await startPreambleProxy(t, server.port, preamble);
  return JSON.parse((await request(port, "/")).text);
}

const accepted: readonly (readonly [mode: string, what: string, Buffer | string, client: string])[] = [
  ["v1", "version 1", LINE, CLIENT],
  ["v1", "version 1 of an IPv6 client", LINE_OF_IPV6, "2001:db8::7"],
  ["v2", "version 2", BINARY, CLIENT],
  ["auto", "version 1", LINE, CLIENT],
  ["auto", "version 2", BINARY, CLIENT],
  ["auto", "version 1 of nobody", "PROXY UNKNOWN\r\n", "127.0.0.1"],
  ["auto", "version 2 of the proxy itself", LOCAL, "127.0.0.1"],
];
for (const [mode, what, preamble, client] of accepted) {
  test(`--proxy-protocol ${mode} takes a preamble of ${what}`, async (t) => {
    const server = await startFixture(t, "echo", { args: ["--proxy-protocol", mode] });
    const port = await startPreambleProxy(t, server.port, preamble);
    const connection = await ClientConnection.open(t, port);
    for (const path of ["/first", "/second", "/third"]) {
      const echo = parseEcho(await connection.request(path));
      assert.deepEqual([echo.path, echo.client], [path, client]);
      if (client !== "127.0.0.1") assert.equal(echo.client_port, "56324");
    }
  });
}

test("a PROXY preamble may come in single octets, together with a request", async (t) => {
  const server = await startFixture(t, "echo", { args: ["--proxy-protocol", "auto"] });
  const connection = await ClientConnection.open(t, server.port);
  const head = `${LINE}GET /slow HTTP/1.1\r\nHost: a\r\n\r\n`;
  for (const octet of head) {
    connection.send(octet);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(parseEcho(await connection.readAnswer()).client, CLIENT);
});

const refused: readonly (readonly [mode: string, what: string, Buffer | string])[] = [
  ["v1", "no preamble", ""],
  ["v2", "no preamble", ""],
  ["auto", "no preamble", ""],
  ["v1", "a preamble of version 2", BINARY],
  ["v2", "a preamble of version 1", LINE],
  ["auto", "a preamble of version 1 that is none", "PROXY TCP4 1.2.3 192.0.2.1 1 2\r\n"],
  ["auto", "a preamble of version 2 that is none", binaryPreamble({ command: 0x22 })],
  ["auto", "two preambles", LINE + LINE],
];
for (const [mode, what, bytes] of refused) {
  test(`--proxy-protocol ${mode} answers 400 to ${what}, and serves on`, async (t) => {
    const server = await startFixture(t, "echo", { args: ["--proxy-protocol", mode] });
    const port = await startPreambleProxy(t, server.port, bytes);
    const answer = await request(port, "/");
    assert.equal(answer.status, 400);
    assert.doesNotMatch(answer.text, /203\.0\.113/);
    const good = await startPreambleProxy(t, server.port, mode === "v2" ? BINARY : LINE);
    assert.equal(parseEcho(await request(good, "/")).client, CLIENT);
  });
}

test("without --proxy-protocol a preamble is a bad request", async (t) => {
  const server = await startFixture(t, "echo");
  for (const preamble of [LINE, BINARY]) {
    const port = await startPreambleProxy(t, server.port, preamble);
    assert.equal((await request(port, "/")).status, 400);
  }
});

test("a peer that --proxy-allow-from does not name gets 403, whatever it says", async (t) => {
  const args = ["--proxy-protocol", "auto", "--proxy-allow-from", "192.0.2.0/24"];
  const server = await startFixture(t, "echo", { args });
  for (const preamble of [LINE, BINARY]) {
    const port = await startPreambleProxy(t, server.port, preamble);
    assert.equal((await request(port, "/")).status, 403);
  }
});

for (const allowed of ["127.0.0.0/8", "192.0.2.1,127.0.0.1", "*"]) {
  test(`--proxy-allow-from ${allowed} lets a proxy on this machine name its client`, async (t) => {
    const args = ["--proxy-protocol", "v1", "--proxy-allow-from", allowed];
    const server = await startFixture(t, "echo", { args });
    const port = await startPreambleProxy(t, server.port, LINE);
    assert.equal(parseEcho(await request(port, "/")).client, CLIENT);
  });
}

test("a client behind a PROXY proxy is not trusted for being relayed by a trusted peer", async (t) => {
  const headers = { "X-Forwarded-Proto": "https" };
  const plain = await startFixture(t, "echo", { args: ["--proxy-protocol", "auto"] });
  const port = await startPreambleProxy(t, plain.port, LINE);
  assert.equal(parseEcho(await request(port, "/", { headers })).scheme, "http");
  const args = ["--proxy-protocol", "auto", "--forwarded-allow-ips", CLIENT];
  const trusting = await startFixture(t, "echo", { args });
  const trustedPort = await startPreambleProxy(t, trusting.port, LINE);
  assert.equal(parseEcho(await request(trustedPort, "/", { headers })).scheme, "https");
});

test("the environ says what the PROXY preamble said, under Gunicorn's names", async (t) => {
  const environ = await environOf(t, ["--proxy-protocol", "auto"], LINE);
  const expected = {
    PROXY_PROTOCOL: "TCP4",
    PROXY_ADDR: "192.0.2.1",
    PROXY_PORT: "443",
    REMOTE_ADDR: CLIENT,
    REMOTE_PORT: "56324",
  };
  assert.deepEqual({ ...(environ as object), ...expected }, environ);
});

test(
  "behind nginx as a proxy of bytes, clients are named by its PROXY preamble",
  { skip: withoutStream },
  async (t) => {
    for (const mode of ["v1", "auto"]) {
      const server = await startFixture(t, "echo", { args: ["--proxy-protocol", mode] });
      const port = await startTemplateNginx(t, "proxy-protocol", server.port);
      const connection = await ClientConnection.open(t, port);
      const ports = new Set<string>();
      for (let number = 0; number < 20; number += 1) {
        const echo = parseEcho(await connection.request(`/?${number}`));
        assert.deepEqual([echo.client, echo.query], ["127.0.0.1", String(number)]);
        ports.add(echo.client_port);
      }
      assert.equal(ports.size, 1);
    }
  },
);
