import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { Tunnel } from "../../src/router/tunnel.ts";
import { TunnelPlace } from "../../src/router/tunnels.ts";
import { ANSWER_DEADLINE_MS, untilTrue, withDeadline } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const SWITCHING = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
const STALL_MS = 60_000;
const FLOOD_BYTES = 32 * 1024 * 1024;
/** What both sockets of a tunnel keep at most: a few reads beyond what a socket calls full. */
const KEPT_BYTES = 512 * 1024;

interface Ends {
  /** The router's end and the other's. */
  readonly inner: Socket;
  readonly outer: Socket;
}

async function openPair(t: TestContext): Promise<Ends> {
  const path = join(await temporaryFolder(t), "socket");
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const accepted = new Promise<Socket>((resolve) => void server.once("connection", resolve));
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  const outer = connect({ path, allowHalfOpen: true });
  outer.on("error", () => undefined);
  const inner = await accepted;
  onTeardown(t, () => {
    server.close();
    inner.destroy();
    outer.destroy();
  });
  return { inner, outer };
}

interface Opened {
  readonly tunnel: Tunnel;
  readonly client: Ends;
  readonly worker: Ends;
  readonly closed: Promise<Tunnel>;
}

async function openTunnel(t: TestContext, ahead = "", isWebSocket = false): Promise<Opened> {
  const [client, worker] = [await openPair(t), await openPair(t)];
  let onClosed: (tunnel: Tunnel) => void = () => undefined;
  const closed = new Promise<Tunnel>((resolve) => (onClosed = resolve));
  const connection = { socket: client.inner, bytes: Buffer.from(ahead) };
  const tunnel = new Tunnel({ client: connection, isWebSocket, writeStallMs: STALL_MS, onClosed });
  tunnel.attach(worker.inner);
  return { tunnel, client, worker, closed };
}

function read(socket: Socket, text: string): Promise<void> {
  let got = "";
  const found = new Promise<void>((resolve) => {
    socket.on("data", (bytes: Buffer) => {
      got += bytes.toString("latin1");
      if (got === text) resolve();
    });
  });
  return withDeadline(found, { deadlineMs: ANSWER_DEADLINE_MS, what: () => `${text}, got ${got}` });
}

test("a tunnel keeps what the client sends ahead, in its order, until the answer is 101", async (t) => {
  const { client, worker } = await openTunnel(t, "one ");
  const got = read(worker.outer, "one two three");
  client.outer.write("two ");
  await untilTrue(() => client.inner.bytesRead === 4, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "the second word",
  });
  assert.equal(worker.inner.bytesWritten, 0);
  const answered = read(client.outer, SWITCHING);
  worker.outer.write(SWITCHING);
  await answered;
  client.outer.write("three");
  await got;
});

for (const [name, from, to] of [
  ["client", "client", "worker"],
  ["worker", "worker", "client"],
] as const) {
  test(`a tunnel keeps little of what its ${name} sends to the other that does not read, and loses nothing`, async (t) => {
    const opened = await openTunnel(t);
    const answered = read(opened.client.outer, SWITCHING);
    opened.worker.outer.write(SWITCHING);
    await answered;
    opened.client.outer.removeAllListeners("data").pause();
    const [source, sink] = [opened[from], opened[to]];
    source.outer.end(Buffer.alloc(FLOOD_BYTES));
    await untilTrue(() => source.inner.isPaused(), { deadlineMs: ANSWER_DEADLINE_MS, what: "a pause" });
    assert.ok(sink.inner.writableLength < KEPT_BYTES, `${sink.inner.writableLength} bytes are kept`);
    let size = 0;
    sink.outer.on("data", (bytes: Buffer) => (size += bytes.length));
    sink.outer.resume();
    await withDeadline(new Promise((resolve) => sink.outer.once("end", resolve)), {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: () => `the end, after ${size} bytes`,
    });
    assert.equal(size, FLOOD_BYTES);
  });
}

test("a client that leaves before it has an answer has left, and its worker's connection is closed", async (t) => {
  const { tunnel, client, worker, closed } = await openTunnel(t);
  worker.outer.resume();
  client.outer.end();
  assert.equal(await withDeadline(closed, { deadlineMs: ANSWER_DEADLINE_MS, what: "the close" }), tunnel);
  await withDeadline(new Promise((resolve) => worker.outer.once("end", resolve)), {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "the end of the worker's connection",
  });
  assert.equal(tunnel.isLeft, true);
  assert.equal(tunnel.status, 0);
});

test("a tunnel whose application is gone before it has written anything answers with an error", async (t) => {
  const { tunnel, client, closed } = await openTunnel(t);
  let answer = "";
  client.outer.on("data", (bytes: Buffer) => (answer += bytes.toString("latin1")));
  client.outer.once("end", () => client.outer.end());
  tunnel.fail(504);
  await withDeadline(closed, { deadlineMs: ANSWER_DEADLINE_MS, what: "the close" });
  assert.match(answer, /^HTTP\/1\.1 504 Gateway Timeout\r\n/);
  assert.deepEqual([tunnel.status, tunnel.sentBytes, tunnel.isLeft], [504, 0, false]);
});

test("a client that does not close its side after the end of its tunnel is cut off", async (t) => {
  const { tunnel, client, worker, closed } = await openTunnel(t);
  const answered = read(client.outer, `${SWITCHING}bye`);
  worker.outer.end(`${SWITCHING}bye`);
  tunnel.finish();
  await answered;
  await withDeadline(closed, { deadlineMs: ANSWER_DEADLINE_MS, what: "the close" });
  assert.deepEqual([tunnel.status, tunnel.sentBytes], [101, 3]);
});

test("a tunnel whose worker's connection is lost before the application has the client's answers with an error", async (t) => {
  const [client, worker] = [await openPair(t), await openPair(t)];
  const place = new TunnelPlace(1, () => undefined);
  place.put(worker.inner);
  const lost = new Promise((resolve) => worker.inner.once("close", resolve));
  // More than the kernel takes: what is left makes the end an error.
  worker.inner.write(Buffer.alloc(FLOOD_BYTES));
  worker.outer.destroy();
  await withDeadline(lost, { deadlineMs: ANSWER_DEADLINE_MS, what: "the loss of the worker's connection" });

  const connection = { socket: client.inner, bytes: Buffer.alloc(0) };
  const tunnel = new Tunnel({
    client: connection,
    isWebSocket: false,
    writeStallMs: STALL_MS,
    onClosed: () => undefined,
  });
  let answer = "";
  client.outer.on("data", (bytes: Buffer) => (answer += bytes.toString("latin1")));
  const ended = new Promise((resolve) => client.outer.once("end", resolve));
  place.take((socket) => tunnel.attach(socket));
  await withDeadline(ended, { deadlineMs: ANSWER_DEADLINE_MS, what: "the end of the answer" });
  assert.match(answer, /^HTTP\/1\.1 500 Internal Server Error\r\n/);
});
