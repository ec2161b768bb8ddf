import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

import { FIRST_REQUEST_MS } from "../../src/http/connection-limits.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import { ClientConnection, ConnectionCut } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import {
  answer,
  answerBody,
  answerTarget,
  answerTargetLate,
  begin,
  get,
  HUGE_BYTES,
  openHalf,
  post,
  serve,
} from "./served-connection.ts";

test("Connection answers a client that has ended its side, then closes", async (t) => {
  const { port, handler, untilClosed } = await serve(t);
  const { client, socket } = await openHalf(t, port);
  client.send(get("/1"));
  socket.end();
  const { exchange } = await handler.heard("client-done");
  answerTarget(exchange as Exchange);
  assert.equal((await client.readAnswer()).text, "/1");
  await client.readEnd();
  await untilClosed();
});

test("Connection brings the whole answer to a client that has ended its side and reads slowly", async (t) => {
  const { port, handler } = await serve(t, {
    onEnd: (exchange) => answer(exchange, Buffer.alloc(HUGE_BYTES)),
  });
  const { client, socket } = await openHalf(t, port);
  socket.pause();
  client.send(get("/"));
  socket.end();
  await handler.heard("finish");
  socket.resume();
  assert.equal((await client.readAnswer()).body.length, HUGE_BYTES);
});

test("Connection answers all that a half-closed client has pipelined, answered late", async (t) => {
  const { port, untilClosed } = await serve(t, { onEnd: answerTargetLate });
  const { client, socket } = await openHalf(t, port);
  socket.end(get("/1") + get("/2") + get("/3"));
  for (const target of ["/1", "/2", "/3"]) {
    assert.equal((await client.readAnswer()).text, target);
  }
  await client.readEnd();
  await untilClosed();
});

test("Connection answers all that a half-closed client has pipelined, the first late and the rest at once", async (t) => {
  const onEnd = (exchange: Exchange): void => {
    if (exchange.head.target !== "/1") {
      answerTarget(exchange);
    }
  };
  const { port, handler, untilClosed } = await serve(t, { onEnd });
  const { client, socket } = await openHalf(t, port);
  socket.end(get("/1") + get("/2") + get("/3") + get("/4"));
  const { exchange } = await handler.heard("end");
  await handler.heard("client-done");
  answerTarget(exchange as Exchange);
  for (const target of ["/1", "/2", "/3", "/4"]) {
    assert.equal((await client.readAnswer()).text, target);
  }
  await client.readEnd();
  await untilClosed();
});

test("Connection tells its client that it is cut, also while another process has borrowed it", async (t) => {
  const { port, handler, untilClosed } = await serve(t);
  const { client } = await openHalf(t, port);
  client.send(get("/1"));
  const { exchange } = await handler.heard("end");
  const fieldLines = Buffer.alloc(0);
  const lent = exchange?.lend({ status: 200, reason: "Said", fieldLines, contentLength: 10 });
  assert.ok(lent);
  const borrower = spawn("cat", { stdio: ["pipe", "ignore", "ignore", lent.socket] });
  onTeardown(t, () => void borrower.kill("SIGKILL"));
  await once(borrower, "spawn");
  exchange?.abort();
  await client.readEnd();
  await untilClosed();
  assert.equal(borrower.exitCode, null);
});

test("Connection closes at once behind the request that its client called the last one", async (t) => {
  const { port, deadlines, untilClosed } = await serve(t, { onEnd: answerTarget });
  // A connection that waits for its client would wait for ever.
  deadlines.close();
  const { client } = await openHalf(t, port);
  client.send(get("/1", "Connection: close"));
  assert.equal((await client.readAnswer()).text, "/1");
  await client.readEnd();
  await untilClosed();
});

for (const [what, request, rest] of [
  ["a line end behind a last body", `${post("/", "Content-Length: 2", "Connection: close")}hi`, "\r\n"],
  ["what is pipelined behind a last request", get("/", "Connection: close") + get("/2"), get("/3")],
] as const) {
  test(`Connection does not answer ${what} by a reset`, async (t) => {
    const { port, handler, untilClosed } = await serve(t, { onEnd: answerTarget });
    const { client, socket } = await openHalf(t, port);
    const closing = once(socket, "close");
    client.send(request);
    assert.equal((await client.readAnswer()).text, "/");
    await client.readEnd();
    client.send(rest);
    socket.end();
    await untilClosed();
    assert.deepEqual(await closing, [false]);
    assert.deepEqual(handler.story, ["head /", "end /", "finish /"]);
  });
}

