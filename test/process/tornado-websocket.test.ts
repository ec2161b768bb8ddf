import assert from "node:assert/strict";
import { test } from "node:test";

import { countingBytes } from "../helpers/bodies.ts";
import { request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { startFixture } from "../helpers/server.ts";
import { DeniedError, WebSocketClient } from "../helpers/websocket-client.ts";

const TORNADO = ["-k", "tornado"] as const;

test("Tornado's WebSocketHandler", async (t) => {
  const server = await startFixture(t, "tornado_chat:app", { args: [...TORNADO, "--access-logfile", "-"] });
  const open = (target: string, subprotocols: readonly string[] = []): Promise<WebSocketClient> =>
    WebSocketClient.open(t, server.port, target, { subprotocols });

  await t.test("opens with path arguments and a subprotocol, and tells everybody", async () => {
    const [one, two] = [await open("/socket/one", ["other", "chat"]), await open("/socket/two")];
    assert.equal(one.socket.protocol, "chat");
    assert.deepEqual(JSON.parse(String(await one.receive())), { room: "one", subprotocol: "chat" });
    assert.deepEqual(JSON.parse(String(await two.receive())), { room: "two", subprotocol: null });
    one.send("hellö");
    assert.equal(await one.receive(), "one: hellö");
    assert.equal(await two.receive(), "one: hellö");
    one.socket.close(1000, "enough");
    assert.deepEqual(await one.waitUntilClosed(), { code: 1000, reason: "enough" });
    await server.waitForLine(/^closed with 1000 enough/);
    two.socket.terminate();
    await server.waitForLine(/^closed with None None/);
    await server.waitForLine(/^0 are left/);
  });

  await t.test("gets and sends messages larger than a window", async () => {
    const client = await open("/socket/large");
    await client.receive();
    const message = countingBytes(3_000_000);
    for (let count = 0; count < 3; count += 1) client.send(message);
    for (let count = 0; count < 3; count += 1) {
      assert.deepEqual(await client.receive(), message);
    }
  });

  await t.test("closes with a code and a reason", async () => {
    const client = await open("/socket/close");
    await client.receive();
    client.send("close");
    assert.deepEqual(await client.waitUntilClosed(), { code: 4001, reason: "as you wish" });
    await server.waitForLine(/^closed with 4001 as you wish/);
  });

  await t.test("that raises closes with 1011, and the log shows where", async () => {
    const client = await open("/socket/raise");
    await client.receive();
    client.send("raise");
    assert.equal((await client.waitUntilClosed()).code, 1011);
    await server.waitForLine(/RuntimeError: the socket raises/);
  });

  await t.test("may deny the handshake, for a reason of its own or for the origin", async () => {
    const isDenied = (failure: unknown): boolean =>
      failure instanceof DeniedError && failure.response.statusCode === 403;
    await assert.rejects(open("/socket/x?denied=1"), isDenied);
    const foreign = WebSocketClient.open(t, server.port, "/socket/x", { origin: "http://elsewhere.test" });
    await assert.rejects(foreign, isDenied);
  });

  await t.test(
    "pings its client, and hears of pings and pongs in their order among the messages",
    async () => {
      const client = await open("/pinging");
      const pinged = new Promise<string>((resolve) =>
        client.socket.once("ping", (data) => resolve(data.toString())),
      );
      client.send("are you there?");
      assert.equal(
        await withDeadline(pinged, { deadlineMs: ANSWER_DEADLINE_MS, what: "a ping" }),
        "are you there?",
      );
      assert.equal(await client.receive(), "pong are you there?");
      client.socket.ping("and you?");
      client.socket.pong("unasked");
      assert.equal(await client.receive(), "ping and you?");
      assert.equal(await client.receive(), "pong unasked");
      client.send("x".repeat(126));
      assert.equal(await client.receive(), "a ping carries 126 bytes, want at most 125");
    },
  );

  await t.test(
    "has the settings of the server, and a warning tells of those of the application",
    async () => {
      await server.waitForLine(
        /\[WARNING\] websocket_ping_interval of the Tornado application is 5, but that of the server counts, which is 20: use --websocket-ping-interval$/,
      );
      assert.doesNotMatch(server.text, /websocket_ping_timeout of the Tornado application/);
    },
  );

  await t.test("answers 400 to a request that is no handshake", async () => {
    assert.equal((await request(server.port, "/socket/x")).status, 400);
  });

  await t.test("is closed with 1012 by a reload and with 1001 by a stop, and hears of it", async () => {
    const first = await open("/socket/first");
    await first.receive();
    server.signal("SIGHUP");
    assert.equal((await first.waitUntilClosed()).code, 1012);
    await server.waitForLine(/Reloaded/);
    const second = await open("/socket/second");
    await second.receive();
    assert.deepEqual(await server.stop(), { status: 0, signal: null });
    assert.equal((await second.waitUntilClosed()).code, 1001);
    await server.waitForLine(/^closed with 1001/);
    assert.doesNotMatch(server.text, /destroyed|never awaited|was never retrieved|Exception in callback/);
  });
});
