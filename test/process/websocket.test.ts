import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { ClientConnection, request, type Answer } from "../helpers/client.ts";
import { LOOPBACK, startFixture, startServer, type Server } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { DeniedError, WebSocketClient, type WebSocketOptions } from "../helpers/websocket-client.ts";

const HANDSHAKE = {
  Host: "127.0.0.1",
  Connection: "keep-alive, Upgrade",
  Upgrade: "WebSocket",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version": "13",
};

const WSGI_APPLICATION = `
def app(environ, start_response):
    start_response("200 OK", [])
    return [environ["HTTP_UPGRADE"].lower().encode()]
`;

interface Told {
  readonly client: readonly [string, number];
  readonly server: readonly [string, number];
  readonly headers: readonly (readonly [string, string])[];
}

/** The scope, as the application saw it. */
async function told(client: WebSocketClient): Promise<Told> {
  return JSON.parse((await client.receive()) as string) as Told;
}

function handshake(target: string, fields: Readonly<Record<string, string | null>> = {}): string {
  const lines = Object.entries({ ...HANDSHAKE, ...fields }).flatMap(([name, value]) =>
    value === null ? [] : [`${name}: ${value}\r\n`],
  );
  return `GET ${target} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** The answer to a handshake with further fields, or others; null leaves one out. Of 101 no body is read. */
async function shakeHands(
  t: TestContext,
  { port }: Server,
  fields: Readonly<Record<string, string | null>> = {},
  method = "HEAD",
): Promise<Answer> {
  const connection = await ClientConnection.open(t, port);
  connection.send(handshake("/echo", fields));
  return connection.readAnswer({ method });
}

async function denied(
  t: TestContext,
  server: Server,
  target: string,
  options?: WebSocketOptions,
): Promise<DeniedError> {
  const error = await WebSocketClient.open(t, server.port, target, options).catch(
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof DeniedError, String(error));
  return error;
}

test("a WebSocket", async (t) => {
  const server = await startFixture(t, "websocket_app:app", {
    args: ["-k", "asgi", "--access-logfile", "-", "--websocket-max-message-size", "8388608"],
  });

  await t.test("brings messages of both kinds and all sizes to the application and back", async (t) => {
    const client = await WebSocketClient.open(t, server.port, "/echo");
    for (const size of [0, 1, 125, 126, 65_535, 65_536, 300_000, 8_000_000]) {
      const bytes = Buffer.alloc(size, "0123456789");
      client.send(bytes);
      assert.ok(bytes.equals((await client.receive()) as Buffer), `${size} bytes`);
      const text = bytes.toString("utf8");
      client.send(text);
      assert.ok((await client.receive()) === text, `${size} letters`);
    }
    client.socket.close(3000, "enough");
    assert.deepEqual(await client.waitUntilClosed(), { code: 3000, reason: "enough" });
    await server.waitForLine(/\/echo: websocket.disconnect 3000 'enough'/);
    await server.waitForLine(/"GET \/echo HTTP\/1\.1" 101 /);
  });

  await t.test("gets the answer of RFC 6455 section 1.3 to its handshake", async (t) => {
    const { status, reason, headers } = await shakeHands(t, server);
    assert.deepEqual([status, reason], [101, "Switching Protocols"]);
    assert.equal(headers.get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert.equal(headers.get("upgrade"), "websocket");
  });

  await t.test("of another version than 13 is answered by 426, which names the version", async (t) => {
    const { status, headers } = await shakeHands(t, server, { "Sec-WebSocket-Version": "12" });
    assert.deepEqual([status, headers.get("sec-websocket-version")], [426, "13"]);
  });

  for (const [what, fields] of [
    ["without a key", { "Sec-WebSocket-Key": null }],
    ["with two keys", { "sec-websocket-key": HANDSHAKE["Sec-WebSocket-Key"] }],
    ["with a short key", { "Sec-WebSocket-Key": "c2hvcnQ=" }],
    ["with subprotocols that are no tokens", { "Sec-WebSocket-Protocol": "a b" }],
    ["with a subprotocol twice", { "Sec-WebSocket-Protocol": "chat, chat" }],
  ] as const) {
    await t.test(`${what} is answered by 400`, async (t) => {
      assert.equal((await shakeHands(t, server, fields)).status, 400);
    });
  }

  for (const [what, fields] of [
    ["to another protocol", { Upgrade: "h2c" }],
    ["that Connection does not name", { Connection: "keep-alive" }],
    ["with a body", { "Content-Length": "1" }],
    ["in HTTP/1.0", {}],
  ] as const) {
    await t.test(`is not asked for by an upgrade ${what}: the application gets a request`, async (t) => {
      const version = what === "in HTTP/1.0" ? "1.0" : "1.1";
      const connection = await ClientConnection.open(t, server.port);
      connection.send(handshake("/seen", fields).replace("HTTP/1.1", `HTTP/${version}`));
      connection.send("x");
      assert.equal((await connection.readAnswer()).status, 200);
    });
  }

  await t.test("gets the subprotocol and the headers that the application chooses", async (t) => {
    const subprotocols = ["x", "chat"];
    const client = await WebSocketClient.open(t, server.port, "/told?subprotocol=chat", { subprotocols });
    assert.equal(client.socket.protocol, "chat");
    assert.equal(client.headers["x-first"], "one");
    assert.equal(client.headers["x-second"], "zwei \u00e4");
    const { client: address, server: own, headers, ...scope } = await told(client);
    assert.deepEqual(scope, {
      type: "websocket",
      asgi: { version: "3.0", spec_version: "2.4" },
      http_version: "1.1",
      scheme: "ws",
      path: "/told",
      raw_path: "/told",
      query_string: "subprotocol=chat",
      root_path: "",
      subprotocols,
      state: { greeting: "from the lifespan" },
      extensions: { "websocket.http.response": {} },
    });
    assert.equal(address[0], "127.0.0.1");
    assert.deepEqual(own, ["127.0.0.1", server.port]);
    assert.ok(headers.some(([name, value]) => name === "sec-websocket-protocol" && value === "x,chat"));
    client.socket.close();
    await server.waitForLine(/\/told: websocket.disconnect 1005 ''/);
  });

  await t.test("that the application closes before it accepts is answered by 403", async (t) => {
    const { response } = await denied(t, server, "/reject");
    assert.equal(response.statusCode, 403);
    await server.waitForLine(/\/reject: websocket.disconnect 1006 None/);
  });

  await t.test("may be denied with a response of the application's own", async (t) => {
    const { response, text } = await denied(t, server, "/deny");
    assert.deepEqual(
      [response.statusCode, response.headers["www-authenticate"], text],
      [401, "Basic", "who are you?"],
    );
    await server.waitForLine(/\/deny: websocket.disconnect 1006 None/);
  });

  for (const [target, closed] of [
    ["/close", { code: 1000, reason: "" }],
    ["/close?code=1003&reason=gr%C3%BCn", { code: 1003, reason: "gr\u00fcn" }],
    ["/close?code=4999", { code: 4999, reason: "" }],
    ["/leave", { code: 1000, reason: "" }],
  ] as const) {
    await t.test(`is closed as the application says: ${target}`, async (t) => {
      const client = await WebSocketClient.open(t, server.port, target);
      assert.deepEqual(await client.waitUntilClosed(), closed);
    });
  }

  await t.test("whose client vanishes is told to the application as 1006", async (t) => {
    const before = server.lines.length;
    const client = await WebSocketClient.open(t, server.port, "/echo");
    client.socket.terminate();
    await server.waitForLine(/\/echo: websocket.disconnect 1006 ''/, { from: before });
  });

  await t.test("whose client vanishes in the handshake is told to the application as 1006", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.send(handshake("/late"));
    await server.waitForLine(/\/late: began/);
    connection.destroy();
    await request(server.port, "/release");
    await server.waitForLine(/\/late: websocket.disconnect 1006 ''/);
  });

  await t.test("is closed with 1009 for a message above websocket_max_message_size", async (t) => {
    const client = await WebSocketClient.open(t, server.port, "/echo");
    client.send(Buffer.alloc(8_388_609));
    assert.equal((await client.waitUntilClosed()).code, 1009);
  });

  await t.test("is closed with 1009 for a message that is above it when it is decompressed", async (t) => {
    const before = server.lines.length;
    const client = await WebSocketClient.open(t, server.port, "/echo", {
      perMessageDeflate: { threshold: 0 },
    });
    assert.match(client.headers["sec-websocket-extensions"] ?? "", /^permessage-deflate/);
    client.send(Buffer.alloc(8_388_608));
    assert.equal(((await client.receive()) as Buffer).length, 8_388_608);
    client.send(Buffer.alloc(100_000_000));
    assert.equal((await client.waitUntilClosed()).code, 1009);
    await server.waitForLine(/\/echo: websocket.disconnect 1009/, { from: before });
  });

  await t.test("is opened without compression where the offer of it makes no sense", async (t) => {
    const offers = { "Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=99" };
    const { status, headers } = await shakeHands(t, server, offers);
    assert.deepEqual([status, headers.get("sec-websocket-extensions")], [101, undefined]);
  });

  assert.doesNotMatch(server.text, /\[ERROR\]|Traceback/);

  for (const [target, line] of [
    ["/fail", /RuntimeError: failed as asked/],
    ["/close?code=1005", /refused: the close code 1005 cannot be sent/],
    ["/close?code=999", /refused: the close code 999 cannot be sent/],
    [`/close?reason=${"r".repeat(124)}`, /refused: the reason of a close is 124 bytes/],
  ] as const) {
    await t.test(`is closed with 1011 when the application raises: ${target.slice(0, 16)}`, async (t) => {
      const client = await WebSocketClient.open(t, server.port, target);
      assert.equal((await client.waitUntilClosed()).code, 1011);
      await server.waitForLine(line);
    });
  }

  for (const target of ["/fail?early=1", "/silent"]) {
    await t.test(`is answered by 500 when the application does not answer: ${target}`, async (t) => {
      const { response } = await denied(t, server, target);
      assert.equal(response.statusCode, 500);
    });
  }
});

test("a request for a WebSocket is an ordinary one to a WSGI application", async (t) => {
  const cwd = await temporaryFolder(t, { "plain.py": WSGI_APPLICATION });
  const server = await startServer(t, { cwd, args: [...LOOPBACK, "plain:app"] });
  const { status, text } = await shakeHands(t, server, {}, "GET");
  assert.deepEqual([status, text], [200, "websocket"]);
});
