import assert from "node:assert/strict";
import { Socket } from "node:net";
import { test } from "node:test";

import { Exchange, type ExchangeTransport } from "../../src/http/exchange.ts";
import { defaultHttpLimits } from "../../src/http/limits.ts";
import type { RequestHead } from "../../src/http/request-head.ts";
import { RequestParser } from "../../src/http/request-parser.ts";
import type { ResponseHead } from "../../src/http/response-head.ts";

const EMPTY = Buffer.alloc(0);

class MemoryTransport implements ExchangeTransport {
  readonly written: Buffer[] = [];
  /** What ended the response, in order: at most one of these is lawful. */
  readonly ends: ("kept" | "closed" | "destroyed")[] = [];
  readonly readings: ("paused" | "resumed")[] = [];
  unsentBytes = 0;
  closesAfterResponse = false;

  write(bytes: Buffer): void {
    assert.equal(this.ends.length, 0, "Bytes were written after the end");
    assert.ok(bytes.length > 0, "Nothing was written as if it were something");
    this.written.push(bytes);
  }

  finish(_: Exchange, keepAlive: boolean): void {
    this.ends.push(keepAlive ? "kept" : "closed");
  }

  /** What is lent; null: bytes are on their way. */
  socket: Socket | null = new Socket();

  lendSocket(): Socket | null {
    return this.socket;
  }

  handOver(): never {
    throw new Error("no test hands the connection over");
  }

  cutOff(): void {
    this.ends.push("destroyed");
  }

  pauseReading(): void {
    this.readings.push("paused");
  }

  resumeReading(): void {
    this.readings.push("resumed");
  }

  get text(): string {
    return Buffer.concat(this.written).toString("latin1");
  }

  /** Everything before the empty line, as lines. */
  get headLines(): readonly string[] {
    return this.text.slice(0, this.text.indexOf("\r\n\r\n")).split("\r\n");
  }

  get body(): string {
    return this.text.slice(this.text.indexOf("\r\n\r\n") + 4);
  }

  /** The values of a field of the head. */
  field(name: string): readonly string[] {
    const prefix = `${name.toLowerCase()}: `;
    const lines = this.headLines.filter((line) => line.toLowerCase().startsWith(prefix));
    return lines.map((line) => line.slice(prefix.length));
  }
}

function requestHead(text: string): RequestHead {
  const parser = new RequestParser(defaultHttpLimits);
  parser.feed(Buffer.from(text));
  const event = parser.next();
  assert.ok(event?.type === "head");
  return event.head;
}

function start(line = "GET / HTTP/1.1", ...fields: string[]) {
  const lines = [line, "Host: a", ...fields, "", ""];
  const transport = new MemoryTransport();
  const exchange = new Exchange(transport, requestHead(lines.join("\r\n")));
  return { transport, exchange };
}

function responseHead(head: Partial<ResponseHead> = {}): ResponseHead {
  const fieldLines = Buffer.from("Content-Type: text/plain\r\n");
  return { status: 200, reason: "OK", fieldLines, contentLength: null, ...head };
}

test("Exchange sends a whole answer in one write with its length", () => {
  const { transport, exchange } = start();
  exchange.respond(responseHead(), Buffer.from("hello"), true);
  assert.equal(transport.written.length, 1);
  assert.equal(transport.headLines[0], "HTTP/1.1 200 OK");
  assert.deepEqual(transport.field("Content-Length"), ["5"]);
  assert.deepEqual(transport.field("Transfer-Encoding"), []);
  assert.deepEqual(transport.field("Content-Type"), ["text/plain"]);
  assert.equal(transport.body, "hello");
  assert.deepEqual(transport.ends, ["kept"]);
  assert.equal(exchange.bodyBytes, 5);
  assert.equal(exchange.status, 200);
  assert.ok(exchange.isDone && exchange.isAnswered);
});

test("Exchange gives a whole answer without a body the length 0, so that the connection can go on", () => {
  const { transport, exchange } = start();
  exchange.respond(responseHead(), EMPTY, true);
  assert.deepEqual(transport.field("Content-Length"), ["0"]);
  assert.deepEqual(transport.ends, ["kept"]);
});

test("Exchange sends Date in the form of RFC 9110 section 5.6.7, and Server, once each", () => {
  const { transport, exchange } = start();
  exchange.respond(responseHead(), EMPTY, true);
  assert.equal(transport.field("Date").length, 1);
  assert.match(
    transport.field("Date")[0] ?? "",
    /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/,
  );
  assert.deepEqual(transport.field("Server"), ["tunicorn"]);
});

