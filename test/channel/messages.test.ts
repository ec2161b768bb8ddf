import assert from "node:assert/strict";
import { test } from "node:test";

import { FRAME_HEADER_BYTES, FrameFlag, FrameType, readFrameHeader } from "../../src/channel/frame.ts";
import {
  decodeWorkerMessage,
  encodeCancel,
  encodeDrain,
  encodeFileAnswer,
  encodeLent,
  encodePull,
  encodeRequest,
  type AfterFrame,
  type RequestBody,
  type WorkerMessage,
} from "../../src/channel/messages.ts";
import {
  asgiHeadText,
  latin1,
  recordedFrame,
  recordedFrames,
  streamTypes,
  type RecordedFrame,
} from "./recorded-frames.ts";

function decode(octets: Buffer): WorkerMessage {
  return decodeWorkerMessage(readFrameHeader(octets, 0), octets.subarray(FRAME_HEADER_BYTES));
}

function after({ flags }: RecordedFrame): AfterFrame {
  return { isEnd: (flags & 1) !== 0, isReady: (flags & 2) !== 0, isLast: (flags & 4) !== 0 };
}

/** The message that a recorded frame to the router carries, as frames.json describes it. */
function expectedMessage(frame: RecordedFrame): unknown {
  const { stream } = frame;
  const body = latin1(frame.body ?? "");
  switch (frame.type) {
    case FrameType.hello:
      return { type: "hello", hello: frame.hello };
    case FrameType.ready:
      return { type: "ready", isLast: after(frame).isLast };
    case FrameType.leaving:
      return { type: "leaving" };
    case FrameType.response:
      return expectedResponse(frame);
    case FrameType.borrow:
      return { type: "borrow", stream, response: expectedResponse(frame) };
    case FrameType.returned:
      return { type: "returned", stream, writtenBytes: frame.written, after: after(frame) };
    case FrameType.dial:
      return { type: "dial", path: frame.path };
    case FrameType.body:
      return { type: "body", stream, body, after: after(frame) };
    case FrameType.failed:
      return { type: "failed", stream, after: after(frame) };
    case FrameType.interim:
      return { type: "interim", stream, status: frame.aux, fieldLines: latin1(frame.fieldLines ?? "") };
    case FrameType.file:
      return { type: "file", stream, file: { path: frame.path, start: frame.start, bytes: frame.length } };
    case FrameType.environ:
      return { type: "environ", stream, entries: frame.entries ?? "" };
    case FrameType.fetch:
      return { type: "fetch", stream };
    case FrameType.tunnel:
      return { type: "tunnel", stream, isTimed: frame.aux === 1 };
    default:
      throw new Error(`${frame.name} does not go to the router`);
  }
}

function expectedResponse(frame: RecordedFrame): unknown {
  return {
    type: "response",
    stream: frame.stream,
    status: frame.aux,
    contentLength: frame.contentLength,
    reason: frame.reason,
    fieldLines: latin1(frame.fieldLines ?? ""),
    body: latin1(frame.body ?? ""),
    after: after(frame),
  };
}

const toRouter = recordedFrames.filter(({ direction }) => direction === "to-router");

// JOIN is no message of a channel: WorkerGreeting reads it.
for (const frame of toRouter.filter(({ type }) => !streamTypes.has(type) && type !== FrameType.join)) {
  test(`decodeWorkerMessage() reads the recorded frame ${frame.name}`, () => {
    assert.deepEqual(decode(frame.octets), expectedMessage(frame));
  });
}

for (const frame of recordedFrames.filter(({ type }) => type === FrameType.request)) {
  const head = frame.asgi === undefined ? (frame.environ ?? []).flat().join("\0") : asgiHeadText(frame.asgi);
  const body = bodyOf(frame);

  test(`encodeRequest() writes the recorded frame ${frame.name}`, () => {
    const flags = frame.flags & ~(FrameFlag.fileBody | FrameFlag.placedBody);
    assert.deepEqual(encodeRequest(frame.stream, head, body, flags), frame.octets);
  });
}

