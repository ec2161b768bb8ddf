import assert from "node:assert/strict";
import { test } from "node:test";

import type { Exchange } from "../../src/http/exchange.ts";
import { ClientConnection, ConnectionCut } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import {
  answer,
  answerBody,
  answerTarget,
  begin,
  beginHuge,
  get,
  HUGE_BYTES,
  openHalf,
  post,
  serve,
  SHORT_MS,
  SWEEP_MS,
} from "./served-connection.ts";

test("Connection closes silently when no request comes in time", async (t) => {
  const { port, handler, untilClosed } = await serve(t, { timeouts: { headMs: SHORT_MS } });
  const client = await ClientConnection.open(t, port);
  await client.readEnd();
  await assert.rejects(client.readAnswer(), ConnectionCut);
  await untilClosed();
  assert.deepEqual(handler.story, []);
});

test("Connection answers 408 when a head is not complete in time, and closes", async (t) => {
  const { port, handler } = await serve(t, { timeouts: { headMs: SHORT_MS } });
  const client = await ClientConnection.open(t, port);
  client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
  const { status, headers } = await client.readAnswer();
  assert.equal(status, 408);
  assert.equal(headers.get("connection"), "close");
  await client.readEnd();
  assert.deepEqual(handler.story, ["fault ERR_HTTP_REQUEST_TIMEOUT"]);
});

test("Connection gives a head no more time for coming in drops", async (t) => {
  const { port } = await serve(t, { timeouts: { headMs: 10 * SHORT_MS } });
  const { client, socket } = await openHalf(t, port);
  const drops = setInterval(() => void (socket.writable && socket.write("x")), SWEEP_MS);
  onTeardown(t, () => clearInterval(drops));
  const begin = performance.now();
  client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
  assert.equal((await client.readAnswer()).status, 408);
  assert.ok(performance.now() - begin >= 10 * SHORT_MS, "The time of a head runs from its first octet");
});

test("Connection gives the second head of a connection no more than its time either", async (t) => {
  const { port } = await serve(t, { onEnd: answerTarget, timeouts: { headMs: SHORT_MS } });
  const client = await ClientConnection.open(t, port);
  client.send(`${get("/1")}GET /2 HT`);
  assert.equal((await client.readAnswer()).text, "/1");
  assert.equal((await client.readAnswer()).status, 408);
  await client.readEnd();
});

test("Connection gives the second head of a connection as much time as the first, when both come in pieces", async (t) => {
  const { port, connections } = await serve(t, { onEnd: answerTarget, timeouts: { keepAliveMs: 1000 } });
  const client = await ClientConnection.open(t, port);
  for (const target of ["/1", "/2"]) {
    client.send(get(target).slice(0, 10));
    const untilBegun = (): boolean => (connections[0]?.memoryBytes ?? 0) > 0;
    await untilTrue(untilBegun, { deadlineMs: ANSWER_DEADLINE_MS, what: "a part of the head" });
    assert.ok((connections[0]?.deadlineAt ?? 0) > performance.now() + 10_000, target);
    client.send(get(target).slice(10));
    assert.equal((await client.readAnswer()).text, target);
  }
});

test("Connection answers 408 when a body stalls, and tells the handler", async (t) => {
  const { port, handler } = await serve(t, { timeouts: { bodyStallMs: SHORT_MS } });
  const client = await ClientConnection.open(t, port);
  client.send(`${post("/", "Content-Length: 5")}hel`);
  assert.equal((await client.readAnswer()).status, 408);
  await client.readEnd();
  const { exchange } = await handler.heard("fault");
  assert.equal(exchange?.head.target, "/");
});

test("Connection answers 408 when a body stalls that the handler has paused and resumed", async (t) => {
  const { port, handler } = await serve(t, {
    onHead: (exchange) => exchange.pauseBody(),
    timeouts: { bodyStallMs: SHORT_MS },
  });
  const client = await ClientConnection.open(t, port);
  client.send(post("/", "Content-Length: 5"));
  const { exchange } = await handler.heard("head");
  exchange?.resumeBody();
  assert.equal((await client.readAnswer()).status, 408);
});

test("Connection does not count time while the handler has paused the body", async (t) => {
  const { port, handler, connections } = await serve(t, {
    onHead: (exchange) => exchange.pauseBody(),
    onEnd: answerBody,
    timeouts: { bodyStallMs: SHORT_MS },
  });
  const client = await ClientConnection.open(t, port);
  client.send(post("/", "Content-Length: 5"));
  const { exchange } = await handler.heard("head");
  assert.equal(connections[0]?.deadlineAt, Infinity);
  client.send("hello");
  exchange?.resumeBody();
  assert.equal((await client.readAnswer()).text, "hello");
});

test("Connection counts no time against a client that is held back while more of its body is at hand", async (t) => {
  let isPaused = false;
  const onBody = (exchange: Exchange): void => {
    if (!isPaused) {
      exchange.pauseBody();
    }
    isPaused = true;
  };
  const { port, handler, connections } = await serve(t, { onBody });
  const client = await ClientConnection.open(t, port);
  client.send(`${post("/", "Transfer-Encoding: chunked")}1\r\na\r\n1\r\nb\r\n`);
  await handler.heard("body", 2);
  assert.equal(connections[0]?.deadlineAt, Infinity);
});