test("Exchange announces the application's Content-Length and sends the body unframed", () => {
  const { transport, exchange } = start();
  exchange.respond(responseHead({ contentLength: 10 }), Buffer.from("hello"), false);
  exchange.write(Buffer.from("world"));
  assert.ok(!exchange.isDone);
  exchange.end();
  assert.deepEqual(transport.field("Content-Length"), ["10"]);
  assert.equal(transport.body, "helloworld");
  assert.deepEqual(transport.ends, ["kept"]);
  assert.equal(exchange.lengthMismatch, null);
});

test("Exchange sends a body of unknown length in chunks, one per write (RFC 9112 section 7.1)", () => {
  const { transport, exchange } = start();
  exchange.respond(responseHead(), Buffer.from("hello"), false);
  exchange.write(Buffer.from("x".repeat(26)));
  exchange.end();
  assert.deepEqual(transport.field("Transfer-Encoding"), ["chunked"]);
  assert.deepEqual(transport.field("Content-Length"), []);
  assert.equal(transport.body, `5\r\nhello\r\n1a\r\n${"x".repeat(26)}\r\n0\r\n\r\n`);
  assert.deepEqual(transport.ends, ["kept"]);
  assert.equal(exchange.bodyBytes, 31);
});

test("Exchange never sends an empty piece as a chunk, which would end the body", () => {
  const { transport, exchange } = start();
  exchange.respond(responseHead(), EMPTY, false);
  exchange.write(EMPTY);
  exchange.write(Buffer.from("a"));
  exchange.write(EMPTY);
  exchange.end();
  assert.equal(transport.body, "1\r\na\r\n0\r\n\r\n");
});

test("Exchange writes a body too large to copy after its head, whole", () => {
  const { transport, exchange } = start();
  const body = Buffer.alloc(200_000, "x");
  exchange.respond(responseHead(), body, false);
  exchange.end();
  assert.equal(transport.body, `30d40\r\n${body.toString()}\r\n0\r\n\r\n`);
});

for (const contentLength of [null, 5]) {
  test(`Exchange sends no body to HEAD and lets the connection go on, Content-Length ${contentLength}`, () => {
    const { transport, exchange } = start("HEAD / HTTP/1.1");
    exchange.respond(responseHead({ contentLength }), Buffer.from("hello"), false);
    exchange.write(Buffer.from("world"));
    exchange.end();
    assert.equal(transport.body, "");
    assert.deepEqual(transport.field("Content-Length"), contentLength === null ? [] : ["5"]);
    assert.deepEqual(transport.field("Transfer-Encoding"), []);
    assert.deepEqual(transport.ends, ["kept"]);
    assert.equal(exchange.bodyBytes, 0);
    assert.equal(exchange.lengthMismatch, null);
  });
}

test("Exchange sends 204 with neither body nor Content-Length (RFC 9110 section 8.6)", () => {
  const { transport, exchange } = start();
  exchange.respond(
    responseHead({ status: 204, reason: "No Content", contentLength: 5 }),
    Buffer.from("hello"),
    true,
  );
  assert.equal(transport.body, "");
  assert.deepEqual(transport.field("Content-Length"), []);
  assert.deepEqual(transport.field("Transfer-Encoding"), []);
  assert.deepEqual(transport.ends, ["kept"]);
});

test("Exchange sends 304 without a body, with the Content-Length that 200 would have (RFC 9110 section 8.6)", () => {
  const { transport, exchange } = start();
  exchange.respond(responseHead({ status: 304, reason: "Not Modified", contentLength: 5 }), EMPTY, true);
  assert.equal(transport.body, "");
  assert.deepEqual(transport.field("Content-Length"), ["5"]);
  assert.deepEqual(transport.ends, ["kept"]);
});

test("Exchange sends 205 with no content, and the length that says so (RFC 9110 section 15.3.6)", () => {
  for (const isWhole of [true, false]) {
    const { transport, exchange } = start();
    exchange.respond(responseHead({ status: 205, contentLength: 5 }), Buffer.from("hello"), isWhole);
    if (!isWhole) exchange.end();
    assert.deepEqual([transport.field("Content-Length"), transport.body], [["0"], ""]);
    assert.deepEqual(transport.field("Transfer-Encoding"), []);
    assert.deepEqual([transport.ends, exchange.lengthMismatch], [["kept"], "long"]);
  }
});

