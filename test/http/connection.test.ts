import assert from "node:assert/strict";
import { test } from "node:test";

import type { Exchange } from "../../src/http/exchange.ts";
import { ClientConnection, ConnectionCut } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue, withDeadline } from "../helpers/deadlines.ts";
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

test("Connection serves requests one after another until the client asks to close", async (t) => {
  const { port, handler, untilClosed, closedCount } = await serve(t, { onEnd: answerTarget });
  const client = await ClientConnection.open(t, port);
  for (const target of ["/1", "/2", "/3"]) {
    const { text, headers } = await client.request(target);
    assert.equal(text, target);
    assert.equal(headers.get("connection"), undefined);
  }
  const last = await client.request("/4", { headers: { Connection: "close" } });
  assert.equal(last.headers.get("connection"), "close");
  await client.readEnd();
  await untilClosed();
  assert.equal(closedCount(), 1);
  assert.deepEqual(handler.story.slice(-3), ["head /4", "end /4", "finish /4"]);
});

test("Connection closes after an HTTP/1.0 request, and stays when that asks for it", async (t) => {
  const { port } = await serve(t, { onEnd: answerTarget });
  const client = await ClientConnection.open(t, port);
  client.send("GET /kept HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const kept = await client.readAnswer();
  assert.equal(kept.text, "/kept");
  assert.equal(kept.headers.get("connection"), "keep-alive");
  client.send("GET /closed HTTP/1.0\r\n\r\n");
  assert.equal((await client.readAnswer()).headers.get("connection"), "close");
  await client.readEnd();
});

test("Connection gives a body to the handler as sent, by length and in chunks", async (t) => {
  const { port } = await serve(t, { onEnd: answerBody });
  const client = await ClientConnection.open(t, port);
  const body = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251));
  assert.deepEqual((await client.request("/", { method: "POST", body })).body, body);
  client.send(post("/", "Transfer-Encoding: chunked"));
  client.send("3\r\nabc\r\n");
  client.send("2;x=y\r\nde\r\n0\r\nX: y\r\n\r\n");
  assert.equal((await client.readAnswer()).text, "abcde");
});

test("Connection tells of a pipelined request only when the one before is answered", async (t) => {
  const waiting: Exchange[] = [];
  const { port, handler } = await serve(t, { onEnd: (exchange) => void waiting.push(exchange) });
  const client = await ClientConnection.open(t, port);
  client.send(get("/1") + get("/2") + get("/3"));
  for (const [index, target] of ["/1", "/2", "/3"].entries()) {
    await handler.heard("end", index + 1);
    assert.equal(waiting.length, index + 1);
    answerTarget(waiting[index] as Exchange);
    assert.equal((await client.readAnswer()).text, target);
  }
  assert.deepEqual(handler.story, [
    "head /1",
    "end /1",
    "finish /1",
    "head /2",
    "end /2",
    "finish /2",
    "head /3",
    "end /3",
    "finish /3",
  ]);
});

test("Connection answers pipelined requests in order when the handler answers at once", async (t) => {
  const { port } = await serve(t, { onEnd: answerTarget });
  const client = await ClientConnection.open(t, port);
  const targets = Array.from({ length: 300 }, (_, index) => `/${index}`);
  client.send(targets.map((target) => get(target)).join(""));
  for (const target of targets) {
    assert.equal((await client.readAnswer()).text, target);
  }
});

test("Connection takes far more pipelined requests than it keeps, when they are answered late", async (t) => {
  const { port } = await serve(t, { onEnd: answerTargetLate });
  const client = await ClientConnection.open(t, port);
  const padding = `X: ${"x".repeat(1000)}`;
  const targets = Array.from({ length: 1000 }, (_, index) => `/${index}`);
  client.send(targets.map((target) => get(target, padding)).join(""));
  for (const target of targets) {
    assert.equal((await client.readAnswer()).text, target);
  }
});

