/** The frame header of the channel between router and worker: the drawing is in frame.md beside this file. */
import { TunicornError } from "../errors.ts";

export const FRAME_HEADER_BYTES = 12;

/** The largest payload a peer may announce; more means that the stream is out of step. */
export const FRAME_PAYLOAD_LIMIT_BYTES = 8 * 1024 * 1024;

/** Frame types; the numbers stand in frame.md and in python/tunicorn/frame.py too. */
export const FrameType = {
  hello: 1,
  ready: 2,
  leaving: 3,
  drain: 4,
  pull: 5,
  join: 6,
  dial: 7,
  request: 16,
  cancel: 17,
  fileAnswer: 18,
  requestBody: 19,
  lent: 20,
  response: 32,
  body: 33,
  failed: 34,
  interim: 35,
  file: 36,
  fetch: 37,
  trailers: 38,
  environ: 39,
  tunnel: 40,
  borrow: 41,
  returned: 42,
  window: 48,
  ping: 49,
  pong: 50,
  accept: 64,
  message: 65,
  close: 66,
  control: 67,
} as const;

/** Frame flags, each one bit. */
export const FrameFlag = {
  /** The message of this stream is complete with this frame. */
  end: 1,
  /** The worker that sends this takes a further request now. */
  ready: 2,
  /** The worker that sends this takes no further request and leaves. */
  last: 4,
  /** The request body is in a file; its path is the body of the frame. */
  fileBody: 8,
  /** The client of the request waits for `100 Continue`, and the window of its body is closed at first. */
  awaitsContinue: 16,
  /** The request is the opening handshake of a WebSocket. */
  webSocket: 32,
  /** A message is text. */
  text: 64,
  /** The body of a request is in a place of the shared queue's ring. */
  placedBody: 64,
} as const;

export interface FrameHeader {
  readonly payloadBytes: number;
  readonly type: number;
  readonly flags: number;
  readonly aux: number;
  readonly stream: number;
}

/** Writes the twelve octets of a header at `offset`. */
export function writeFrameHeader(target: Buffer, offset: number, header: FrameHeader): void {
  target.writeUInt32LE(header.payloadBytes, offset);
  target[offset + 4] = header.type;
  target[offset + 5] = header.flags;
  target.writeUInt16LE(header.aux, offset + 6);
  target.writeUInt32LE(header.stream, offset + 8);
}

export function readFrameHeader(source: Buffer, offset: number): FrameHeader {
  const payloadBytes = source.readUInt32LE(offset);
  if (payloadBytes > FRAME_PAYLOAD_LIMIT_BYTES) {
    throw new TunicornError(
      "ERR_PROTOCOL",
      `A frame announces ${payloadBytes} bytes, want at most ${FRAME_PAYLOAD_LIMIT_BYTES}`,
    );
  }
  return {
    payloadBytes,
    type: source[offset + 4] as number,
    flags: source[offset + 5] as number,
    aux: source.readUInt16LE(offset + 6),
    stream: source.readUInt32LE(offset + 8),
  };
}
