/**
 * Writes test/frames: one recorded frame to a file, and frames.json, which says what each of them holds.
 *
 *     node --import tsx scripts/write-frames.ts [FOLDER]
 *
 * Every octet stands here by hand and follows src/channel/frame.md, not a codec: both languages hold theirs against it.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hex, join as joinOctets, toAsciiJson, type Octets } from "./octets.ts";

interface RecordedFrame {
  readonly name: string;
  /** The header comes first: payload length, type, flags, aux, stream. A text is latin-1. */
  readonly octets: readonly Octets[];
  /** Its entry in frames.json. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const frames: readonly RecordedFrame[] = [
  {
    name: "hello",
    octets: [
      hex("5f000000 01 00 0000 00000000"),
      '{"version": 1, "pid": 4194304, "worker": 12, "generation": 345, "isPulling": true, "thread": 3}',
    ],
    fields: {
      type: "hello",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 0,
      hello: { version: 1, pid: 4194304, worker: 12, generation: 345, isPulling: true, thread: 3 },
    },
  },
  {
    name: "hello-multiplexing",
    octets: [
      hex("97000000 01 00 0000 00000000"),
      '{"version": 1, "pid": 4194304, "worker": 13, "generation": 345, "isPulling": false, "thread": 0, ',
      '"multiplexing": {"credit": 1000, "interface": "asgi"}}',
    ],
    fields: {
      type: "hello",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 0,
      hello: {
        version: 1,
        pid: 4194304,
        worker: 13,
        generation: 345,
        isPulling: false,
        thread: 0,
        multiplexing: { credit: 1000, interface: "asgi" },
      },
    },
  },
  {
    name: "ready",
    octets: [hex("00000000 02 00 0000 00000000")],
    fields: { type: "ready", direction: "to-router", flags: [], aux: 0, stream: 0 },
  },
  {
    name: "ready-last",
    octets: [hex("00000000 02 04 0000 00000000")],
    fields: { type: "ready", direction: "to-router", flags: ["last"], aux: 0, stream: 0 },
  },
  {
    name: "leaving",
    octets: [hex("00000000 03 00 0000 00000000")],
    fields: { type: "leaving", direction: "to-router", flags: [], aux: 0, stream: 0 },
  },
  {
    name: "drain",
    octets: [hex("00000000 04 00 0000 00000000")],
    fields: { type: "drain", direction: "to-worker", flags: [], aux: 0, stream: 0 },
  },
  {
    name: "pull",
    octets: [hex("04000000 05 00 0000 00000000"), hex("fe ca 0f 0e")],
    fields: {
      type: "pull",
      direction: "to-worker",
      flags: [],
      aux: 0,
      stream: 0,
      epoch: 0xcafe,
      claim: 3599,
    },
  },
  {
    name: "fetch",
    octets: [hex("00000000 25 00 0000 0102ff03")],
    fields: { type: "fetch", direction: "to-router", flags: [], aux: 0, stream: 0x03_ff_02_01 },
  },
  {
    name: "ping",
    octets: [hex("00000000 31 00 0000 00000000")],
    fields: { type: "ping", direction: "to-worker", flags: [], aux: 0, stream: 0 },
  },
  {
    name: "pong",
    octets: [hex("00000000 32 00 0000 00000000")],
    fields: { type: "pong", direction: "to-router", flags: [], aux: 0, stream: 0 },
  },
  {
    name: "cancel",
    octets: [hex("00000000 11 00 0000 07000000")],
    fields: { type: "cancel", direction: "to-worker", flags: [], aux: 0, stream: 7 },
  },
  {
    name: "cancel-largest-stream",
    octets: [hex("00000000 11 00 0000 ffffffff")],
    fields: { type: "cancel", direction: "to-worker", flags: [], aux: 0, stream: 4294967295 },
  },
  {
    name: "cancel-half",
    octets: [hex("00000000 11 00 0100 09000000")],
    fields: { type: "cancel", direction: "to-worker", flags: [], aux: 1, stream: 9 },
  },
  {
    name: "file-answer-taken",
    octets: [hex("00000000 12 00 0100 08000000")],
    fields: { type: "file-answer", direction: "to-worker", flags: [], aux: 1, stream: 8 },
  },
  {
    name: "file-answer-refused",
    octets: [hex("00000000 12 00 0000 09000000")],
    fields: { type: "file-answer", direction: "to-worker", flags: [], aux: 0, stream: 9 },
  },
  {
    name: "request-without-body",
    octets: [
      hex("33000000 10 01 0000 01000000"),
      hex("2f000000"),
      "REQUEST_METHOD\0GET\0PATH_INFO\0/\0HTTP_HOST\0a.test",
    ],
    fields: {
      type: "request",
      direction: "to-worker",
      flags: ["end"],
      aux: 0,
      stream: 1,
      environ: [
        ["REQUEST_METHOD", "GET"],
        ["PATH_INFO", "/"],
        ["HTTP_HOST", "a.test"],
      ],
      body: "",
    },
  },
  {
    name: "request-empty-values",
    octets: [
      hex("31000000 10 01 0000 02000000"),
      hex("2d000000"),
      "REQUEST_METHOD\0GET\0SCRIPT_NAME\0\0QUERY_STRING\0",
    ],
    fields: {
      type: "request",
      direction: "to-worker",
      flags: ["end"],
      aux: 0,
      stream: 2,
      environ: [
        ["REQUEST_METHOD", "GET"],
        ["SCRIPT_NAME", ""],
        ["QUERY_STRING", ""],
      ],
      body: "",
    },
  },
  {
    name: "request-memory-body",
    octets: [
      hex("34000000 10 01 0000 03000000"),
      hex("25000000"),
      "REQUEST_METHOD\0POST\0CONTENT_LENGTH\x0011",
      hex("00 01 7f 80 ff 0d 0a 00 68 69 21"),
    ],
    fields: {
      type: "request",
      direction: "to-worker",
      flags: ["end"],
      aux: 0,
      stream: 3,
      environ: [
        ["REQUEST_METHOD", "POST"],
        ["CONTENT_LENGTH", "11"],
      ],
      body: "\x00\x01\x7f\x80\xff\r\n\x00hi!",
    },
  },
  {
    name: "request-file-body",
    octets: [
      hex("4c000000 10 09 0000 04000000"),
      hex("2a000000"),
      "REQUEST_METHOD\0PUT\0CONTENT_LENGTH\x0010485760",
      "/tmp/tunicorn-Ab12Cd/body-4121",
    ],
    fields: {
      type: "request",
      direction: "to-worker",
      flags: ["end", "file-body"],
      aux: 0,
      stream: 4,
      environ: [
        ["REQUEST_METHOD", "PUT"],
        ["CONTENT_LENGTH", "10485760"],
      ],
      body: "/tmp/tunicorn-Ab12Cd/body-4121",
    },
  },
  {
    name: "request-latin-1",
    octets: [
      hex("4c000000 10 01 0000 05000000"),
      hex("48000000"),
      "REQUEST_METHOD\0GET\0PATH_INFO\0/caf",
      hex("c3 a9"),
      "\0HTTP_X_HIGH\0",
      hex("80 9f a0 bf c0 df e0 e9 ff"),
      "\0HTTP_X_TAB\0a\tb",
    ],
    fields: {
      type: "request",
      direction: "to-worker",
      flags: ["end"],
      aux: 0,
      stream: 5,
      environ: [
        ["REQUEST_METHOD", "GET"],
        ["PATH_INFO", "/caf\xc3\xa9"],
        ["HTTP_X_HIGH", "\x80\x9f\xa0\xbf\xc0\xdf\xe0\xe9\xff"],
        ["HTTP_X_TAB", "a\tb"],
      ],
      body: "",
    },
  },
  {
    name: "response-whole",
    octets: [
      hex("33000000 20 03 c800 01000000"),
      hex("02000000 1a000000 07000000 00000000"),
      "OK",
      "Content-Type: text/plain\r\n",
      "hello!\n",
    ],
    fields: {
      type: "response",
      direction: "to-router",
      flags: ["end", "ready"],
      aux: 200,
      stream: 1,
      contentLength: 7,
      reason: "OK",
      fieldLines: "Content-Type: text/plain\r\n",
      body: "hello!\n",
    },
  },
  {
    name: "response-whole-not-ready",
    octets: [
      hex("1b000000 20 01 9401 02000000"),
      hex("09000000 00000000 02000000 00000000"),
      "Not Found",
      "no",
    ],
    fields: {
      type: "response",
      direction: "to-router",
      flags: ["end"],
      aux: 404,
      stream: 2,
      contentLength: 2,
      reason: "Not Found",
      fieldLines: "",
      body: "no",
    },
  },
  {
    name: "response-whole-last",
    octets: [hex("1a000000 20 07 cc00 03000000"), hex("0a000000 00000000 ffffffff ffffffff"), "No Content"],
    fields: {
      type: "response",
      direction: "to-router",
      flags: ["end", "ready", "last"],
      aux: 204,
      stream: 3,
      contentLength: null,
      reason: "No Content",
      fieldLines: "",
      body: "",
    },
  },
  {
    name: "response-head-only",
    octets: [
      hex("41000000 20 00 c800 04000000"),
      hex("02000000 2f000000 00f2052a 01000000"),
      "OK",
      "Content-Type: text/plain\r\n",
      "X-Set: first, twice\r\n",
    ],
    fields: {
      type: "response",
      direction: "to-router",
      flags: [],
      aux: 200,
      stream: 4,
      contentLength: 5000000000,
      reason: "OK",
      fieldLines: "Content-Type: text/plain\r\nX-Set: first, twice\r\n",
      body: "",
    },
  },
  {
    name: "response-without-content-length",
    octets: [
      hex("28000000 20 00 c800 05000000"),
      hex("02000000 0f000000 ffffffff ffffffff"),
      "OK",
      "Set-Cookie: a\r\n",
      "first p",
    ],
    fields: {
      type: "response",
      direction: "to-router",
      flags: [],
      aux: 200,
      stream: 5,
      contentLength: null,
      reason: "OK",
      fieldLines: "Set-Cookie: a\r\n",
      body: "first p",
    },
  },
  {
    name: "response-latin-1",
    octets: [
      hex("2c000000 20 03 5702 06000000"),
      hex("0a000000 0b000000 07000000 00000000"),
      "Tr",
      hex("e8"),
      "s long",
      hex("ff"),
      "X-N: \t",
      hex("80 a0 ff"),
      "\r\n",
      hex("00 0d 0a 0d 0a 80 ff"),
    ],
    fields: {
      type: "response",
      direction: "to-router",
      flags: ["end", "ready"],
      aux: 599,
      stream: 6,
      contentLength: 7,
      reason: "Tr\xe8s long\xff",
      fieldLines: "X-N: \t\x80\xa0\xff\r\n",
      body: "\x00\r\n\r\n\x80\xff",
    },
  },
  {
    name: "response-without-reason",
    octets: [hex("10000000 20 03 2b02 07000000"), hex("00000000 00000000 00000000 00000000")],
    fields: {
      type: "response",
      direction: "to-router",
      flags: ["end", "ready"],
      aux: 555,
      stream: 7,
      contentLength: 0,
      reason: "",
      fieldLines: "",
      body: "",
    },
  },
  {
    name: "body-piece",
    octets: [hex("08000000 21 00 0000 04000000"), hex("00 61 0d 0a 7f 80 fe ff")],
    fields: {
      type: "body",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 4,
      body: "\x00a\r\n\x7f\x80\xfe\xff",
    },
  },
  {
    name: "body-end",
    octets: [hex("05000000 21 01 0000 04000000"), "end.\n"],
    fields: {
      type: "body",
      direction: "to-router",
      flags: ["end"],
      aux: 0,
      stream: 4,
      body: "end.\n",
    },
  },
  {
    name: "body-end-empty",
    octets: [hex("00000000 21 03 0000 04000000")],
    fields: {
      type: "body",
      direction: "to-router",
      flags: ["end", "ready"],
      aux: 0,
      stream: 4,
      body: "",
    },
  },
  {
    name: "body-end-last",
    octets: [hex("04000000 21 07 0000 04000000"), "bye\n"],
    fields: {
      type: "body",
      direction: "to-router",
      flags: ["end", "ready", "last"],
      aux: 0,
      stream: 4,
      body: "bye\n",
    },
  },
  {
    name: "failed",
    octets: [hex("00000000 22 03 0000 05000000")],
    fields: { type: "failed", direction: "to-router", flags: ["end", "ready"], aux: 0, stream: 5 },
  },
  {
    name: "failed-last",
    octets: [hex("00000000 22 05 0000 06000000")],
    fields: { type: "failed", direction: "to-router", flags: ["end", "last"], aux: 0, stream: 6 },
  },
  {
    name: "interim",
    octets: [hex("1d000000 23 00 6700 07000000"), "Link: </a.css>; rel=preload\r\n"],
    fields: {
      type: "interim",
      direction: "to-router",
      flags: [],
      aux: 103,
      stream: 7,
      fieldLines: "Link: </a.css>; rel=preload\r\n",
    },
  },
  {
    name: "join",
    octets: [hex("00000000 06 00 0000 0d0c0b0a")],
    fields: { type: "join", direction: "to-router", flags: [], aux: 0, stream: 0x0a_0b_0c_0d },
  },
  {
    name: "tunnel",
    octets: [hex("00000000 28 00 0000 0e000000")],
    fields: { type: "tunnel", direction: "to-router", flags: [], aux: 0, stream: 14 },
  },
  {
    name: "tunnel-timed",
    octets: [hex("00000000 28 00 0100 0f000000")],
    fields: { type: "tunnel", direction: "to-router", flags: [], aux: 1, stream: 15 },
  },
  {
    name: "environ",
    octets: [hex("1c000000 27 00 0000 07000000"), "REMOTE_USER\0", hex("c3a4"), "nn\0PATH_INFO\0/"],
    fields: {
      type: "environ",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 7,
      entries: "REMOTE_USER\0\u00e4nn\0PATH_INFO\0/",
    },
  },
  {
    name: "file",
    octets: [
      hex("20000000 24 00 0000 08000000"),
      hex("10000000 00000000 00f2052a 01000000"),
      "/proc/4121/fd/17",
    ],
    fields: {
      type: "file",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 8,
      start: 16,
      length: 5000000000,
      path: "/proc/4121/fd/17",
    },
  },
  {
    name: "request-streamed",
    octets: [
      hex("76000000 10 00 0000 0b000000"),
      hex("6f000000"),
      "POST\x001.1\0https\0/api\0/api/caf%C3%A9\0a=1&b=%20\x00192.0.2.7\x0050123\x000.0.0.0\x008000",
      "\0host\0a.test\0x-two\0first\0x-two\0se",
      hex("e9"),
      "cond",
      hex("00 ff 0a"),
    ],
    fields: {
      type: "request",
      direction: "to-worker",
      flags: [],
      aux: 0,
      stream: 11,
      asgi: {
        method: "POST",
        httpVersion: "1.1",
        scheme: "https",
        rootPath: "/api",
        rawPath: "/api/caf%C3%A9",
        query: "a=1&b=%20",
        client: ["192.0.2.7", 50123],
        server: ["0.0.0.0", 8000],
        headers: [
          ["host", "a.test"],
          ["x-two", "first"],
          ["x-two", "se\xe9cond"],
        ],
      },
      body: "\x00\xff\n",
    },
  },
  {
    name: "request-awaits-continue",
    octets: [
      hex("33000000 10 10 0000 0c000000"),
      hex("2f000000"),
      "PUT\x001.1\0http\0\0/\0\x00127.0.0.1\x0050124\x00127.0.0.1\x008000",
    ],
    fields: {
      type: "request",
      direction: "to-worker",
      flags: ["awaits-continue"],
      aux: 0,
      stream: 12,
      asgi: {
        method: "PUT",
        httpVersion: "1.1",
        scheme: "http",
        rootPath: "",
        rawPath: "/",
        query: "",
        client: ["127.0.0.1", 50124],
        server: ["127.0.0.1", 8000],
        headers: [],
      },
      body: "",
    },
  },
  {
    name: "request-websocket",
    octets: [
      hex("5a000000 10 21 0000 0d000000"),
      hex("56000000"),
      "GET\x001.1\0ws\0\0/chat\0\0\0\0/run/app.sock\0",
      "\0host\0a.test\0sec-websocket-protocol\0chat, superchat",
    ],
    fields: {
      type: "request",
      direction: "to-worker",
      flags: ["end", "websocket"],
      aux: 0,
      stream: 13,
      asgi: {
        method: "GET",
        httpVersion: "1.1",
        scheme: "ws",
        rootPath: "",
        rawPath: "/chat",
        query: "",
        client: null,
        server: ["/run/app.sock", null],
        headers: [
          ["host", "a.test"],
          ["sec-websocket-protocol", "chat, superchat"],
        ],
      },
      body: "",
    },
  },
  {
    name: "request-body",
    octets: [hex("04000000 13 00 0000 0b000000"), hex("80 00 0d 0a")],
    fields: {
      type: "request-body",
      direction: "to-worker",
      flags: [],
      aux: 0,
      stream: 11,
      body: "\x80\x00\r\n",
    },
  },
  {
    name: "request-body-end",
    octets: [hex("00000000 13 01 0000 0b000000")],
    fields: { type: "request-body", direction: "to-worker", flags: ["end"], aux: 0, stream: 11, body: "" },
  },
  {
    name: "window-to-worker",
    octets: [hex("04000000 30 00 0000 0b000000"), hex("00000100")],
    fields: { type: "window", direction: "to-worker", flags: [], aux: 0, stream: 11, bytes: 65536 },
  },
  {
    name: "window-to-router",
    octets: [hex("04000000 30 00 0000 0b000000"), hex("ffffffff")],
    fields: { type: "window", direction: "to-router", flags: [], aux: 0, stream: 11, bytes: 4294967295 },
  },
  {
    name: "trailers",
    octets: [hex("11000000 26 01 0000 0b000000"), "Digest: sha-256\r\n"],
    fields: {
      type: "trailers",
      direction: "to-router",
      flags: ["end"],
      aux: 0,
      stream: 11,
      fieldLines: "Digest: sha-256\r\n",
    },
  },
  {
    name: "accept",
    octets: [hex("11000000 40 00 0000 0d000000"), hex("04000000"), "chat", "X-A: b\xe9\r\n"],
    fields: {
      type: "accept",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 13,
      subprotocol: "chat",
      fieldLines: "X-A: b\xe9\r\n",
    },
  },
  {
    name: "accept-without-subprotocol",
    octets: [hex("04000000 40 00 0000 0e000000"), hex("00000000")],
    fields: {
      type: "accept",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 14,
      subprotocol: "",
      fieldLines: "",
    },
  },
  {
    name: "message-text-to-worker",
    octets: [hex("03000000 41 41 0000 0d000000"), hex("e2 82 ac")],
    fields: {
      type: "message",
      direction: "to-worker",
      flags: ["end", "text"],
      aux: 0,
      stream: 13,
      body: "\xe2\x82\xac",
    },
  },
  {
    name: "message-part-to-router",
    octets: [hex("02000000 41 00 0000 0d000000"), hex("00 ff")],
    fields: {
      type: "message",
      direction: "to-router",
      flags: [],
      aux: 0,
      stream: 13,
      body: "\x00\xff",
    },
  },
  {
    name: "message-empty-to-router",
    octets: [hex("00000000 41 41 0000 0d000000")],
    fields: { type: "message", direction: "to-router", flags: ["end", "text"], aux: 0, stream: 13, body: "" },
  },
  {
    name: "close-to-worker",
    octets: [hex("04000000 42 00 f403 0d000000"), "bye", "\x7f"],
    fields: { type: "close", direction: "to-worker", flags: [], aux: 1012, stream: 13, reason: "bye\x7f" },
  },
  {
    name: "close-to-router",
    octets: [hex("03000000 42 00 a00f 0d000000"), hex("e2 82 ac")],
    fields: { type: "close", direction: "to-router", flags: [], aux: 4000, stream: 13, reason: "\u20ac" },
  },
];

const HEADER_BYTES = 12;

const folder = process.argv[2] ?? fileURLToPath(new URL("../test/frames", import.meta.url));

mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) {
  if (name.endsWith(".bin")) rmSync(join(folder, name));
}
for (const frame of frames) writeFileSync(join(folder, `${frame.name}.bin`), toOctets(frame));
const entries = Object.fromEntries(frames.map(({ name, fields }) => [name, fields]));
writeFileSync(join(folder, "frames.json"), `${toAsciiJson(entries)}\n`);

/** Lengths were counted by hand, so they are checked. */
function toOctets({ name, octets }: RecordedFrame): Buffer {
  const bytes = joinOctets(octets);
  const announced = bytes.readUInt32LE(0);
  const written = bytes.length - HEADER_BYTES;
  if (announced !== written) {
    throw new Error(`The frame ${name} announces ${announced} octets and has ${written}`);
  }
  return bytes;
}