for (const version of ["HTTP/1.1", "HTTP/1.0"] as const) {
  for (const probes of [1, 4, 9, 20]) {
    test(`Exchange sends ${version} the same answer after asking ${probes} times whether its client is there`, () => {
      const { transport, exchange } = start(`GET / ${version}`);
      for (let count = 0; count < probes; count += 1) exchange.probe();
      assert.equal(transport.text, "HTTP/1.1 ".slice(0, probes));
      assert.equal(exchange.isAnswered, false);
      exchange.respond(responseHead(), Buffer.from("hello"), true);
      assert.equal(transport.headLines[0], "HTTP/1.1 200 OK");
      assert.equal(transport.body, "hello");
      exchange.probe();
      assert.equal(transport.body, "hello");
    });
  }
}

test("Exchange may ask between interim answers whether its client is there", () => {
  const { transport, exchange } = start();
  exchange.probe();
  exchange.interim(103, Buffer.from("Link: </a>\r\n"));
  exchange.probe();
  exchange.probe();
  exchange.respond(responseHead(), Buffer.alloc(100_000), true);
  const [interim, final, body] = transport.text.split("\r\n\r\n");
  assert.equal(interim, "HTTP/1.1 103 Early Hints\r\nLink: </a>");
  assert.match(final ?? "", /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(body?.length, 100_000);
});

test("Exchange sends no interim answer to HTTP/1.0, which knows none (RFC 9110 section 15.2)", () => {
  const { transport, exchange } = start("GET / HTTP/1.0");
  exchange.interim(103, Buffer.from("Link: </a>\r\n"));
  assert.equal(transport.text, "");
});

test("Exchange asks for a body only where it is to be asked for, and before the answer", () => {
  for (const [isAsked, isAnswered, asked] of [
    [true, false, 1],
    [false, false, 0],
    [true, true, 0],
  ] as const) {
    const { transport, exchange } = start("POST / HTTP/1.1", "Content-Length: 5", "Expect: 100-continue");
    exchange.deferContinue();
    assert.equal(exchange.wantsContinue, false);
    if (isAnswered) exchange.respond(responseHead({ contentLength: 5 }), EMPTY, false);
    exchange.sendContinue(isAsked);
    assert.equal(transport.text.split("HTTP/1.1 100 Continue\r\n\r\n").length - 1, asked);
    assert.deepEqual(transport.readings, ["paused", "resumed"]);
  }
});

for (const { fields, isSent } of [
  { fields: ["TE: trailers"], isSent: true },
  { fields: ["TE: gzip, Trailers;q=1"], isSent: true },
  { fields: ["TE: gzip"], isSent: false },
  { fields: [], isSent: false },
]) {
  test(`Exchange sends ${isSent ? "" : "no "}trailers to a client that says ${fields.join() || "nothing"}`, () => {
    const { transport, exchange } = start("GET / HTTP/1.1", ...fields);
    exchange.respond(responseHead(), Buffer.from("hello"), false);
    exchange.end(Buffer.from("X-Sum: 1\r\n"));
    assert.equal(transport.body, `5\r\nhello\r\n0\r\n${isSent ? "X-Sum: 1\r\n" : ""}\r\n`);
    assert.deepEqual(transport.ends, ["kept"]);
  });
}

test("Exchange ends a body of unknown length by closing on HTTP/1.0, which knows no chunks", () => {
  const { transport, exchange } = start("GET / HTTP/1.0", "Connection: keep-alive");
  exchange.respond(responseHead(), Buffer.from("hello"), false);
  exchange.write(Buffer.from("world"));
  exchange.end();
  assert.equal(transport.body, "helloworld");
  assert.deepEqual(transport.field("Transfer-Encoding"), []);
  assert.deepEqual(transport.field("Content-Length"), []);
  assert.deepEqual(transport.field("Connection"), ["close"]);
  assert.deepEqual(transport.ends, ["closed"]);
});

const persistence: readonly {
  readonly when: string;
  readonly request: readonly [string, ...string[]];
  readonly closesAfterResponse?: boolean;
  readonly line: readonly string[];
  readonly end: "kept" | "closed";
}[] = [
  { when: "to HTTP/1.1 nothing", request: ["GET / HTTP/1.1"], line: [], end: "kept" },
  {
    when: "to HTTP/1.1 with close the same",
    request: ["GET / HTTP/1.1", "Connection: close"],
    line: ["close"],
    end: "closed",
  },
  { when: "to HTTP/1.0 close", request: ["GET / HTTP/1.0"], line: ["close"], end: "closed" },
  {
    when: "to HTTP/1.0 with keep-alive the same",
    request: ["GET / HTTP/1.0", "Connection: keep-alive"],
    line: ["keep-alive"],
    end: "kept",
  },
  {
    when: "close while draining",
    request: ["GET / HTTP/1.1"],
    closesAfterResponse: true,
    line: ["close"],
    end: "closed",
  },
];
for (const { when, request, closesAfterResponse, line, end } of persistence) {
  test(`Exchange says of the connection ${when}`, () => {
    const { transport, exchange } = start(...request);
    transport.closesAfterResponse = closesAfterResponse ?? false;
    exchange.respond(responseHead(), Buffer.from("hello"), true);
    assert.deepEqual(transport.field("Connection"), line);
    assert.deepEqual(transport.ends, [end]);
  });
}

test("Exchange keeps its word to go on when draining begins after the head went out", () => {
  const { transport, exchange } = start();
  exchange.respond(responseHead(), Buffer.from("a"), false);
  transport.closesAfterResponse = true;
  exchange.end();
  assert.deepEqual(transport.field("Connection"), []);
  assert.equal(transport.ends.length, 1);
});

test("Exchange cuts what goes beyond the Content-Length and goes on (RFC 9112 section 6.3)", () => {
  const { transport, exchange } = start();
  exchange.respond(responseHead({ contentLength: 8 }), Buffer.from("hello"), false);
  exchange.write(Buffer.from("world"));
  exchange.write(Buffer.from("again"));
  exchange.end();
  assert.equal(transport.body, "hellowor");
  assert.equal(exchange.lengthMismatch, "long");
  assert.equal(exchange.bodyBytes, 8);
  assert.deepEqual(transport.ends, ["kept"]);
});

test("Exchange cuts a whole answer that is longer than its Content-Length", () => {
  const { transport, exchange } = start();
  exchange.respond(responseHead({ contentLength: 2 }), Buffer.from("hello"), true);
  assert.equal(transport.body, "he");
  assert.deepEqual(transport.field("Content-Length"), ["2"]);
  assert.equal(exchange.lengthMismatch, "long");
});

for (const isWhole of [true, false]) {
  test(`Exchange cuts the connection when ${isWhole ? "a whole" : "a streamed"} answer stays under its Content-Length`, () => {
    const { transport, exchange } = start();
    exchange.respond(responseHead({ contentLength: 10 }), Buffer.from("hello"), isWhole);
    exchange.end();
    assert.equal(transport.body, "hello");
    assert.equal(exchange.lengthMismatch, "short");
    assert.deepEqual(transport.ends, ["destroyed"]);
    assert.ok(exchange.isDone);
  });
}

test("Exchange.abort() cuts a response under way once, without the last chunk, and nothing follows", () => {
  const { transport, exchange } = start();
  exchange.respond(responseHead(), Buffer.from("hello"), false);
  exchange.abort();
  exchange.abort();
  exchange.write(Buffer.from("world"));
  exchange.end();
  assert.equal(transport.body, "5\r\nhello\r\n");
  assert.deepEqual(transport.ends, ["destroyed"]);
});

test("Exchange.abandon() lets nothing more out and leaves the connection alone", () => {
  const { transport, exchange } = start();
  exchange.abandon();
  exchange.respond(responseHead(), Buffer.from("hello"), true);
  exchange.write(Buffer.from("world"));
  exchange.end();
  exchange.abort();
  assert.deepEqual(transport.written, []);
  assert.deepEqual(transport.ends, []);
  assert.ok(exchange.isDone && !exchange.isAnswered);
});

test("Exchange takes the first answer only and ends once", () => {
  const { transport, exchange } = start();
  exchange.write(Buffer.from("too early"));
  exchange.end();
  exchange.respond(responseHead({ status: 404, reason: "Not Found" }), Buffer.from("a"), true);
  exchange.respond(responseHead(), Buffer.from("b"), true);
  exchange.write(Buffer.from("c"));
  exchange.end();
  assert.equal(transport.headLines[0], "HTTP/1.1 404 Not Found");
  assert.equal(transport.body, "a");
  assert.equal(exchange.status, 404);
  assert.deepEqual(transport.ends, ["kept"]);
});

test("Exchange sends field lines octet by octet as they are, in latin-1", () => {
  const { transport, exchange } = start();
  exchange.respond(responseHead({ fieldLines: Buffer.from("X: \xe9\xff\r\n", "latin1") }), EMPTY, true);
  assert.deepEqual(transport.field("X"), ["\xe9\xff"]);
});

test("Exchange hands pausing on to its transport and shows what is unsent", () => {
  const { transport, exchange } = start();
  transport.unsentBytes = 42;
  exchange.pauseBody();
  exchange.resumeBody();
  assert.deepEqual(transport.readings, ["paused", "resumed"]);
  assert.equal(exchange.unsentBytes, 42);
});

/** What was lent is written by the test, as a worker does. */
function lend({ exchange, transport }: ReturnType<typeof start>): Buffer {
  const lent = exchange.lend(responseHead({ contentLength: 10 }));
  assert.ok(lent !== null);
  assert.equal(lent.socket, transport.socket);
  return lent.head;
}

test("Exchange lends the client's socket with the head, and writes nothing until it is taken back", () => {
  const started = start();
  const head = lend(started).toString("latin1");
  assert.match(
    head,
    /^HTTP\/1\.1 200 OK\r\n[^]*\r\nContent-Length: 10\r\nContent-Type: text\/plain\r\n\r\n$/,
  );
  const { exchange, transport } = started;
  exchange.write(Buffer.from("nothing"));
  exchange.end();
  exchange.respond(responseHead(), Buffer.from("other"), true);
  assert.deepEqual([transport.written, transport.ends], [[], []]);
  assert.ok(exchange.isAnswered && !exchange.isDone);
  exchange.takeBack(head.length + 10);
  exchange.end();
  assert.deepEqual([transport.written, transport.ends], [[], ["kept"]]);
  assert.equal(exchange.bodyBytes, 10);
  assert.equal(exchange.lengthMismatch, null);
});

test("Exchange writes what is left of a response that was lent", () => {
  const { exchange, transport } = start();
  const head = lend({ exchange, transport });
  exchange.takeBack(head.length + 4);
  exchange.write(Buffer.from("456789"));
  exchange.end();
  assert.equal(transport.text, "456789");
  assert.deepEqual(transport.ends, ["kept"]);
  assert.equal(exchange.bodyBytes, 10);
});

test("Exchange writes what is left of a head that was lent", () => {
  const { exchange, transport } = start();
  const head = lend({ exchange, transport });
  exchange.takeBack(9);
  exchange.write(Buffer.from("0123456789"));
  exchange.end();
  assert.equal(transport.text, `${head.toString("latin1").slice(9)}0123456789`);
  assert.equal(exchange.bodyBytes, 10);
});

test("Exchange cuts off a response that was lent and is not completed", () => {
  const { exchange, transport } = start();
  lend({ exchange, transport });
  exchange.abort();
  assert.deepEqual([transport.written, transport.ends], [[], ["destroyed"]]);
  exchange.takeBack(1000);
  exchange.end();
  assert.deepEqual([transport.written, transport.ends], [[], ["destroyed"]]);
});

test("Exchange lends the head without the octets that were sent ahead", () => {
  const { exchange, transport } = start();
  exchange.probe();
  exchange.probe();
  assert.match(lend({ exchange, transport }).toString("latin1"), /^TP\/1\.1 200 OK\r\n/);
  assert.equal(transport.text, "HT");
});

const unlendable: readonly (readonly [string, string, Partial<ResponseHead>])[] = [
  ["to a HEAD request", "HEAD / HTTP/1.1", { contentLength: 10 }],
  ["of status 304", "GET / HTTP/1.1", { contentLength: 10, status: 304 }],
  ["of status 205", "GET / HTTP/1.1", { contentLength: 10, status: 205 }],
  ["without a body", "GET / HTTP/1.1", { contentLength: 0 }],
  ["of unknown length", "GET / HTTP/1.1", {}],
  ["with a large head", "GET / HTTP/1.1", { contentLength: 10, fieldLines: Buffer.alloc(17_000, "a") }],
];

for (const [what, line, head] of unlendable) {
  test(`Exchange does not lend the socket for a response ${what}, and answers as ever`, () => {
    const { exchange, transport } = start(line);
    assert.equal(exchange.lend(responseHead(head)), null);
    exchange.respond(responseHead({ contentLength: 2 }), Buffer.from("ok"), true);
    assert.deepEqual(transport.ends, ["kept"]);
    assert.equal(exchange.status, 200);
  });
}

test("Exchange lends no socket that bytes are on their way to", () => {
  const { exchange, transport } = start();
  transport.socket = null;
  assert.equal(exchange.lend(responseHead({ contentLength: 10 })), null);
  assert.equal(exchange.isAnswered, false);
});
