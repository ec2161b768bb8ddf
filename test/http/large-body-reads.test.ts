import assert from "node:assert/strict";
import { once } from "node:events";
import { test, type TestContext } from "node:test";

import type { Exchange } from "../../src/http/exchange.ts";
import type { HandedOver } from "../../src/http/handed-over.ts";
import { seededBytes } from "../helpers/bodies.ts";
import { ClientConnection } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { Random } from "../helpers/random.ts";
import {
  answer,
  answerBody,
  get,
  openHalf,
  post,
  serve,
  SHORT_MS,
  type Running,
} from "./served-connection.ts";

const LARGE_BYTES = 1_500_000;

/** Bodies of some size are said to be used at once, as the router does with those for the ring. */
const sayLarge = (exchange: Exchange): void => {
  const { framing } = exchange.head;
  if (framing.type === "length" && framing.bytes >= 70_000) exchange.useBodyAtOnce();
};

async function serveLarge(t: TestContext): Promise<Running> {
  return serve(t, { onHead: sayLarge, onEnd: answerBody });
}

test("Connection gives large bodies as sent, one after another, with small ones and chunks between them", async (t) => {
  const { port } = await serveLarge(t);
  const client = await ClientConnection.open(t, port);
  for (const [seed, size] of [LARGE_BYTES, 10, 70_000, 0, 200_000, 69_999, LARGE_BYTES].entries()) {
    const body = seededBytes(seed, size);
    const { body: echoed } = await client.request("/", { method: "POST", body });
    assert.ok(echoed.equals(body), `body ${seed}`);
    client.send(`${post("/", "Transfer-Encoding: chunked")}3\r\nabc\r\n0\r\n\r\n`);
    assert.equal((await client.readAnswer()).text, "abc");
  }
});

test("Connection keeps apart what many clients send at the same time, however it is cut", async (t) => {
  const { port } = await serveLarge(t);
  const random = new Random(4711);
  const clients = Array.from({ length: 8 }, async (_, seed) => {
    const client = await ClientConnection.open(t, port);
    const bodies = [300_000, 40, 5000, LARGE_BYTES, 100_000].map((size, index) =>
      seededBytes(seed * 10 + index, size),
    );
    // All at once: each head follows the body before it without a pause, in the same reads.
    const bytes = Buffer.concat(
      bodies.flatMap((body) => [Buffer.from(post("/", `Content-Length: ${body.length}`)), body]),
    );
    const sending = async (): Promise<void> => {
      for (let at = 0; at < bytes.length;) {
        const size = 1 + random.below(200_000);
        client.send(bytes.subarray(at, at + size));
        at += size;
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
    };
    const reading = async (): Promise<void> => {
      for (const [index, body] of bodies.entries()) {
        assert.ok((await client.readAnswer()).body.equals(body), `body ${index} of client ${seed}`);
      }
    };
    await Promise.all([sending(), reading()]);
  });
  await Promise.all(clients);
});

test("Connection keeps what follows a large body until that is answered, whatever others send meanwhile", async (t) => {
  const waiting: Exchange[] = [];
  const { port, handler } = await serve(t, {
    onHead: sayLarge,
    onEnd: (exchange, body) => {
      if (exchange.head.target === "/late") waiting.push(exchange);
      else answer(exchange, body);
    },
  });
  const client = await ClientConnection.open(t, port);
  const large = seededBytes(1, LARGE_BYTES);
  const small = seededBytes(2, 3000);
  client.send(post("/late", `Content-Length: ${large.length}`));
  client.send(Buffer.concat([large, Buffer.from(post("/", "Content-Length: 3000")), small]));
  await handler.heard("end");
  const other = await ClientConnection.open(t, port);
  const noise = Buffer.alloc(LARGE_BYTES, "!");
  assert.ok((await other.request("/", { method: "POST", body: noise })).body.equals(noise));
  answer(waiting[0] as Exchange, "answered");
  assert.equal((await client.readAnswer()).text, "answered");
  assert.ok((await client.readAnswer()).body.equals(small));
});

test("Connection closes once when its client leaves within a large body", async (t) => {
  const { port, handler, untilClosed, closedCount } = await serveLarge(t);
  const client = await ClientConnection.open(t, port);
  client.send(post("/", `Content-Length: ${LARGE_BYTES}`));
  client.send(Buffer.alloc(500_000));
  await handler.heard("body", 3);
  client.destroy();
  await untilClosed();
  assert.equal(closedCount(), 1);
  assert.deepEqual(handler.story, ["head /", "fault / ERR_HTTP_EARLY_CLOSE"]);
});

test("Connection answers a client that has closed its side behind a large body, and then closes", async (t) => {
  const { port, untilClosed } = await serveLarge(t);
  const { client, socket } = await openHalf(t, port);
  const body = seededBytes(3, LARGE_BYTES);
  client.send(post("/", `Content-Length: ${body.length}`));
  client.send(body);
  socket.end();
  assert.ok((await client.readAnswer()).body.equals(body));
  await client.readEnd();
  await untilClosed();
});

test("Connection holds the client of a large body back, and lets it go on", async (t) => {
  const { port } = await serve(t, {
    onHead: sayLarge,
    onBody: (exchange) => {
      exchange.pauseBody();
      setImmediate(() => exchange.resumeBody());
    },
    onEnd: answerBody,
  });
  const client = await ClientConnection.open(t, port);
  const body = seededBytes(4, LARGE_BYTES);
  assert.ok((await client.request("/", { method: "POST", body })).body.equals(body));
});

test("Connection refuses a large body that stalls", async (t) => {
  const { port } = await serve(t, { timeouts: { bodyStallMs: SHORT_MS }, onHead: sayLarge });
  const client = await ClientConnection.open(t, port);
  client.send(post("/", `Content-Length: ${LARGE_BYTES}`));
  client.send(Buffer.alloc(100_000, "x"));
  assert.equal((await client.readAnswer()).status, 408);
});

test("Connection hands over a socket that emits what comes, also after a large body", async (t) => {
  let handedOver: HandedOver | null = null;
  const { port, handler } = await serve(t, {
    onHead: (exchange) => {
      sayLarge(exchange);
      if (exchange.head.target === "/other") handedOver = exchange.switchProtocols();
    },
    onEnd: answerBody,
  });
  const client = await ClientConnection.open(t, port);
  const body = seededBytes(5, LARGE_BYTES);
  assert.ok((await client.request("/", { method: "POST", body })).body.equals(body));
  client.send(`${get("/other")}first`);
  await handler.heard("head", 2);
  const { socket, bytes } = handedOver as unknown as HandedOver;
  assert.equal(bytes.toString(), "first");
  const pieces: Buffer[] = [];
  const untilReceived = new Promise<void>((resolve) => {
    socket.on("data", (piece: Buffer) => {
      pieces.push(piece);
      if (Buffer.concat(pieces).length === LARGE_BYTES) resolve();
    });
  });
  client.send(body);
  await withDeadline(untilReceived, { deadlineMs: ANSWER_DEADLINE_MS, what: "what follows" });
  assert.ok(Buffer.concat(pieces).equals(body));
  const untilEnded = once(socket, "end");
  client.destroy();
  await withDeadline(untilEnded, { deadlineMs: ANSWER_DEADLINE_MS, what: "the end" });
  socket.destroy();
});