for (const [where, input, story] of [
  ["within a head", "GET / HT", ["fault ERR_HTTP_EARLY_CLOSE"]],
  ["within a body", `${post("/", "Content-Length: 5")}he`, ["head /", "fault / ERR_HTTP_EARLY_CLOSE"]],
  [
    "before the last chunk",
    `${post("/", "Transfer-Encoding: chunked")}1\r\nx\r\n`,
    ["head /", "fault / ERR_HTTP_EARLY_CLOSE"],
  ],
  [
    "before the end of the trailers",
    `${post("/", "Transfer-Encoding: chunked")}0\r\n`,
    ["head /", "fault / ERR_HTTP_EARLY_CLOSE"],
  ],
] as const) {
  test(`Connection refuses a request whose client ends ${where} with 400 (RFC 9112 section 8)`, async (t) => {
    const { port, handler, untilClosed } = await serve(t, { onEnd: answerTarget });
    const { client, socket } = await openHalf(t, port);
    socket.end(input, "latin1");
    assert.equal((await client.readAnswer()).status, 400);
    await client.readEnd();
    await untilClosed();
    assert.deepEqual(handler.story, story);
  });
}

test("Connection closes silently when the client ends without a request", async (t) => {
  const { port, handler, untilClosed } = await serve(t);
  const { client, socket } = await openHalf(t, port);
  socket.end("\r\n");
  await client.readEnd();
  await untilClosed();
  await assert.rejects(client.readAnswer(), ConnectionCut);
  assert.deepEqual(handler.story, []);
});

test("Connection tells the handler of a client that is gone, once, and ignores what it still writes", async (t) => {
  const { port, handler, untilClosed, closedCount } = await serve(t);
  const { client, socket } = await openHalf(t, port);
  client.send(get("/"));
  const { exchange } = await handler.heard("end");
  assert.ok(exchange !== null);
  socket.resetAndDestroy();
  await untilClosed();
  answer(exchange, "nobody hears this");
  exchange.abort();
  assert.deepEqual(handler.story, ["head /", "end /", "close /"]);
  assert.equal(closedCount(), 1);
});

test("Connection is cut by an exchange that aborts, so that the client sees the answer is not whole", async (t) => {
  const { port, untilClosed } = await serve(t, {
    onEnd: (exchange) => {
      begin(exchange, "hello");
      exchange.abort();
    },
  });
  const client = await ClientConnection.open(t, port);
  await assert.rejects(client.request("/"), ConnectionCut);
  await untilClosed();
});

test("Connection is reset where its end would make the answer to an HTTP/1.0 client look whole", async (t) => {
  const { port, handler, untilClosed } = await serve(t);
  const client = await ClientConnection.open(t, port);
  client.send("GET / HTTP/1.0\r\n\r\n");
  const { exchange } = await handler.heard("end");
  assert.ok(exchange !== null);
  begin(exchange, "hello");
  await client.readUntil("hello");
  exchange.abort();
  await assert.rejects(client.readAnswer(), { name: "ConnectionCut", code: "ECONNRESET" });
  await untilClosed();
});

test("Connection is reset, too, where the rest of the body is refused after an HTTP/1.0 answer has begun", async (t) => {
  const { port, handler, untilClosed } = await serve(t);
  const client = await ClientConnection.open(t, port);
  client.send("POST / HTTP/1.0\r\nContent-Length: 10\r\n\r\nhalf");
  const { exchange } = await handler.heard("head");
  assert.ok(exchange !== null);
  begin(exchange, "hello");
  await client.readUntil("hello");
  client.endSending();
  await assert.rejects(client.readAnswer(), { name: "ConnectionCut", code: "ECONNRESET" });
  await untilClosed();
});