test("Connection keeps a bounded part of what is pipelined behind a request that takes long", async (t) => {
  const { port, handler, connections } = await serve(t, {
    onEnd: (exchange) => void (exchange.head.target === "/long" || answerTarget(exchange)),
  });
  const client = await ClientConnection.open(t, port);
  const padding = `X: ${"x".repeat(1000)}`;
  client.send(get("/long") + get("/short", padding).repeat(8000));
  const kept = (): number => connections[0]?.memoryBytes ?? 0;
  await untilTrue(() => kept() > 64 * 1024, { deadlineMs: ANSWER_DEADLINE_MS, what: "pipelined requests" });
  // Another client's requests pass meanwhile: the event loop has read all that it was to.
  const other = await ClientConnection.open(t, port);
  for (let count = 0; count < 100; count += 1) await other.request("/other");
  assert.ok(kept() < 512 * 1024, `${kept()} bytes are kept`);
  answerTarget((await handler.heard("end")).exchange as Exchange);
  assert.equal((await client.readAnswer()).text, "/long");
  for (let count = 0; count < 8000; count += 1) assert.equal((await client.readAnswer()).text, "/short");
});

test("Connection lends its socket once the request is complete, and no bytes are on their way", async (t) => {
  const head = { status: 200, reason: "OK", fieldLines: Buffer.alloc(0), contentLength: 5 };
  let early: unknown;
  const { port, handler } = await serve(t, { onHead: (exchange) => void (early = exchange.lend(head)) });
  const client = await ClientConnection.open(t, port);
  client.send(`${post("/", "Content-Length: 2")}hi`);
  const { exchange } = await handler.heard("end");
  assert.equal(early, null);
  const lent = exchange?.lend(head);
  assert.ok(lent !== null && lent !== undefined);
  exchange?.takeBack(0);
  exchange?.write(Buffer.from("hello"));
  exchange?.end();
  assert.equal((await client.readAnswer()).text, "hello");
});

test("Connection begins no further request while most of the answers before is not taken, and counts no time", async (t) => {
  const { port, handler, connections } = await serve(t, {
    onEnd: (exchange) => answer(exchange, Buffer.alloc(HUGE_BYTES)),
  });
  const { client, socket } = await openHalf(t, port);
  socket.pause();
  client.send(get("/1") + get("/2"));
  await handler.heard("finish");
  assert.equal(connections[0]?.deadlineAt, Infinity);
  assert.deepEqual(handler.story, ["head /1", "end /1", "finish /1"]);
  socket.resume();
  assert.equal((await client.readAnswer()).body.length, HUGE_BYTES);
  await handler.heard("finish", 2);
});

test("Connection without keep-alive says that it closes, and closes behind each answer", async (t) => {
  const { port, handler } = await serve(t, { onEnd: answerTarget, timeouts: { keepAliveMs: 0 } });
  const client = await ClientConnection.open(t, port);
  client.send(get("/1") + get("/hidden"));
  const { text, headers } = await client.readAnswer();
  assert.deepEqual([text, headers.get("connection")], ["/1", "close"]);
  await client.readEnd();
  assert.deepEqual(handler.story, ["head /1", "end /1", "finish /1"]);
});

test("Connection answers what came before a bad pipelined request, then refuses and closes", async (t) => {
  const { port, handler, untilClosed } = await serve(t, { onEnd: answerTarget });
  const client = await ClientConnection.open(t, port);
  client.send(get("/1") + get("/2", "X : y") + get("/hidden"));
  assert.equal((await client.readAnswer()).text, "/1");
  const refusal = await client.readAnswer();
  assert.equal(refusal.status, 400);
  assert.equal(refusal.headers.get("connection"), "close");
  await client.readEnd();
  client.destroy();
  await untilClosed();
  assert.deepEqual(handler.story, ["head /1", "end /1", "finish /1", "fault ERR_HTTP_FIELD"]);
});

