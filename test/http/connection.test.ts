import assert from "node:assert/strict";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test, type TestContext } from "node:test";

import { Connection, type ConnectionTimeouts, type ExchangeHandler } from "../../src/http/connection.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import type { HttpFault } from "../../src/http/http-fault.ts";
import { defaultHttpLimits } from "../../src/http/limits.ts";
import type { ResponseHead } from "../../src/http/response-head.ts";
import { Deadlines } from "../../src/system/deadlines.ts";
import { ClientConnection, ConnectionCut } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue, withDeadline } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";

/** No test waits for these. */
const PATIENT: ConnectionTimeouts = {
  keepAliveMs: 60_000,
  headMs: 60_000,
  bodyStallMs: 60_000,
  writeStallMs: 60_000,
};
/** A timeout that a test waits for. */
const SHORT_MS = 60;
const SWEEP_MS = 10;

type CallName = "head" | "body" | "end" | "drain" | "finish" | "close" | "fault";

interface Call {
  readonly name: CallName;
  readonly exchange: Exchange | null;
  readonly fault?: HttpFault;
}

interface Script {
  readonly onHead?: (exchange: Exchange) => void;
  readonly onBody?: (exchange: Exchange) => void;
  readonly onEnd?: (exchange: Exchange, body: Buffer) => void;
}

/** Writes down what it hears and does what the test's script says. */
class ScriptedHandler implements ExchangeHandler {
  readonly calls: Call[] = [];
  readonly #script: Script;
  readonly #bodies = new Map<Exchange, Buffer[]>();
  #wake: () => void = () => {};

  constructor(script: Script) {
    this.#script = script;
  }

  onHead(exchange: Exchange): void {
    this.#note({ name: "head", exchange });
    this.#bodies.set(exchange, []);
    this.#script.onHead?.(exchange);
  }

  onBody(exchange: Exchange, bytes: Buffer): void {
    this.#note({ name: "body", exchange });
    this.#bodies.get(exchange)?.push(bytes);
    this.#script.onBody?.(exchange);
  }

  onEnd(exchange: Exchange): void {
    this.#note({ name: "end", exchange });
    this.#script.onEnd?.(exchange, this.bodyOf(exchange));
  }

  onDrain(exchange: Exchange): void {
    this.#note({ name: "drain", exchange });
  }

  onFinish(exchange: Exchange): void {
    this.#note({ name: "finish", exchange });
  }

  onClose(exchange: Exchange): void {
    this.#note({ name: "close", exchange });
  }

  onFault(fault: HttpFault, exchange: Exchange | null): void {
    this.#note({ name: "fault", exchange, fault });
  }