function bodyOf({ flags, body = "", place = 0, length = 0 }: RecordedFrame): RequestBody {
  if ((flags & FrameFlag.fileBody) !== 0) return { type: "file", path: body };
  if ((flags & FrameFlag.placedBody) !== 0) return { type: "placed", place, bytes: length };
  const octets = latin1(body);
  return { type: "memory", pieces: [octets], bytes: octets.length };
}

test("encodeRequest() joins the pieces of a body", () => {
  const { octets, environ = [], stream, body = "" } = recordedFrame("request-memory-body");
  const bytes = latin1(body);
  const pieces = [bytes.subarray(0, 1), bytes.subarray(1, 1), bytes.subarray(1, 7), bytes.subarray(7)];
  const head = environ.flat().join("\0");
  assert.deepEqual(encodeRequest(stream, head, { type: "memory", pieces, bytes: bytes.length }), octets);
});

test("encodeRequest() writes a path beyond ASCII in UTF-8, as file systems hold it", () => {
  const frame = encodeRequest(1, "A\0b", { type: "file", path: "/tmp/é/body" });
  assert.equal(frame.subarray(FRAME_HEADER_BYTES + 4 + 3).toString("utf8"), "/tmp/é/body");
  assert.equal(readFrameHeader(frame, 0).payloadBytes, frame.length - FRAME_HEADER_BYTES);
});

test("encodeCancel() writes the recorded frames", () => {
  assert.deepEqual(encodeCancel(7), recordedFrame("cancel").octets);
  assert.deepEqual(encodeCancel(4294967295), recordedFrame("cancel-largest-stream").octets);
  assert.deepEqual(encodeCancel(9, true), recordedFrame("cancel-half").octets);
});

test("encodeFileAnswer() writes the recorded frames", () => {
  assert.deepEqual(encodeFileAnswer(8, true), recordedFrame("file-answer-taken").octets);
  assert.deepEqual(encodeFileAnswer(9, false), recordedFrame("file-answer-refused").octets);
});

test("encodeLent() writes the recorded frames", () => {
  const { octets, head } = recordedFrame("lent");
  assert.deepEqual(encodeLent(10, latin1(head ?? "")), octets);
  assert.deepEqual(encodeLent(11, null), recordedFrame("lent-refused").octets);
});

test("encodeDrain() writes the recorded frame", () => {
  assert.deepEqual(encodeDrain(), recordedFrame("drain").octets);
});

test("encodePull() writes the recorded frame", () => {
  const { epoch = 0, claim = 0, octets } = recordedFrame("pull");
  assert.deepEqual(encodePull(epoch, claim), octets);
});

test("decodeWorkerMessage() knows every octet a status, a reason and a field line can have", () => {
  const every = Array.from({ length: 256 }, (_, octet) => octet);
  const prefix = Buffer.alloc(16);
  prefix.writeUInt32LE(256, 0);
  prefix.writeUInt32LE(256, 4);
  const payload = Buffer.concat([prefix, Buffer.from(every), Buffer.from(every), Buffer.from(every)]);
  const header = { payloadBytes: payload.length, type: FrameType.response, flags: 0, aux: 65535, stream: 1 };
  const message = decodeWorkerMessage(header, payload);
  assert.ok(message.type === "response");
  assert.equal(message.reason, String.fromCharCode(...every));
  assert.deepEqual(message.fieldLines, Buffer.from(every));
  assert.deepEqual(message.body, Buffer.from(every));
  assert.equal(message.status, 65535);
  assert.equal(message.contentLength, 0);
});

interface Broken {
  readonly what: string;
  readonly type: number;
  readonly payload: Buffer;
}

function response(reasonBytes: number, lineBytes: number, rest: string): Buffer {
  const prefix = Buffer.alloc(16);
  prefix.writeUInt32LE(reasonBytes, 0);
  prefix.writeUInt32LE(lineBytes, 4);
  return Buffer.concat([prefix, latin1(rest)]);
}

