/** What is said on a channel, as unions on `type`, and their frames. The layouts are drawn in frame.md. */
import type { ApplicationInterface } from "../config/worker-class.ts";
import { TunicornError } from "../errors.ts";
import { FRAME_HEADER_BYTES, FrameFlag, FrameType, writeFrameHeader, type FrameHeader } from "./frame.ts";

const CHANNEL_VERSION = 1;

/** How a worker introduces itself when it has dialled. */
export interface Hello {
  readonly version: number;
  readonly pid: number;
  /** The worker's age: its number in the order of forks, unique while the arbiter lives. */
  readonly worker: number;
  readonly generation: number;
  /** It pulls its requests from the shared queue. */
  readonly isPulling: boolean;
  /** Number of the channel among those of its worker: one for each thread that pulls. */
  readonly thread: number;
  /** Only of a worker that handles several requests at a time over its channel. */
  readonly multiplexing?: Multiplexing;
}

export interface Multiplexing {
  /** Requests that it takes at a time. */
  readonly credit: number;
  readonly interface: ApplicationInterface;
}

/** The head of a response, with the body that came in the same frame. */
export interface ResponseMessage {
  readonly type: "response";
  readonly stream: number;
  readonly status: number;
  /** Bytes announced by the application, or null. */
  readonly contentLength: number | null;
  readonly reason: string;
  /** Field lines, each ending in CRLF, without those that the router decides. */
  readonly fieldLines: Buffer;
  readonly body: Buffer;
  readonly after: AfterFrame;
}

/** Worker to router. */
export type WorkerMessage =
  | { readonly type: "hello"; readonly hello: Hello }
  | { readonly type: "ready"; readonly isLast: boolean }
  | { readonly type: "leaving" }
  | ResponseMessage
  | { readonly type: "body"; readonly stream: number; readonly body: Buffer; readonly after: AfterFrame }
  | { readonly type: "failed"; readonly stream: number; readonly after: AfterFrame }
  /** An interim response, such as 103 with early hints. */
  | {
      readonly type: "interim";
      readonly stream: number;
      readonly status: number;
      readonly fieldLines: Buffer;
    }
  /** The rest of the body is this part of a file. The router answers whether it takes it. */
  | { readonly type: "file"; readonly stream: number; readonly file: FilePart }
  /** Entries of the environ that the application has changed, each `NAME NUL value`, joined by NUL. */
  | { readonly type: "environ"; readonly stream: number; readonly entries: string }
  /** The application takes the connection of its client over, by one that its worker has dialled for it. */
  | { readonly type: "tunnel"; readonly stream: number; readonly isTimed: boolean }
  /** A request was too large for the queue; the worker that has claimed it asks for it. */
  | { readonly type: "fetch"; readonly stream: number }
  /** The worker listens at a path for a connection on which sockets can be lent. */
  | { readonly type: "dial"; readonly path: string }
  /** The head of a response whose whole body the worker has in memory: it wants to write both to the client itself. */
  | { readonly type: "borrow"; readonly stream: number; readonly response: ResponseMessage }
  /** How many octets of head and body the worker has written to the socket that it was lent. */
  | {
      readonly type: "returned";
      readonly stream: number;
      readonly writtenBytes: number;
      readonly after: AfterFrame;
    };

/** A part of a file that the router may read. */
export interface FilePart {
  readonly path: string;
  readonly start: number;
  readonly bytes: number;
}

/** What holds once the frame is handled. */
export interface AfterFrame {
  readonly isEnd: boolean;
  readonly isReady: boolean;
  readonly isLast: boolean;
}

/** The body of a request on its way to a worker. */
export type RequestBody =
  | { readonly type: "memory"; readonly pieces: readonly Buffer[]; readonly bytes: number }
  | { readonly type: "file"; readonly path: string }
  /** In a place of the ring, from which the worker reads it. */
  | { readonly type: "placed"; readonly place: number; readonly bytes: number };

/** Of a body in a place, a frame carries the number of the place and the size. */
const PLACED_BYTES = 8;

/** Octets before the path of a file: start and length. */
const FILE_PREFIX_BYTES = 16;

/** What was written to a socket that was lent. */
const WRITTEN_BYTES = 8;

/** Octets before the field lines of a response: reason length, field-line length, content length. */
const RESPONSE_PREFIX_BYTES = 16;

/** Stands for "no Content-Length was given". */
const NO_CONTENT_LENGTH = 0xffff_ffff_ffff_ffffn;