test("Connection that is cut still sends its answers to earlier requests", async (t) => {
  const { port, handler } = await serve(t, {
    onEnd: (exchange) => {
      begin(exchange, "be");
      if (exchange.head.target === "/cut") exchange.abort();
      while (exchange.unsentBytes === 0) exchange.write(Buffer.alloc(10_000));
      exchange.end();
    },
  });
  const client = await ClientConnection.open(t, port);
  client.stopReading();
  client.send(get("/whole") + get("/cut") + get("/hidden"));
  const { exchange } = await handler.heard("finish");
  await handler.heard("cut");
  client.goOnReading();
  assert.equal((await client.readAnswer()).body.length, exchange?.bodyBytes);
  await assert.rejects(client.readAnswer(), ConnectionCut);
});

test("Connection.drain() closes a connection that waits for a request, and may be called twice", async (t) => {
  const { port, connections } = await serve(t, { onEnd: answerTarget });
  const client = await ClientConnection.open(t, port);
  await client.request("/");
  connections[0]?.drain();
  connections[0]?.drain();
  await client.readEnd();
});

test("Connection.drain() lets the request under way be answered, with Connection: close, and no other", async (t) => {
  const { port, handler, connections, untilClosed } = await serve(t);
  const client = await ClientConnection.open(t, port);
  client.send(get("/1") + get("/hidden"));
  const { exchange } = await handler.heard("end");
  connections[0]?.drain();
  assert.ok(client.isOpen);
  answerTarget(exchange as Exchange);
  const { text, headers } = await client.readAnswer();
  assert.deepEqual([text, headers.get("connection")], ["/1", "close"]);
  await client.readEnd();
  client.destroy();
  await untilClosed();
  assert.deepEqual(handler.story, ["head /1", "end /1", "finish /1"]);
});

test("Connection.drain() lets a request that has begun to arrive be completed and answered", async (t) => {
  const { port, handler, connections } = await serve(t, {
    onEnd: answerBody,
  });
  const client = await ClientConnection.open(t, port);
  client.send(`${post("/", "Content-Length: 5")}he`);
  await handler.heard("body");
  connections[0]?.drain();
  client.send("llo");
  const { text, headers } = await client.readAnswer();
  assert.deepEqual([text, headers.get("connection")], ["hello", "close"]);
  await client.readEnd();
});

test("Connection.drain() gives a client that has just connected a moment for its first request", async (t) => {
  const { port, connections } = await serve(t, { onEnd: answerTarget });
  const client = await ClientConnection.open(t, port);
  await untilTrue(() => connections.length === 1, { deadlineMs: ANSWER_DEADLINE_MS, what: "connection" });
  connections[0]?.drain();
  assert.ok((connections[0]?.deadlineAt ?? Infinity) <= performance.now() + FIRST_REQUEST_MS);
  const { text, headers } = await client.request("/first");
  assert.deepEqual([text, headers.get("connection")], ["/first", "close"]);
  await client.readEnd();
});

test("Connection.drain() gives a client that has just connected no more time than it had", async (t) => {
  const { port, connections } = await serve(t, { timeouts: { headMs: FIRST_REQUEST_MS / 2 } });
  await ClientConnection.open(t, port);
  await untilTrue(() => connections.length === 1, { deadlineMs: ANSWER_DEADLINE_MS, what: "connection" });
  const before = connections[0]?.deadlineAt;
  connections[0]?.drain();
  assert.equal(connections[0]?.deadlineAt, before);
});

test("Connection.drain() that closes no idle connection lets it send one last request", async (t) => {
  const { port, connections } = await serve(t, { onEnd: answerTarget });
  const client = await ClientConnection.open(t, port);
  await client.request("/1");
  connections[0]?.drain({ closesIdle: false });
  const { text, headers } = await client.request("/2");
  assert.deepEqual([text, headers.get("connection")], ["/2", "close"]);
  await client.readEnd();
});

test("Connection.drain() closes behind an answer whose head has gone out before", async (t) => {
  const { port, handler, connections } = await serve(t, { onEnd: (exchange) => begin(exchange, "be") });
  const client = await ClientConnection.open(t, port);
  client.send(get("/1") + get("/hidden"));
  const { exchange } = await handler.heard("end");
  connections[0]?.drain();
  exchange?.write(Buffer.from("gun"));
  exchange?.end();
  assert.equal((await client.readAnswer()).text, "begun");
  await client.readEnd();
  assert.deepEqual(handler.story, ["head /1", "end /1", "finish /1"]);
});