const broken: readonly Broken[] = [
  { what: "a response without a payload", type: FrameType.response, payload: Buffer.alloc(0) },
  { what: "a response shorter than its lengths", type: FrameType.response, payload: Buffer.alloc(15) },
  { what: "a reason longer than the frame", type: FrameType.response, payload: response(3, 0, "OK") },
  { what: "field lines longer than the frame", type: FrameType.response, payload: response(2, 4, "OKA:b") },
  {
    what: "lengths whose sum leaves 32 bits",
    type: FrameType.response,
    payload: response(0xffff_ffff, 0xffff_ffff, "OK"),
  },
  { what: "DRAIN, which only a router sends", type: FrameType.drain, payload: Buffer.alloc(0) },
  { what: "REQUEST, which only a router sends", type: FrameType.request, payload: Buffer.alloc(4) },
  { what: "CANCEL, which only a router sends", type: FrameType.cancel, payload: Buffer.alloc(0) },
  { what: "FILE_ANSWER, which only a router sends", type: FrameType.fileAnswer, payload: Buffer.alloc(0) },
  { what: "LENT, which only a router sends", type: FrameType.lent, payload: Buffer.alloc(0) },
  { what: "a borrow shorter than its lengths", type: FrameType.borrow, payload: Buffer.alloc(15) },
  { what: "a return without its number", type: FrameType.returned, payload: Buffer.alloc(0) },
  { what: "a return with more than its number", type: FrameType.returned, payload: Buffer.alloc(9) },
  { what: "a file without a path", type: FrameType.file, payload: Buffer.alloc(16) },
  { what: "a file shorter than its numbers", type: FrameType.file, payload: Buffer.alloc(15) },
  { what: "type 0", type: 0, payload: Buffer.alloc(0) },
  { what: "type 255", type: 255, payload: Buffer.alloc(0) },
  { what: "HELLO without JSON", type: FrameType.hello, payload: Buffer.alloc(0) },
  { what: "HELLO with broken JSON", type: FrameType.hello, payload: latin1('{"version": 1') },
  { what: "HELLO with a list", type: FrameType.hello, payload: latin1("[1]") },
  { what: "HELLO with null", type: FrameType.hello, payload: latin1("null") },
  {
    what: "HELLO of another version",
    type: FrameType.hello,
    payload: latin1(
      '{"version": 2, "pid": 1, "worker": 1, "generation": 1, "isPulling": false, "thread": 0}',
    ),
  },
  {
    what: "HELLO without a worker",
    type: FrameType.hello,
    payload: latin1('{"version": 1, "pid": 1, "generation": 1, "isPulling": false, "thread": 0}'),
  },
  {
    what: "HELLO with a credit that is text",
    type: FrameType.hello,
    payload: latin1(
      '{"version": 1, "pid": 1, "worker": 1, "generation": 1, "isPulling": false, "thread": 0, ' +
        '"multiplexing": {"credit": "9", "interface": "asgi"}}',
    ),
  },
  {
    what: "HELLO with an interface that nobody speaks",
    type: FrameType.hello,
    payload: latin1(
      '{"version": 1, "pid": 1, "worker": 1, "generation": 1, "isPulling": false, "thread": 0, ' +
        '"multiplexing": {"credit": 9, "interface": "cgi"}}',
    ),
  },
  {
    what: "HELLO with a pid that is text",
    type: FrameType.hello,
    payload: latin1(
      '{"version": 1, "pid": "1", "worker": 1, "generation": 1, "isPulling": false, "thread": 0}',
    ),
  },
];

for (const { what, type, payload } of broken) {
  test(`decodeWorkerMessage() refuses ${what}`, () => {
    const header = { payloadBytes: payload.length, type, flags: 0, aux: 200, stream: 1 };
    assert.throws(() => decodeWorkerMessage(header, payload), { code: "ERR_PROTOCOL" });
  });
}