test("Connection closes silently when it was idle between requests for too long", async (t) => {
  const { port, handler, untilClosed } = await serve(t, {
    onEnd: answerTarget,
    timeouts: { keepAliveMs: SHORT_MS },
  });
  const client = await ClientConnection.open(t, port);
  assert.equal((await client.request("/")).text, "/");
  await client.readEnd();
  await assert.rejects(client.readAnswer(), ConnectionCut);
  await untilClosed();
  assert.deepEqual(handler.story, ["head /", "end /", "finish /"]);
});

test("Connection does not count time while the handler works on an answer", async (t) => {
  const timeouts = { keepAliveMs: SHORT_MS, headMs: SHORT_MS, bodyStallMs: SHORT_MS, writeStallMs: SHORT_MS };
  const { port, handler, connections } = await serve(t, { timeouts });
  const client = await ClientConnection.open(t, port);
  client.send(get("/"));
  const { exchange } = await handler.heard("end");
  assert.equal(connections[0]?.deadlineAt, Infinity);
  answer(exchange as Exchange, "late");
  assert.equal((await client.readAnswer()).text, "late");
});

test("Connection cuts an answer that the client stops taking, and tells the handler", async (t) => {
  const { port, handler, untilClosed } = await serve(t, {
    onEnd: beginHuge,
    timeouts: { writeStallMs: SHORT_MS },
  });
  const { client, socket } = await openHalf(t, port);
  socket.pause();
  client.send(get("/"));
  await untilClosed();
  assert.deepEqual(handler.story, ["head /", "end /", "close /"]);
});

test("Connection cuts a last answer that the client stops taking", async (t) => {
  const { port, handler, untilClosed } = await serve(t, {
    onEnd: (exchange) => answer(exchange, Buffer.alloc(HUGE_BYTES)),
    timeouts: { writeStallMs: SHORT_MS },
  });
  const { client, socket } = await openHalf(t, port);
  socket.pause();
  client.send(get("/", "Connection: close"));
  await untilClosed();
  assert.deepEqual(handler.story, ["head /", "end /", "finish /"]);
});

test("Connection tells the handler when the client has taken what was written", async (t) => {
  const { port, handler } = await serve(t, { onEnd: beginHuge });
  const { client, socket } = await openHalf(t, port);
  socket.pause();
  client.send(get("/"));
  const { exchange } = await handler.heard("end");
  assert.ok(exchange !== null && exchange.unsentBytes > 0);
  socket.resume();
  await handler.heard("drain");
  assert.equal(exchange.unsentBytes, 0);
  exchange.end();
  assert.equal((await client.readAnswer()).body.length, HUGE_BYTES);
});

test("Connection spares a client that has taken all there was while the handler is slow", async (t) => {
  const { port, handler, connections } = await serve(t);
  const { client, socket } = await openHalf(t, port);
  socket.pause();
  client.send(get("/"));
  const { exchange } = await handler.heard("end");
  const connection = connections[0];
  assert.ok(exchange !== null && connection !== undefined);
  begin(exchange, "begun");
  // Small pieces, until the kernel takes no more: too few are left over for a "drain" event.
  while (exchange.unsentBytes === 0) {
    exchange.write(Buffer.alloc(2048, "x"));
  }
  socket.resume();
  await untilTrue(() => exchange.unsentBytes === 0, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "the client to take all",
  });
  // Two times over, what a connection waits for passes.
  for (let round = 0; round < 2; round += 1) {
    if (connection.deadlineAt !== Infinity) {
      connection.onDeadline();
    }
  }
  exchange.write(Buffer.from("ended"));
  exchange.end();
  const { text } = await client.readAnswer();
  assert.ok(text.startsWith("begun") && text.endsWith("ended"));
});

test("Connection is not idle for its client while that has not taken the whole answer", async (t) => {
  const onEnd = (exchange: Exchange): void => {
    if (exchange.head.target === "/next") return answerTarget(exchange);
    begin(exchange, "begun");
    // A little more than the kernel takes, and too little for the next request to wait.
    while (exchange.unsentBytes === 0) exchange.write(Buffer.alloc(2048));
    exchange.end();
  };
  const { port, handler, connections } = await serve(t, { onEnd });
  const { client, socket } = await openHalf(t, port);
  socket.pause();
  client.send(get("/"));
  await handler.heard("finish");
  connections[0]?.onDeadline();
  socket.resume();
  assert.match((await client.readAnswer()).text, /^begun/);
  assert.equal((await client.request("/next")).text, "/next");
});

test("Connection cuts an answer that is not taken though the request's body is paused", async (t) => {
  const script = {
    onHead: (exchange: Exchange) => {
      exchange.pauseBody();
      beginHuge(exchange);
    },
  };
  const { port, handler } = await serve(t, { ...script, timeouts: { writeStallMs: 50 } });
  const { client, socket } = await openHalf(t, port);
  socket.pause();
  client.send(post("/", "Content-Length: 5"));
  await handler.heard("close");
});
