import assert from "node:assert/strict";
import { test } from "node:test";

import { request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue, withDeadline } from "../helpers/deadlines.ts";
import { seen } from "../helpers/seen.ts";
import { startFixture } from "../helpers/server.ts";
import { WebSocketClient } from "../helpers/websocket-client.ts";
import { encodeFrame, type FrameCase } from "../websocket/frames.ts";
import { RawClient } from "../websocket/raw-client.ts";

const MIB = 1024 * 1024;

/** Awaits that a number is above 0 and has not changed for a while of looking at it. */
async function untilStill(measure: () => number | Promise<number>, what: string): Promise<number> {
  let last = 0;
  let sameFor = 0;
  await untilTrue(
    async () => {
      const now = await measure();
      sameFor = now === last && now > 0 ? sameFor + 1 : 0;
      last = now;
      return sameFor >= 20;
    },
    { deadlineMs: ANSWER_DEADLINE_MS, what: () => `${what} to stand still, last ${last}` },
  );
  return last;
}

test("a WebSocket", async (t) => {
  const server = await startFixture(t, "websocket_app:app", {
    args: ["-k", "asgi", "--asgi-loop", "asyncio"],
  });

  for (const size of [1024, MIB]) {
    await t.test(
      `whose client does not read holds back the application's send() of ${size} bytes`,
      async (t) => {
        const before = await seen(server, "poured");
        const ended = await seen(server, "pouring ended");
        const client = await WebSocketClient.open(t, server.port, `/pour?size=${size}`);
        client.socket.pause();
        const messages = (await untilStill(() => seen(server, "poured"), "the application")) - before;
        // What the sockets' buffers hold comes to the windows, and to the rest of a message.
        assert.ok(messages * size < 24 * MIB, `${messages} messages`);

        const other = await WebSocketClient.open(t, server.port, "/echo");
        other.send("meanwhile");
        assert.equal(await other.receive(), "meanwhile");

        client.socket.resume();
        for (let count = 0; count < messages + 3; count += 1)
          assert.equal(((await client.receive()) as Buffer).length, size);
        client.socket.terminate();
        await untilTrue(async () => (await seen(server, "pouring ended")) > ended, {
          deadlineMs: ANSWER_DEADLINE_MS,
          what: "the application to hear that its client is gone",
        });
      },
    );
  }

  await t.test("whose application does not receive is not read from", async (t) => {
    const client = await WebSocketClient.open(t, server.port, "/hold");
    const piece = Buffer.alloc(64 * 1024, "p");
    const total = 32 * MIB;
    for (let sent = 0; sent < total; sent += piece.length) client.send(piece);
    client.send("over");
    const unsent = await untilStill(() => client.socket.bufferedAmount, "the client");
    assert.ok(unsent > 16 * MIB, `only ${unsent} bytes are held back`);

    const other = await WebSocketClient.open(t, server.port, "/echo");
    other.send("meanwhile");
    assert.equal(await other.receive(), "meanwhile");

    await request(server.port, "/release");
    assert.equal(await client.receive(), String(total));
    client.socket.close();
    assert.equal((await client.waitUntilClosed()).code, 1005);
  });
});

test("more WebSockets than zlib is kept for compress and decompress one message after another", async (t) => {
  const server = await startFixture(t, "websocket_app:app", { args: ["-k", "asgi"] });
  const clients = await Promise.all(
    Array.from({ length: 150 }, () =>
      WebSocketClient.open(t, server.port, "/echo", { perMessageDeflate: { threshold: 0 } }),
    ),
  );
  for (let round = 0; round < 4; round += 1) {
    await Promise.all(
      clients.map(async (client, number) => {
        const message = `${round} ${number} `.repeat(500);
        client.send(message);
        assert.ok((await client.receive()) === message);
      }),
    );
  }
});