test("Connection serves nothing that follows a request with Connection: close", async (t) => {
  const { port, handler, untilClosed } = await serve(t, { onEnd: answerTarget });
  const client = await ClientConnection.open(t, port);
  client.send(get("/1", "Connection: close") + get("/hidden"));
  assert.equal((await client.readAnswer()).text, "/1");
  await client.readEnd();
  client.destroy();
  await untilClosed();
  assert.deepEqual(handler.story, ["head /1", "end /1", "finish /1"]);
});

test("Connection keeps its word on a GET that is answered as soon as its head has come", async (t) => {
  const { port } = await serve(t, { onHead: answerTarget });
  const client = await ClientConnection.open(t, port);
  const first = await client.request("/1");
  assert.equal(first.text, "/1");
  if (first.headers.get("connection") === "close") {
    await client.readEnd();
  } else {
    assert.equal((await client.request("/2")).text, "/2");
  }
});

test("Connection asks for the body with 100 Continue before it has come", async (t) => {
  const { port } = await serve(t, { onEnd: answerBody });
  const client = await ClientConnection.open(t, port);
  client.send(post("/", "Content-Length: 5", "Expect: 100-continue"));
  assert.equal((await client.readAnswer()).status, 100);
  client.send("hello");
  const { status, text } = await client.readAnswer();
  assert.deepEqual([status, text], [200, "hello"]);
});