/** A request frame: `u32 head length | head | body or path`. */
export function encodeRequest(
  stream: number,
  head: string,
  body: RequestBody,
  flags: number = FrameFlag.end,
): Buffer {
  const payloadBytes = requestPayloadBytes(head, body);
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payloadBytes);
  const bodyFlags = writeRequestPayload(frame, FRAME_HEADER_BYTES, head, body);
  writeFrameHeader(frame, 0, {
    payloadBytes,
    type: FrameType.request,
    flags: flags | bodyFlags,
    aux: 0,
    stream,
  });
  return frame;
}

/** The same in parts that follow each other: a large body is not copied. */
export function encodeRequestParts(stream: number, head: string, body: RequestBody): readonly Buffer[] {
  if (body.type !== "memory") return [encodeRequest(stream, head, body)];
  const first = encodeRequest(stream, head, { type: "memory", pieces: [], bytes: 0 });
  first.writeUInt32LE(first.length - FRAME_HEADER_BYTES + body.bytes, 0);
  return [first, ...body.pieces];
}

/** How large the payload of a request frame is. */
export function requestPayloadBytes(head: string, body: RequestBody): number {
  return 4 + head.length + bodyPartBytes(body);
}

function bodyPartBytes(body: RequestBody): number {
  switch (body.type) {
    case "memory":
      return body.bytes;
    case "file":
      return Buffer.byteLength(body.path);
    case "placed":
      return PLACED_BYTES;
    default:
      return body satisfies never;
  }
}

/** Writes the payload of a request frame into `target`; returns the flags that say what its body is. */
export function writeRequestPayload(target: Buffer, offset: number, head: string, body: RequestBody): number {
  target.writeUInt32LE(head.length, offset);
  target.write(head, offset + 4, "latin1");
  let at = offset + 4 + head.length;
  switch (body.type) {
    case "memory":
      for (const piece of body.pieces) {
        piece.copy(target, at);
        at += piece.length;
      }
      return 0;
    case "file":
      target.write(body.path, at, "utf8");
      return FrameFlag.fileBody;
    case "placed":
      target.writeUInt32LE(body.place, at);
      target.writeUInt32LE(body.bytes, at + 4);
      return FrameFlag.placedBody;
    default:
      return body satisfies never;
  }
}

/** A frame without payload from the router: the client of `stream` is gone, or (`isHalf`) has closed its side. */
export function encodeCancel(stream: number, isHalf = false): Buffer {
  return encodeEmpty(FrameType.cancel, stream, isHalf ? 1 : 0);
}

/** A frame without payload from the router: take no more requests, finish, leave. */
export function encodeDrain(): Buffer {
  return encodeEmpty(FrameType.drain, 0);
}

/** The queue of the worker's generation is open: the epoch of its ring, and the number of the worker's claim there. */
export function encodePull(epoch: number, claim: number): Buffer {
  const payloadBytes = 4;
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payloadBytes);
  writeFrameHeader(frame, 0, { payloadBytes, type: FrameType.pull, flags: 0, aux: 0, stream: 0 });
  frame.writeUInt16LE(epoch, FRAME_HEADER_BYTES);
  frame.writeUInt16LE(claim, FRAME_HEADER_BYTES + 2);
  return frame;
}

/** The answer to a file frame: the router has it open and sends it, or the worker has to. */
export function encodeFileAnswer(stream: number, isTaken: boolean): Buffer {
  return encodeEmpty(FrameType.fileAnswer, stream, isTaken ? 1 : 0);
}

/**
 * The answer to a borrow frame: what the worker writes in front of the body, to the socket that goes with this frame.
 * Without a head there is no socket: the head was taken, and the worker has to send the body.
 */
export function encodeLent(stream: number, head: Buffer | null): Buffer {
  if (head === null) return encodeEmpty(FrameType.lent, stream);
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + head.length);
  writeFrameHeader(frame, 0, {
    payloadBytes: head.length,
    type: FrameType.lent,
    flags: 0,
    aux: 1,
    stream,
  });
  head.copy(frame, FRAME_HEADER_BYTES);
  return frame;
}

/** A frame without payload. */
export function encodeEmpty(type: number, stream: number, aux = 0): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  writeFrameHeader(frame, 0, { payloadBytes: 0, type, flags: 0, aux, stream });
  return frame;
}