test("a WebSocket is pinged, and cut off when its client does not answer", async (t) => {
  const server = await startFixture(t, "websocket_app:app", {
    args: [
      "-k",
      "asgi",
      "--websocket-ping-interval",
      "1",
      "--websocket-ping-timeout",
      "1",
      "--no-websocket-compression",
    ],
  });
  const silent = await WebSocketClient.open(t, server.port, "/echo?silent", { autoPong: false });
  const alive = await WebSocketClient.open(t, server.port, "/echo?alive", { perMessageDeflate: true });
  assert.equal(alive.socket.extensions, "");
  let pings = 0;
  alive.socket.on("ping", () => (pings += 1));
  await server.waitForLine(/\/echo: websocket.disconnect 1006 ''/);
  assert.equal((await silent.waitUntilClosed()).code, 1006);
  await untilTrue(() => pings >= 4, { deadlineMs: ANSWER_DEADLINE_MS, what: "4 pings" });
  alive.send("still here");
  assert.equal(await alive.receive(), "still here");
});

test("websocket_max_message_rate: a WebSocket whose client sends more", async (t) => {
  const args = ["-k", "asgi", "--websocket-max-message-rate", "3"];
  const server = await startFixture(t, "websocket_app:app", { args });
  const text = (fin: boolean): FrameCase => ({ op: "text", text: "x", fin });
  const more = (fin: boolean): FrameCase => ({ op: "continuation", text: "x", fin });
  const message = text(true);
  const ping: FrameCase = { op: "ping", text: "x" };
  const pong: FrameCase = { op: "pong", text: "x" };

  for (const [what, frames, closes, taken] of [
    ["messages", [message, message, message, message, message], true, 3],
    ["empty messages", Array.from({ length: 4 }, (): FrameCase => ({ op: "binary" })), true, 3],
    ["pings", [ping, ping, ping, ping], true, 0],
    ["pongs", [pong, pong, pong, pong], true, 0],
    ["messages, pings and pongs", [message, ping, pong, message], true, 1],
    ["pings amid the fragments of a message", [text(false), ping, ping, ping, ping, more(true)], true, 0],
    ["messages of several fragments", [1, 2, 3, 4].flatMap(() => [text(false), more(true)]), true, 3],
    [
      "fragments, not messages",
      [text(false), ...Array.from({ length: 50 }, () => more(false)), more(true)],
      false,
      1,
    ],
    ["nothing more, but just so many", [message, ping, message], false, 2],
  ] as const) {
    await t.test(`that is ${what}: ${closes ? "is closed with 1008" : "stays open"}`, async () => {
      const [before, echoed] = [server.lines.length, await seen(server, "echoed")];
      const client = new RawClient(server.port);
      const until = (holds: () => boolean, what: string): Promise<void> =>
        withDeadline(client.until(holds), { deadlineMs: ANSWER_DEADLINE_MS, what });
      try {
        client.shakeHands(undefined);
        await until(() => client.head !== "", "the answer");
        // In one write, so that they come at once.
        client.send(Buffer.concat(frames.map(encodeFrame)));
        const answers = (): number => client.frames.filter(({ opcode }) => opcode <= 2).length;
        await until(() => client.closeFrame !== undefined || (!closes && answers() === taken), "the outcome");
        assert.equal(client.closeFrame !== undefined, closes);
        if (closes) {
          const payload = client.closeFrame?.payload ?? Buffer.alloc(0);
          assert.equal(payload.readUInt16BE(0), 1008);
          assert.equal(payload.toString("utf8", 2), "more than 3 messages a second");
          await server.waitForLine(
            /\[WARNING\] WebSocket \/echo of ip=127\.0\.0\.1 is closed with 1008: its client sends more than 3 messages a second \(websocket_max_message_rate\)$/,
            { from: before },
          );
          // Not heard any more.
          client.send(encodeFrame(message));
        }
        // Before it is told of the end: a send after that would raise, and the echo says nothing more.
        await untilTrue(async () => (await seen(server, "echoed")) - echoed >= taken, {
          deadlineMs: ANSWER_DEADLINE_MS,
          what: `${taken} echoed messages`,
        });
        const code = closes ? 1008 : 1000;
        client.send(encodeFrame({ op: "close", code }));
        await until(() => client.isEnded, "the end");
        await server.waitForLine(new RegExp(`/echo: websocket.disconnect ${code} `), { from: before });
        assert.equal((await seen(server, "echoed")) - echoed, taken);
      } finally {
        client.destroy();
      }
    });
  }

  await t.test("because the application has not received for a while stays open", async (t) => {
    const pinging = await startFixture(t, "websocket_app:app", {
      args: [...args, "--websocket-ping-interval", "1", "--websocket-ping-timeout", "1"],
    });
    const client = await WebSocketClient.open(t, pinging.port, "/hold");
    const full = Buffer.alloc(256 * 1024);
    client.send(full);
    // Two in each second is not too much; all at once they would be.
    let pings = 0;
    client.socket.on("ping", () => {
      pings += 1;
      client.send(Buffer.alloc(1));
      client.send(Buffer.alloc(1));
    });
    await untilTrue(() => pings >= 3, {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: () => `3 pings, not ${pings}`,
    });
    client.socket.removeAllListeners("ping");
    await request(pinging.port, "/release");
    client.send("over");
    assert.equal(await client.receive(), String(full.length + 2 * pings));
  });
});

