import assert from "node:assert/strict";
import { test } from "node:test";

import { FRAME_HEADER_BYTES, FrameFlag, FrameType, readFrameHeader } from "../../src/channel/frame.ts";
import {
  decodeStreamMessage,
  encodeClose,
  encodeControl,
  encodeMessage,
  encodePing,
  encodeRequestBody,
  encodeWindow,
  Opcode,
  PART_BYTES,
  type StreamMessage,
} from "../../src/channel/stream-messages.ts";
import { latin1, recordedFrame, recordedFrames, streamTypes, type RecordedFrame } from "./recorded-frames.ts";

function decode(octets: Buffer): StreamMessage {
  return decodeStreamMessage(readFrameHeader(octets, 0), octets.subarray(FRAME_HEADER_BYTES));
}

/** The message that a recorded frame of a multiplexing worker carries, as frames.json describes it. */
function expectedMessage(frame: RecordedFrame): unknown {
  const { stream, flags } = frame;
  const isEnd = (flags & FrameFlag.end) !== 0;
  switch (frame.type) {
    case FrameType.pong:
      return { type: "pong" };
    case FrameType.window:
      return { type: "window", stream, bytes: frame.bytes };
    case FrameType.trailers: {
      const after = { isEnd, isReady: false, isLast: false };
      return { type: "trailers", stream, fieldLines: latin1(frame.fieldLines ?? ""), after };
    }
    case FrameType.accept: {
      const fieldLines = latin1(frame.fieldLines ?? "");
      const hearsControl = frame.aux === 1;
      return { type: "accept", stream, subprotocol: frame.subprotocol, fieldLines, hearsControl };
    }
    case FrameType.control:
      return { type: "control", stream, data: latin1(frame.body ?? "") };
    case FrameType.message: {
      const isText = (flags & FrameFlag.text) !== 0;
      return { type: "message", stream, part: { isText, isEnd, bytes: latin1(frame.body ?? "") } };
    }
    case FrameType.close:
      return { type: "close", stream, code: frame.aux, reason: frame.reason };
    default:
      throw new Error(`${frame.name} is none of a multiplexing worker alone`);
  }
}

for (const frame of recordedFrames.filter(
  ({ direction, type }) => direction === "to-router" && streamTypes.has(type),
)) {
  test(`decodeStreamMessage() reads the recorded frame ${frame.name}`, () => {
    assert.deepEqual(decode(frame.octets), expectedMessage(frame));
  });
}

test("decodeStreamMessage() reads what every worker says, too", () => {
  assert.deepEqual(decode(recordedFrame("leaving").octets), { type: "leaving" });
  assert.equal(decode(recordedFrame("response-whole").octets).type, "response");
});

test("encodePing() writes the recorded frame", () => {
  assert.deepEqual(encodePing(), recordedFrame("ping").octets);
});

test("encodeRequestBody() writes the recorded frames", () => {
  assert.deepEqual(encodeRequestBody(11, latin1("\x80\0\r\n"), false), recordedFrame("request-body").octets);
  assert.deepEqual(encodeRequestBody(11, Buffer.alloc(0), true), recordedFrame("request-body-end").octets);
});

test("encodeWindow() writes the recorded frame", () => {
  assert.deepEqual(encodeWindow(11, 65536), recordedFrame("window-to-worker").octets);
});

test("encodeClose() writes the recorded frame", () => {
  assert.deepEqual(encodeClose(13, 1012, "bye\x7f"), recordedFrame("close-to-worker").octets);
});

test("encodeControl() writes the recorded frame", () => {
  assert.deepEqual(encodeControl(15, Opcode.pong, latin1("hi")), recordedFrame("control-to-worker").octets);
});

test("encodeMessage() writes the recorded frame", () => {
  const [octets] = encodeMessage(13, Buffer.from("€"), true);
  assert.deepEqual(octets, recordedFrame("message-text-to-worker").octets);
});

test("encodeMessage() sends an empty message as one frame, and a large one in parts of which the last has the end", () => {
  assert.equal(encodeMessage(1, Buffer.alloc(0), false).length, 1);
  const message = Buffer.alloc(2 * PART_BYTES + 1, "x");
  const headers = encodeMessage(1, message, false).map((octets) => readFrameHeader(octets, 0));
  assert.deepEqual(
    headers.map(({ payloadBytes, flags }) => [payloadBytes, flags]),
    [
      [PART_BYTES, 0],
      [PART_BYTES, 0],
      [1, FrameFlag.end],
    ],
  );
});

for (const [what, type, payload, aux = 0] of [
  ["WINDOW without a number", FrameType.window, Buffer.alloc(3)],
  ["WINDOW with more than a number", FrameType.window, Buffer.alloc(5)],
  ["ACCEPT without a length", FrameType.accept, Buffer.alloc(3)],
  ["ACCEPT with a subprotocol longer than the frame", FrameType.accept, latin1("\x05\0\0\0chat")],
  ["CONTROL that is no ping", FrameType.control, Buffer.alloc(1), Opcode.pong],
  ["CONTROL longer than a ping", FrameType.control, Buffer.alloc(126), Opcode.ping],
  ["PING, which only a router sends", FrameType.ping, Buffer.alloc(0)],
  ["REQUEST_BODY, which only a router sends", FrameType.requestBody, Buffer.alloc(1)],
] as const) {
  test(`decodeStreamMessage() refuses ${what}`, () => {
    const header = { payloadBytes: payload.length, type, flags: 0, aux, stream: 1 };
    assert.throws(() => decodeStreamMessage(header, payload), { code: "ERR_PROTOCOL" });
  });
}