/** The message that a worker's frame carries. Throws ERR_PROTOCOL when there is none such. */
export function decodeWorkerMessage(header: FrameHeader, payload: Buffer): WorkerMessage {
  switch (header.type) {
    case FrameType.hello:
      return { type: "hello", hello: parseHello(payload) };
    case FrameType.ready:
      return { type: "ready", isLast: (header.flags & FrameFlag.last) !== 0 };
    case FrameType.leaving:
      return { type: "leaving" };
    case FrameType.response:
      return decodeResponse(header, payload);
    case FrameType.body:
      return { type: "body", stream: header.stream, body: payload, after: afterFrame(header.flags) };
    case FrameType.failed:
      return { type: "failed", stream: header.stream, after: afterFrame(header.flags) };
    case FrameType.interim:
      return { type: "interim", stream: header.stream, status: header.aux, fieldLines: payload };
    case FrameType.file:
      return { type: "file", stream: header.stream, file: decodeFile(payload) };
    case FrameType.environ:
      return { type: "environ", stream: header.stream, entries: payload.toString("utf8") };
    case FrameType.tunnel:
      return { type: "tunnel", stream: header.stream, isTimed: header.aux === 1 };
    case FrameType.fetch:
      return { type: "fetch", stream: header.stream };
    case FrameType.dial:
      return { type: "dial", path: payload.toString("utf8") };
    case FrameType.borrow:
      return { type: "borrow", stream: header.stream, response: decodeResponse(header, payload) };
    case FrameType.returned:
      return {
        type: "returned",
        stream: header.stream,
        writtenBytes: decodeWritten(payload),
        after: afterFrame(header.flags),
      };
    default:
      throw new TunicornError("ERR_PROTOCOL", `A worker sent a frame of type ${header.type}`);
  }
}

function decodeResponse(header: FrameHeader, payload: Buffer): ResponseMessage {
  const reasonBytes = payload.length < RESPONSE_PREFIX_BYTES ? Infinity : payload.readUInt32LE(0);
  const reasonEnd = RESPONSE_PREFIX_BYTES + reasonBytes;
  const linesEnd = reasonEnd + (reasonBytes === Infinity ? 0 : payload.readUInt32LE(4));
  if (linesEnd > payload.length) {
    throw new TunicornError("ERR_PROTOCOL", "A response frame is shorter than its parts");
  }
  const contentLength = payload.readBigUInt64LE(8);
  return {
    type: "response",
    stream: header.stream,
    status: header.aux,
    contentLength: contentLength === NO_CONTENT_LENGTH ? null : Number(contentLength),
    reason: payload.toString("latin1", RESPONSE_PREFIX_BYTES, reasonEnd),
    fieldLines: payload.subarray(reasonEnd, linesEnd),
    body: payload.subarray(linesEnd),
    after: afterFrame(header.flags),
  };
}

function decodeWritten(payload: Buffer): number {
  if (payload.length !== WRITTEN_BYTES) {
    throw new TunicornError("ERR_PROTOCOL", `A returned frame has ${payload.length} bytes, want 8`);
  }
  return Number(payload.readBigUInt64LE(0));
}

function decodeFile(payload: Buffer): FilePart {
  if (payload.length <= FILE_PREFIX_BYTES) {
    throw new TunicornError("ERR_PROTOCOL", "A file frame is shorter than its parts");
  }
  return {
    start: Number(payload.readBigUInt64LE(0)),
    bytes: Number(payload.readBigUInt64LE(8)),
    path: payload.toString("utf8", FILE_PREFIX_BYTES),
  };
}

export function afterFrame(flags: number): AfterFrame {
  return {
    isEnd: (flags & FrameFlag.end) !== 0,
    isReady: (flags & FrameFlag.ready) !== 0,
    isLast: (flags & FrameFlag.last) !== 0,
  };
}

function parseHello(payload: Buffer): Hello {
  const value = parseJson(payload);
  if (typeof value === "object" && value !== null) {
    const { version, pid, worker, generation, isPulling, thread, multiplexing } = value as Partial<
      Record<string, unknown>
    >;
    if (
      version === CHANNEL_VERSION &&
      typeof pid === "number" &&
      typeof worker === "number" &&
      typeof generation === "number" &&
      typeof isPulling === "boolean" &&
      typeof thread === "number" &&
      (multiplexing === undefined || isMultiplexing(multiplexing))
    ) {
      const hello = { version, pid, worker, generation, isPulling, thread };
      return multiplexing === undefined ? hello : { ...hello, multiplexing };
    }
  }
  throw new TunicornError("ERR_PROTOCOL", `A worker introduced itself with ${payload.toString("utf8")}`);
}

function isMultiplexing(value: unknown): value is Multiplexing {
  return (
    typeof value === "object" &&
    value !== null &&
    "credit" in value &&
    Number.isSafeInteger(value.credit) &&
    "interface" in value &&
    (value.interface === "wsgi" || value.interface === "asgi")
  );
}

/** The value, or null for what is no JSON: neither is a greeting. */
function parseJson(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString("utf8"));
  } catch {
    return null;
  }
}
