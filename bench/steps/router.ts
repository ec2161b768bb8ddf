/** What each step of a router costs by itself: `npm run bench:steps`. docs/performance.md has what came out. */
import { execFileSync } from "node:child_process";
import { constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { FRAME_HEADER_BYTES, FrameType, writeFrameHeader } from "../../src/channel/frame.ts";
import { FrameReader } from "../../src/channel/frame-reader.ts";
import { decodeWorkerMessage, type RequestBody, type WorkerMessage } from "../../src/channel/messages.ts";
import { Exchange, type ExchangeTransport } from "../../src/http/exchange.ts";
import { defaultHttpLimits } from "../../src/http/limits.ts";
import type { RequestHead } from "../../src/http/request-head.ts";
import { RequestParser } from "../../src/http/request-parser.ts";
import { compileAccessFormat } from "../../src/log/access-format.ts";
import { createRing, Ring } from "../../src/queue/ring.ts";
import { Tokens } from "../../src/queue/tokens.ts";
import { makeAccessRecord } from "../../src/router/access-record.ts";
import type { Client } from "../../src/router/client.ts";
import { cookEnviron } from "../../src/router/environ.ts";
import type { RouterSettings } from "../../src/router/messages.ts";

const BATCHES = 15;
const BATCH = 8000;
const WARM_UP = 60_000;
const GATHERED = 16;

/** Least CPU time of a batch, for one of its requests. */
function measure(name: string, step: () => void, requests = 1): void {
  for (let count = 0; count < WARM_UP; count += 1) step();
  const batches = Array.from({ length: BATCHES }, () => {
    const start = process.cpuUsage();
    for (let count = 0; count < BATCH; count += 1) step();
    const { user, system } = process.cpuUsage(start);
    return (user + system) / BATCH / requests;
  });
  console.log(`${name.padEnd(48)} ${Math.min(...batches).toFixed(2)} µs`);
}

const REQUEST = Buffer.from(
  "GET /items/7 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
    "Accept: */*\r\nAccept-Encoding: gzip\r\n\r\n",
);
const FORMAT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"';
const NO_BODY: RequestBody = { type: "memory", pieces: [], bytes: 0 };

const listener = {
  id: 0,
  url: "http://127.0.0.1:8000",
  backlog: 0,
  serverName: "127.0.0.1",
  serverPort: "8000",
};
const client: Client = {
  address: "127.0.0.1",
  port: "50222",
  isTrusted: false,
  scheme: "http",
  extraEnviron: "",
  listener,
};
/** Those that the environ asks for. */
const settings: Partial<RouterSettings> = {
  scriptName: "",
  secureSchemeHeaders: {},
  forwarderHeaders: [],
  headerMap: "drop",
};

function parse(parser: RequestParser): RequestHead {
  parser.feed(REQUEST);
  const event = parser.next();
  parser.next();
  if (event?.type !== "head") throw new Error("The request was not taken for one");
  return event.head;
}

/** A RESPONSE frame with a small JSON body. */
function responseFrame(): Buffer {
  const reason = Buffer.from("OK");
  const lines = Buffer.from("Content-Type: application/json\r\n");
  const body = Buffer.alloc(70, "x");
  const prefix = Buffer.alloc(16);
  prefix.writeUInt32LE(reason.length, 0);
  prefix.writeUInt32LE(lines.length, 4);
  prefix.writeBigUInt64LE(BigInt(body.length), 8);
  const payload = Buffer.concat([prefix, reason, lines, body]);
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  const type = FrameType.response;
  writeFrameHeader(header, 0, { payloadBytes: payload.length, type, flags: 1, aux: 200, stream: 513 });
  return Buffer.concat([header, payload]);
}

function measureQueue(environ: string, folder: string): void {
  createRing(join(folder, "ring"));
  const ring = new Ring(join(folder, "ring"));
  measure("put into the ring: one request in a write", () => {
    const stream = ring.put(environ, NO_BODY);
    ring.flush();
    ring.release(stream);
  });
  measure(
    `put into the ring: ${GATHERED} requests in a write`,
    () => {
      const streams = Array.from({ length: GATHERED }, () => ring.put(environ, NO_BODY));
      ring.flush();
      for (const stream of streams) ring.release(stream);
    },
    GATHERED,
  );
  const path = join(folder, "tokens");
  execFileSync("mkfifo", [path]);
  const tokens = new Tokens({ path, router: 0, epoch: 1, isLive: () => true });
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const token = Buffer.alloc(8);
  measure("write a token that nobody waits for, and read it", () => {
    tokens.push(513);
    tokens.flush();
    readSync(fd, token);
  });
}

function measureAnswer(head: RequestHead): void {
  let message: WorkerMessage | null = null;
  const reader = new FrameReader((header, payload) => {
    message = decodeWorkerMessage(header, payload);
  });
  const frame = responseFrame();
  measure("read the answer's frame", () => reader.feed(frame));
  const response = message as WorkerMessage | null;
  if (response?.type !== "response") throw new Error("The frame was not taken for an answer");
  const nowhere = {
    unsentBytes: 0,
    closesAfterResponse: false,
    write: () => undefined,
    finish: () => undefined,
  };
  const transport = nowhere as unknown as ExchangeTransport;
  let exchange = new Exchange(transport, head);
  measure("make head and body of the answer", () => {
    exchange = new Exchange(transport, head);
    exchange.respond(response, response.body, true);
  });
  const format = compileAccessFormat(FORMAT);
  const request = { environ: "", environChanges: "" };
  measure("make the access line", () => {
    format(makeAccessRecord({ client, exchange, status: 200, pid: 1, response: null, request }));
  });
}

const parser = new RequestParser(defaultHttpLimits);
measure("parse the head of a request", () => void parse(parser));
const head = parse(parser);
const input = { head, client, settings: settings as RouterSettings, bodyBytes: null };
measure("cook its environ", () => void cookEnviron(input));
const folder = mkdtempSync("/dev/shm/tunicorn-steps-");
try {
  measureQueue(cookEnviron(input), folder);
} finally {
  rmSync(folder, { recursive: true });
}
measureAnswer(head);
