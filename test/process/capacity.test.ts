import assert from "node:assert/strict";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";

import { type Answer, ClientConnection, request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startGatedServer } from "../helpers/gate.ts";
import { assertOverloaded, assertRefused } from "../helpers/refusals.ts";
import { repeat } from "../helpers/repeat.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { startFixture } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";

/** Far above the second that a client is given to take the answer that turns it away. */
const TURNED_AWAY_DEADLINE_MS = 10_000;

const HEAD = "Host: a\r\n";
const MIB = 1024 * 1024;

test("max_connections: one more gets 503 with Retry-After, and there is room again when one has left", async (t) => {
  const args = ["--max-connections", "2", "--keep-alive", "60"];
  const server = await startGatedServer(t, args);
  const [first, second] = [
    await ClientConnection.open(t, server.port),
    await ClientConnection.open(t, server.port),
  ];
  for (const connection of [first, second]) {
    assert.equal((await connection.request("/kept")).status, 200);
  }
  const third = await ClientConnection.open(t, server.port);
  assertOverloaded(await assertRefused(third, 503));
  await server.waitForLine(/\[WARNING\] Answered 503 to a connection from 127\.0\.0\.1: .*max_connections/);

  first.destroy();
  await untilTrue(async () => (await request(server.port, "/again")).status === 200, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "room for another connection",
  });
  assert.equal((await second.request("/kept")).status, 200);
});

test("max_connections: who was turned away cannot stay by going on to send", async (t) => {
  const server = await startGatedServer(t, ["--max-connections", "1", "--keep-alive", "60"]);
  const router = new RouterProcess(server);
  const only = await ClientConnection.open(t, server.port);
  assert.equal((await only.request("/kept")).status, 200);
  const before = router.descriptors;
  // Half-open, so that its end too is left to the server.
  const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
  onTeardown(t, () => void socket.destroy());
  const intruder = new ClientConnection(socket);
  repeat(t, () => intruder.send("x"));
  assertOverloaded(await intruder.readAnswer());
  await untilTrue(() => router.descriptors === before, {
    deadlineMs: TURNED_AWAY_DEADLINE_MS,
    what: () => `${before} descriptors of the router, there are ${router.descriptors}`,
  });
});

test(
  "max_connections: it is less where a process may have few files open",
  { skip: process.platform !== "linux" },
  async (t) => {
    const through = ["sh", "-c", 'ulimit -n 100 && exec "$@"', "sh"];
    const server = await startFixture(t, "echo", { through, args: ["--keep-alive", "60"] });
    await server.waitForLine(/A router takes 50 connections, not 10000 \(max_connections\)/);
    const connections: ClientConnection[] = [];
    for (let count = 0; count < 50; count += 1) {
      const connection = await ClientConnection.open(t, server.port);
      assert.equal((await connection.request("/kept")).status, 200);
      connections.push(connection);
    }
    assertOverloaded(await assertRefused(await ClientConnection.open(t, server.port), 503));
    // A body that is too large for memory needs a file.
    const body = Buffer.alloc(8 * MIB);
    assert.equal((await connections[0]?.request("/echo", { method: "POST", body }))?.status, 200);
  },
);

test("queue_size: one request more than may wait gets 503 with Retry-After", async (t) => {
  const server = await startGatedServer(t, ["--queue-size", "1"]);
  const holder = await server.holdWorker();
  const [left, right] = [
    await ClientConnection.open(t, server.port),
    await ClientConnection.open(t, server.port),
  ];
  const answers = [left, right].map(async (connection) => {
    const answer = await connection.request("/waits");
    return answer;
  });
  // Which of the two comes first is not ours to choose.
  const turnedAway = await Promise.race(answers);
  assertOverloaded(turnedAway);
  await server.waitForLine(/\[WARNING\] Answered 503 to GET \/waits: .*queue_size/);
  await server.openGate();
  assert.equal((await holder.readAnswer()).status, 200);
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  assert.deepEqual(new Set(statuses), new Set([200, 503]));
  assert.deepEqual(await server.allCalledPaths(), ["/hold", "/waits", "/last"]);
});

test("queue_timeout: a request that waits for longer gets 503 with Retry-After, and costs no call", async (t) => {
  const server = await startGatedServer(t, ["--queue-timeout", "1"]);
  const holder = await server.holdWorker();
  const waiting = await ClientConnection.open(t, server.port);
  assertOverloaded(await waiting.request("/waits"));
  await server.waitForLine(/\[WARNING\] Answered 503 to GET \/waits: .*queue_timeout/);
  await server.openGate();
  assert.equal((await holder.readAnswer()).status, 200);
  assert.deepEqual(await server.allCalledPaths(), ["/hold", "/last"]);
});

function openMany(t: TestContext, port: number, count: number): Promise<readonly ClientConnection[]> {
  return Promise.all(Array.from({ length: count }, () => ClientConnection.open(t, port)));
}

test("buffer_memory: when twice as much is taken, new requests get 503 until it is free again", async (t) => {
  const server = await startGatedServer(t, ["--buffer-memory", String(MIB)]);
  // Small enough to stay in memory although it is short.
  const piece = Buffer.alloc(60_000);
  const uploads = await openMany(t, server.port, 50);
  for (const upload of uploads) {
    upload.send(`POST /upload HTTP/1.1\r\n${HEAD}Content-Length: ${piece.length + 1}\r\n\r\n`);
    upload.send(piece);
  }
  let refused: Answer | undefined;
  await untilTrue(
    async () => {
      const answer = await request(server.port, "/other");
      if (answer.status !== 200) refused = answer;
      return refused !== undefined;
    },
    { deadlineMs: ANSWER_DEADLINE_MS, what: "a refusal for want of memory" },
  );
  assert(refused !== undefined);
  assertOverloaded(refused);

  for (const upload of uploads) {
    upload.send("x");
    assert.equal((await upload.readAnswer()).text, `${piece.length + 1} bytes to /upload`);
  }
  await untilTrue(async () => (await request(server.port, "/again")).status === 200, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "room for another request",
  });
});

test("buffer_memory: when twice as much is taken, large heads that come in parts get 503", async (t) => {
  const count = 200;
  const server = await startGatedServer(t, ["--buffer-memory", String(MIB)]);
  const part = `GET /large HTTP/1.1\r\n${HEAD}${`X: ${"y".repeat(8000)}\r\n`.repeat(5)}`;
  const connections = await openMany(t, server.port, count);
  for (const connection of connections) connection.send(part);
  const refused = (): readonly ClientConnection[] =>
    connections.filter(({ waitingBytes }) => waitingBytes > 0);
  const least = count - Math.ceil((2 * MIB) / part.length);
  await untilTrue(() => refused().length >= least, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: () => `${least} refusals, there are ${refused().length}`,
  });
  for (const connection of refused()) assertOverloaded(await assertRefused(connection, 503));
  await untilTrue(async () => (await request(server.port, "/again")).status === 200, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "room for another request",
  });
  assert.deepEqual(new Set(server.calledPaths()), new Set(["/again"]));
});