test("buffer_memory: when twice as much is taken, incomplete messages are given up", async (t) => {
  const args = ["-k", "asgi", "--buffer-memory", String(2 * MIB)];
  const server = await startFixture(t, "websocket_app:app", { args });
  const clients = await Promise.all(
    Array.from({ length: 8 }, () => WebSocketClient.open(t, server.port, "/echo")),
  );
  const small = await WebSocketClient.open(t, server.port, "/echo");
  const codes: number[] = [];
  for (const client of clients) void client.closed.then(({ code }) => codes.push(code));
  // Together twice of what is allowed at most.
  for (const { socket } of clients) socket.send(Buffer.alloc(MIB), { fin: false });
  await untilTrue(() => codes.length >= clients.length / 2, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: () => `the end of half of them, not only of ${codes.length}`,
  });
  // The frame with the code may be lost with the connection.
  assert.ok(
    codes.every((code) => code === 1013 || code === 1006),
    String(codes),
  );
  await server.waitForLine(/\/echo: websocket.disconnect 1013/, { count: clients.length / 2 });
  small.send("small");
  assert.equal(await small.receive(), "small");
});

test("open WebSockets count against worker_connections, and the next request waits for a place", async (t) => {
  const args = ["-k", "asgi", "--worker-connections", "2", "--queue-timeout", "1"];
  const server = await startFixture(t, "websocket_app:app", { args });
  const first = await WebSocketClient.open(t, server.port, "/echo");
  await WebSocketClient.open(t, server.port, "/echo");
  assert.equal((await request(server.port, "/")).status, 503);
  first.socket.close();
  await untilTrue(async () => (await request(server.port, "/")).status === 200, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "an answer",
  });
});

test("WebSockets are spread by what workers have, and requests do not shun the worker that has more of them", async (t) => {
  const args = ["-k", "asgi", "-w", "2"];
  const server = await startFixture(t, "websocket_app:app", { args, workers: 2 });
  await server.waitForLine(/Ready: 2 workers/);
  const open = async (): Promise<[string, WebSocketClient]> => {
    const client = await WebSocketClient.open(t, server.port, "/pid");
    return [(await client.receive()) as string, client];
  };
  const opened: [string, WebSocketClient][] = [];
  for (let count = 0; count < 8; count += 1) opened.push(await open());
  const left = opened[0]?.[0] ?? "";
  const ofLeft = opened.filter(([pid]) => pid === left);
  assert.equal(ofLeft.length, 4);
  for (const [, client] of ofLeft) client.socket.close();
  await server.waitForLine(/\/pid: websocket.disconnect/, { count: 4 });

  const answers = new Set<string>();
  for (let count = 0; count < 6; count += 1) answers.add((await request(server.port, "/pid")).text);
  assert.equal(answers.size, 2);
  for (let count = 0; count < 4; count += 1) assert.equal((await open())[0], left);
});
