/** What is said, beyond messages.ts, on the channel of a worker that multiplexes. The layouts are drawn in frame.md. */
import { TunicornError } from "../errors.ts";
import { FRAME_HEADER_BYTES, FrameFlag, FrameType, writeFrameHeader, type FrameHeader } from "./frame.ts";
import {
  afterFrame,
  decodeWorkerMessage,
  encodeEmpty,
  type AfterFrame,
  type WorkerMessage,
} from "./messages.ts";

/** Body bytes of one stream and direction that may be on their way before the receiver has asked for more. */
export const WINDOW_BYTES = 128 * 1024;

/** What a message of a WebSocket takes of a window beside its own bytes, so that many small ones fill it too. */
export const MESSAGE_COST_BYTES = 64;

/** Opcodes of a WebSocket's control frames (RFC 6455 section 11.8), as CONTROL names them. */
export const Opcode = { ping: 9, pong: 10 } as const;

/** What a control frame of a WebSocket carries at most (RFC 6455 section 5.5). */
const CONTROL_LIMIT_BYTES = 125;

/** Largest payload of a frame with a part of a body or message. */
export const PART_BYTES = 256 * 1024;

/** Worker to router, where the worker multiplexes. */
export type StreamMessage =
  | WorkerMessage
  | { readonly type: "pong" }
  /** The application has taken this many bytes of the request body, so as many more may be sent. */
  | { readonly type: "window"; readonly stream: number; readonly bytes: number }
  | {
      readonly type: "trailers";
      readonly stream: number;
      readonly fieldLines: Buffer;
      readonly after: AfterFrame;
    }
  /** The application takes the WebSocket. */
  | {
      readonly type: "accept";
      readonly stream: number;
      /** Or "" for none. */
      readonly subprotocol: string;
      readonly fieldLines: Buffer;
      /** It wants to hear of the client's pings and pongs. */
      readonly hearsControl: boolean;
    }
  /** The application pings the client. */
  | { readonly type: "control"; readonly stream: number; readonly data: Buffer }
  | { readonly type: "message"; readonly stream: number; readonly part: MessagePart }
  | { readonly type: "close"; readonly stream: number; readonly code: number; readonly reason: string };

/** A part of a message of a WebSocket. */
export interface MessagePart {
  readonly isText: boolean;
  readonly isEnd: boolean;
  readonly bytes: Buffer;
}

/** Asks the worker's event loop for a sign of life. */
export function encodePing(): Buffer {
  return encodeEmpty(FrameType.ping, 0);
}

/** A further piece of a request body. */
export function encodeRequestBody(stream: number, piece: Buffer, isEnd: boolean): Buffer {
  return encode({ type: FrameType.requestBody, stream, flags: isEnd ? FrameFlag.end : 0 }, piece);
}

/** Lets the worker send this many more bytes of the response. */
export function encodeWindow(stream: number, bytes: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32LE(bytes, 0);
  return encode({ type: FrameType.window, stream }, payload);
}

/** A message from the client of a WebSocket, in as many frames as it needs. */
export function encodeMessage(stream: number, message: Buffer, isText: boolean): Buffer[] {
  const frames: Buffer[] = [];
  const kind = isText ? FrameFlag.text : 0;
  for (let start = 0; start === 0 || start < message.length; start += PART_BYTES) {
    const isEnd = start + PART_BYTES >= message.length;
    const flags = kind | (isEnd ? FrameFlag.end : 0);
    frames.push(
      encode({ type: FrameType.message, stream, flags }, message.subarray(start, start + PART_BYTES)),
    );
  }
  return frames;
}

/** The client has sent a ping or a pong. */
export function encodeControl(stream: number, opcode: number, data: Buffer): Buffer {
  return encode({ type: FrameType.control, stream, aux: opcode }, data);
}

/** The WebSocket is closed. */
export function encodeClose(stream: number, code: number, reason: string): Buffer {
  return encode({ type: FrameType.close, stream, aux: code }, Buffer.from(reason));
}

/** The message that a frame of a multiplexing worker carries. Throws ERR_PROTOCOL when there is none such. */
export function decodeStreamMessage(header: FrameHeader, payload: Buffer): StreamMessage {
  const { stream, flags } = header;
  switch (header.type) {
    case FrameType.pong:
      return { type: "pong" };
    case FrameType.window:
      if (payload.length !== 4) throw shorter("window");
      return { type: "window", stream, bytes: payload.readUInt32LE(0) };
    case FrameType.trailers:
      return { type: "trailers", stream, fieldLines: payload, after: afterFrame(flags) };
    case FrameType.accept:
      return decodeAccept(header, payload);
    case FrameType.control:
      if (header.aux !== Opcode.ping || payload.length > CONTROL_LIMIT_BYTES) {
        const reason = `A worker sent a control frame of opcode ${header.aux} and ${payload.length} bytes`;
        throw new TunicornError("ERR_PROTOCOL", reason);
      }
      return { type: "control", stream, data: payload };
    case FrameType.message:
      return {
        type: "message",
        stream,
        part: {
          isText: (flags & FrameFlag.text) !== 0,
          isEnd: (flags & FrameFlag.end) !== 0,
          bytes: payload,
        },
      };
    case FrameType.close:
      return { type: "close", stream, code: header.aux, reason: payload.toString("utf8") };
    default:
      return decodeWorkerMessage(header, payload);
  }
}

function decodeAccept({ stream, aux }: FrameHeader, payload: Buffer): StreamMessage {
  const end = payload.length < 4 ? Infinity : 4 + payload.readUInt32LE(0);
  if (end > payload.length) throw shorter("accept");
  return {
    type: "accept",
    stream,
    subprotocol: payload.toString("latin1", 4, end),
    fieldLines: payload.subarray(end),
    hearsControl: aux === 1,
  };
}

function shorter(what: string): TunicornError {
  return new TunicornError("ERR_PROTOCOL", `A frame ${what} is shorter than its parts`);
}

interface PartialHeader {
  readonly type: number;
  readonly stream: number;
  readonly flags?: number;
  readonly aux?: number;
}

function encode({ type, stream, flags = 0, aux = 0 }: PartialHeader, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  writeFrameHeader(frame, 0, { payloadBytes: payload.length, type, flags, aux, stream });
  payload.copy(frame, FRAME_HEADER_BYTES);
  return frame;
}
