import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { ClientConnection, type Answer } from "../helpers/client.ts";
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

/** The answer to a handshake with further fields, or others; null leaves one out. Of 101 no body is read. */
async function shakeHands(
  t: TestContext,
  { port }: Server,
  fields: Readonly<Record<string, string | null>> = {},
  method = "HEAD",
): Promise<Answer> {
  const connection = await ClientConnection.open(t, port);
  const lines = Object.entries({ ...HANDSHAKE, ...fields }).flatMap(([name, value]) =>
    value === null ? [] : [`${name}: ${value}\r\n`],
  );
  connection.send(`GET /echo HTTP/1.1\r\n${lines.join("")}\r\n`);
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
    ["with a short key", { "Sec-WebSocket-Key": "c2hvcnQ=" }],
    ["with subprotocols that are no tokens", { "Sec-WebSocket-Protocol": "a b" }],
    ["with a subprotocol twice", { "Sec-WebSocket-Protocol": "chat, chat" }],
  ] as const) {
    await t.test(`${what} is answered by 400`, async (t) => {
      assert.equal((await shakeHands(t, server, fields)).status, 400);
    });
  }

  await t.test("that the application closes before it accepts is answered by 403", async (t) => {
    const { response } = await denied(t, server, "/reject");
    assert.equal(response.statusCode, 403);
  });

  assert.doesNotMatch(server.text, /\[ERROR\]|Traceback/);
});

test("a request for a WebSocket is an ordinary one to a WSGI application", async (t) => {
  const cwd = await temporaryFolder(t, { "plain.py": WSGI_APPLICATION });
  const server = await startServer(t, { cwd, args: [...LOOPBACK, "plain:app"] });
  const { status, text } = await shakeHands(t, server, {}, "GET");
  assert.deepEqual([status, text], [200, "websocket"]);
});