  bodyOf(exchange: Exchange): Buffer {
    return Buffer.concat(this.#bodies.get(exchange) ?? []);
  }

  /** Such as "head /a", in the order heard, body pieces left out. */
  get story(): readonly string[] {
    const told = this.calls.filter(({ name }) => name !== "body" && name !== "drain");
    return told.map(({ name, exchange, fault }) =>
      [name, exchange?.head.target, fault?.code].filter((part) => part !== undefined).join(" "),
    );
  }

  /** The first (or `count`th) call of a name, past or future. */
  async heard(name: CallName, count = 1): Promise<Call> {
    const search = async (): Promise<Call> => {
      for (;;) {
        const found = this.calls.filter((call) => call.name === name)[count - 1];
        if (found !== undefined) {
          return found;
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    return withDeadline(search(), {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: () => `${name} (${count} times), heard: ${this.story.join(", ")}`,
    });
  }

  #note(call: Call): void {
    this.calls.push(call);
    this.#wake();
  }
}

interface Running {
  readonly port: number;
  readonly handler: ScriptedHandler;
  readonly connections: readonly Connection[];
  /** How often a connection said that it is closed. */
  readonly closedCount: () => number;
  readonly untilClosed: (count?: number) => Promise<void>;
}

interface ServeOptions extends Script {
  readonly timeouts?: Partial<ConnectionTimeouts>;
}

async function serve(t: TestContext, { timeouts = {}, ...script }: ServeOptions = {}): Promise<Running> {
  const handler = new ScriptedHandler(script);
  const deadlines = new Deadlines(SWEEP_MS);
  const connections: Connection[] = [];
  const sockets: Socket[] = [];
  let closed = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.push(socket);
    const connection = new Connection({
      socket,
      limits: defaultHttpLimits,
      timeouts: { ...PATIENT, ...timeouts },
      deadlines,
      handler,
      onClosed: () => {
        closed += 1;
      },
    });
    connections.push(connection);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTeardown(t, async () => {
    for (const socket of sockets) {
      socket.destroy();
    }
    await new Promise((resolve) => server.close(resolve));
    deadlines.close();
  });
  const { port } = server.address() as AddressInfo;
  const untilClosed = (count = 1): Promise<void> =>
    untilTrue(() => closed >= count, {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: `end of ${count} connections on the server's side`,
    });
  return { port, handler, connections, closedCount: () => closed, untilClosed };
}

/** A client whose socket is at hand, for half-closing and for not reading. */
async function openHalf(t: TestContext, port: number): Promise<{ client: ClientConnection; socket: Socket }> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const client = new ClientConnection(socket);
  onTeardown(t, () => client.destroy());
  const connected = new Promise((resolve) => socket.once("connect", resolve));
  await withDeadline(connected, { deadlineMs: ANSWER_DEADLINE_MS, what: "connection" });
  return { client, socket };
}

function answer(exchange: Exchange, body: string | Buffer, status = 200): void {
  exchange.respond(responseHead(status), Buffer.from(body), true);
}

/** The beginning of an answer without end. */
function begin(exchange: Exchange, body: string | Buffer): void {
  exchange.respond(responseHead(), Buffer.from(body), false);
}

function responseHead(status = 200): ResponseHead {
  return { status, reason: "Said", fieldLines: Buffer.alloc(0), contentLength: null };
}

const answerTarget = (exchange: Exchange): void => answer(exchange, exchange.head.target);
const answerTargetLate = (exchange: Exchange): void => void setImmediate(answerTarget, exchange);
const answerBody = (exchange: Exchange, body: Buffer): void => answer(exchange, body);
/** More than the kernel takes for a client that does not read. */
const HUGE_BYTES = 32 * 1024 * 1024;
const beginHuge = (exchange: Exchange): void => begin(exchange, Buffer.alloc(HUGE_BYTES));
const get = (target: string, ...fields: string[]): string =>
  [`GET ${target} HTTP/1.1`, "Host: a", ...fields, "", ""].join("\r\n");
const post = (target: string, ...fields: string[]): string =>
  [`POST ${target} HTTP/1.1`, "Host: a", ...fields, "", ""].join("\r\n");

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

// --- 100-continue

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

// --- error answers

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

test("Connection refuses a bad chunk with 400 while the handler waits for the body, and tells it", async (t) => {
  const { port, handler, untilClosed } = await serve(t, { onEnd: answerTarget });
  const client = await ClientConnection.open(t, port);
  client.send(`${post("/", "Transfer-Encoding: chunked")}3\r\nabc\r\n+1\r\nx\r\n0\r\n\r\n`);
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

// --- time

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

test("Connection answers 408 when a body stalls, and tells the handler", async (t) => {
  const { port, handler } = await serve(t, { timeouts: { bodyStallMs: SHORT_MS } });
  const client = await ClientConnection.open(t, port);
  client.send(`${post("/", "Content-Length: 5")}hel`);
  assert.equal((await client.readAnswer()).status, 408);
  await client.readEnd();
  const { exchange } = await handler.heard("fault");
  assert.equal(exchange?.head.target, "/");
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
      connection.onDeadline(connection.deadlineAt);
    }
  }
  exchange.write(Buffer.from("ended"));
  exchange.end();
  const { text } = await client.readAnswer();
  assert.ok(text.startsWith("begun") && text.endsWith("ended"));
});

test("Connection cuts an answer that is not taken though the request's body is paused", async (t) => {
  const { port, handler, connections } = await serve(t, {
    onHead: (exchange) => {
      exchange.pauseBody();
      beginHuge(exchange);
    },
  });
  const { client, socket } = await openHalf(t, port);
  socket.pause();
  client.send(post("/", "Content-Length: 5"));
  await handler.heard("head");
  assert.notEqual(connections[0]?.deadlineAt, Infinity, "Nothing would ever end this connection");
});

// --- ends

test("Connection answers a client that has ended its side, then closes", async (t) => {
  const { port, handler, untilClosed } = await serve(t);
  const { client, socket } = await openHalf(t, port);
  client.send(get("/1"));
  socket.end();
  const { exchange } = await handler.heard("end");
  answerTarget(exchange as Exchange);
  assert.equal((await client.readAnswer()).text, "/1");
  await client.readEnd();
  await untilClosed();
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
  await clientDone(t, port);
  answerTarget(exchange as Exchange);
  for (const target of ["/1", "/2", "/3", "/4"]) {
    assert.equal((await client.readAnswer()).text, target);
  }
  await client.readEnd();
  await untilClosed();
});

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

// --- draining

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

/**
 * What another connection's client has sent by now, its end included, has reached the server: loopback delivers in
 * order, and this round trip began later.
 */
async function clientDone(t: TestContext, port: number): Promise<void> {
  const { client, socket } = await openHalf(t, port);
  socket.end();
  await client.readEnd();
}