test("Connection sends no 100 Continue to HTTP/1.0 (RFC 9110 section 10.1.1)", async (t) => {
  const { port } = await serve(t, { onEnd: answerBody });
  const client = await ClientConnection.open(t, port);
  client.send("POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
  assert.equal((await client.readAnswer()).status, 200);
});

test("Connection sends no 100 Continue when the handler has answered by the head, and closes", async (t) => {
  const { port } = await serve(t, { onHead: (exchange) => answer(exchange, "no", 403) });
  const client = await ClientConnection.open(t, port);
  client.send(post("/", "Content-Length: 5", "Expect: 100-continue"));
  assert.equal((await client.readAnswer()).status, 403);
  await client.readEnd();
});

test("Connection says that it closes when the answer comes before the body (RFC 9112 section 9.6)", async (t) => {
  const { port } = await serve(t, { onHead: (exchange) => answer(exchange, "enough", 413) });
  const client = await ClientConnection.open(t, port);
  client.send(`${post("/", "Content-Length: 1000000")}abc`);
  const { status, headers } = await client.readAnswer();
  assert.equal(status, 413);
  await client.readEnd();
  assert.equal(headers.get("connection"), "close");
});

const faults: readonly [what: string, input: string, status: number][] = [
  ["a bad request line", "GET  / HTTP/1.1\r\n\r\n", 400],
  ["a TLS hello", "\x16\x03\x01\0\x05\x01\0\0\x01\0", 400],
  ["an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ["a missing Host", "GET / HTTP/1.1\r\n\r\n", 400],
  ["a long target", `GET /${"x".repeat(5000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
  ["a large field", get("/", `X: ${"x".repeat(9000)}`), 431],
  ["an unknown expectation", get("/", "Expect: cow"), 417],
  ["an unknown coding", post("/", "Transfer-Encoding: cow, chunked"), 501],
  ["CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501],
  ["another version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505],
];
for (const [what, input, status] of faults) {
  test(`Connection refuses ${what} with ${status}, a page of its own, and closes`, async (t) => {
    const { port, handler } = await serve(t, { onEnd: answerTarget });
    const client = await ClientConnection.open(t, port);
    client.send(input + get("/hidden"));
    const refusal = await client.readAnswer();
    assert.equal(refusal.status, status);
    assert.equal(refusal.version, "HTTP/1.1");
    assert.equal(refusal.headers.get("connection"), "close");
    assert.ok(refusal.headers.has("date") && refusal.headers.has("content-length"));
    assert.match(refusal.headers.get("content-type") ?? "", /^text\/html/);
    assert.match(refusal.text, new RegExp(`<title>${status} .+</title>`));
    assert.ok(!refusal.text.includes("xxx") && !refusal.text.includes("cow"), "The page repeats the request");
    await client.readEnd();
    const { exchange } = await handler.heard("fault");
    assert.equal(exchange, null);
  });
}

for (const [what, input] of [
  ["with a bad target", "HEAD /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["with a bad field", "HEAD / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n"],
  ["without Host", "HEAD / HTTP/1.1\r\n\r\n"],
  ["whose body is at fault", "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"],
] as const) {
  test(`Connection refuses a HEAD ${what} without a body (RFC 9110 section 9.3.2)`, async (t) => {
    const { port } = await serve(t);
    const client = await ClientConnection.open(t, port);
    client.send(input);
    const { status, headers } = await client.readAnswer({ method: "HEAD" });
    assert.equal(status, 400);
    assert.match(headers.get("content-length") ?? "", /^[1-9]/);
    await client.readEnd();
    assert.equal(client.waitingBytes, 0);
  });
}

test("Connection refuses what only begins like a HEAD with a page, also after a HEAD", async (t) => {
  const { port } = await serve(t, { onEnd: answerTarget });
  const client = await ClientConnection.open(t, port);
  client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.readAnswer({ method: "HEAD" })).status, 200);
  client.send("HEAD\x01 / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match((await client.readAnswer()).text, /Bad Request/);
});

test("Connection refuses a bad chunk with 400 while the handler waits for the body, tells it, and sends no other answer", async (t) => {
  const { port, handler, untilClosed } = await serve(t, { onEnd: answerTarget });
  const client = await ClientConnection.open(t, port);
  client.send(`${post("/", "Transfer-Encoding: chunked")}3\r\nabc\r\n+1\r\nx\r\n0\r\n\r\n`);
  const { exchange } = await handler.heard("fault");
  answerTarget(exchange as Exchange);
  assert.equal((await client.readAnswer()).status, 400);
  await client.readEnd();
  client.destroy();
  await untilClosed();
  assert.deepEqual(handler.story, ["head /", "fault / ERR_HTTP_CHUNK"]);
});

test("Connection cuts an answer under way when the request's body turns out to be at fault", async (t) => {
  const { port, handler, untilClosed } = await serve(t, {
    onHead: (exchange) => begin(exchange, "begun"),
  });
  const client = await ClientConnection.open(t, port);
  client.send(`${post("/", "Transfer-Encoding: chunked")}+1\r\n`);
  await assert.rejects(client.readAnswer(), ConnectionCut);
  await untilClosed();
  assert.deepEqual(handler.story, ["head /", "fault / ERR_HTTP_CHUNK"]);
});

test("Connection lets its refusal reach a client that is still sending", async (t) => {
  const { port } = await serve(t);
  const { client, socket } = await openHalf(t, port);
  socket.pause();
  client.send(post("/", "Content-Length: 5x"));
  const piece = Buffer.alloc(20_000, "x");
  for (let sent = 0; sent < 10; sent += 1) {
    await withDeadline(new Promise((resolve) => socket.write(piece, resolve)), {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: "the server to take what it throws away",
    });
  }
  socket.resume();
  const refusal = await client.readAnswer();
  assert.equal(refusal.status, 400);
  await client.readEnd();
  assert.match(refusal.text, /<\/html>/);
});

test("Connection is closed soon after its last answer by a client that ends too", async (t) => {
  const { port, untilClosed } = await serve(t, { onEnd: answerTarget });
  const { client, socket } = await openHalf(t, port);
  client.send(get("/", "Connection: close"));
  await client.readAnswer();
  await client.readEnd();
  socket.end();
  await untilClosed();
});

test("Connection is closed after its last answer though the client never ends", async (t) => {
  const { port, untilClosed } = await serve(t, { onEnd: answerTarget });
  const { client } = await openHalf(t, port);
  client.send(get("/", "Connection: close"));
  await client.readAnswer();
  await untilClosed();
});
