import { FrameFlag } from "../channel/frame.ts";
import { encodeCancel, encodeFileAnswer, encodeRequest } from "../channel/messages.ts";
import {
  MESSAGE_COST_BYTES,
  WINDOW_BYTES,
  encodeClose,
  encodeControl,
  encodeMessage,
  encodeRequestBody,
  encodeWindow,
  type StreamMessage,
} from "../channel/stream-messages.ts";
import type { StreamWorker, WorkerRequest } from "./dispatcher.ts";
import type { RequestSummary } from "./messages.ts";

/** What a stream needs of the channel that it is part of. */
export interface StreamChannel {
  readonly pid: number;
  /** Sends a frame together with others of this turn of the event loop, since each write wakes the worker. */
  write(frame: Buffer): void;
  /** Sends the last frame of a request: the worker need not wait for the end of the turn. */
  writeLast(frame: Buffer): void;
  /** The WebSocket of the stream is open. */
  onStreamOpened(): void;
  /** The worker has sent its last frame for the stream. */
  onStreamEnd(stream: WorkerStream): void;
}

/** What a worker says about one request. */
export type RequestMessage = Exclude<
  Extract<StreamMessage, { readonly stream: number }>,
  { readonly type: "fetch" | "borrow" | "returned" }
>;

/** One request on the channel of a worker that multiplexes. */
export class WorkerStream implements StreamWorker {
  readonly number: number;
  readonly request: WorkerRequest;
  readonly #channel: StreamChannel;
  readonly #startedAt = performance.now();
  /** Bytes of the request that the worker still takes. */
  #room: number;
  /** Bytes of the response that have come and for which the worker was not given new room. */
  #owedBytes = 0;
  #isPaused = false;
  /** The client or the deadline has given up on the request: what the worker still says is dropped. */
  #isAbandoned = false;
  #isOpen = true;
  /** It is an open WebSocket. */
  isWebSocket = false;

  constructor(channel: StreamChannel, number: number, request: WorkerRequest) {
    this.#channel = channel;
    this.number = number;
    this.request = request;
    const { head, body, flags } = request.streaming?.takeOpening() ?? {
      head: request.environ,
      body: request.body,
      flags: FrameFlag.end,
    };
    const isOpen = (flags & FrameFlag.awaitsContinue) === 0 && body.type === "memory";
    this.#room = isOpen ? WINDOW_BYTES - body.bytes : 0;
    const frame = encodeRequest(number, head, body, flags);
    if (flags & FrameFlag.end) channel.writeLast(frame);
    else channel.write(frame);
  }

  get pid(): number {
    return this.#channel.pid;
  }

  get room(): number {
    return this.#room;
  }

  get summary(): RequestSummary {
    const { method, target } = this.request;
    return { method, target, ageMs: performance.now() - this.#startedAt };
  }

  start(): void {
    this.request.onIssued();
    this.request.onStart(this);
    this.request.streaming?.onStream(this);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#giveRoom();
  }

  cancel(): void {
    if (this.#isAbandoned || !this.#isOpen) return;
    this.#isAbandoned = true;
    this.#channel.write(encodeCancel(this.number));
  }

  closeSide(): void {
    if (!this.#isAbandoned && this.#isOpen) this.#channel.write(encodeCancel(this.number, true));
  }

  onOpened(): void {
    if (!this.#isOpen) return;
    this.isWebSocket = true;
    this.#channel.onStreamOpened();
  }

  sendBody(piece: Buffer, isEnd: boolean): void {
    if (this.#isAbandoned || !this.#isOpen) return;
    this.#room -= piece.length;
    const frame = encodeRequestBody(this.number, piece, isEnd);
    if (isEnd) this.#channel.writeLast(frame);
    else this.#channel.write(frame);
  }

  sendMessage(message: Buffer, isText: boolean): void {
    if (this.#isAbandoned || !this.#isOpen) return;
    this.#room -= message.length + MESSAGE_COST_BYTES;
    for (const frame of encodeMessage(this.number, message, isText)) this.#channel.write(frame);
  }

  sendControl(opcode: number, data: Buffer): void {
    if (this.#isAbandoned || !this.#isOpen) return;
    this.#room -= data.length + MESSAGE_COST_BYTES;
    this.#channel.write(encodeControl(this.number, opcode, data));
  }

  sendClose(code: number, reason: string): void {
    if (!this.#isAbandoned && this.#isOpen) this.#channel.write(encodeClose(this.number, code, reason));
  }

  takeBack(bytes: number): void {
    this.#owedBytes += bytes;
    this.#giveRoom();
  }

  /** The worker is gone, or is taken to be stuck: there will be no response. */
  fail(failure: "worker-died" | "worker-timeout"): void {
    if (this.#isAbandoned) return;
    this.#isAbandoned = true;
    this.request.onFailure(failure);
  }

  /** Nothing more comes, and nothing may be sent any more. */
  close(): void {
    this.#isOpen = false;
    this.request.onReleased();
  }

  /** Handles what the worker says about this request. */
  handle(message: RequestMessage): void {
    switch (message.type) {
      case "response":
        this.#deliver((request) => request.onResponse(message));
        this.#after(message.after.isEnd);
        this.takeBack(message.body.length);
        break;
      case "body":
        this.#deliver((request) => request.onBody(message.body, message.after.isEnd));
        this.#after(message.after.isEnd);
        this.takeBack(message.body.length);
        break;
      case "failed":
        this.#deliver((request) => request.onFailure("raised"));
        this.#after(true);
        break;
      case "environ":
        this.#deliver((request) => request.onEnviron(message.entries));
        break;
      case "interim":
        this.#deliver((request) => request.onInterim(message.status, message.fieldLines));
        break;
      case "file":
        void this.#onFile(message);
        break;
      case "tunnel":
        this.onOpened();
        this.#deliver((request) => request.onTunnel?.());
        break;
      case "window":
        this.#room += message.bytes;
        this.#deliver((request) => request.streaming?.onWindow());
        break;
      case "trailers":
        this.#deliver((request) => request.streaming?.onTrailers(message.fieldLines));
        this.#after(true);
        break;
      case "accept":
        this.#deliver((request) => request.streaming?.onAccept(message));
        break;
      case "control":
        this.#deliver((request) => request.streaming?.onPing(message.data));
        break;
      case "message":
        this.#deliver((request) => request.streaming?.onMessage(message.part));
        break;
      case "close":
        this.#deliver((request) => request.streaming?.onClose(message.code, message.reason));
        break;
      default:
        message satisfies never;
    }
  }

  /** A file that the router takes ends the worker's part of the response. */
  async #onFile({ file }: Extract<StreamMessage, { type: "file" }>): Promise<void> {
    const isTaken = this.#isAbandoned || (await this.request.onFile(file));
    if (!this.#isOpen) return;
    this.#channel.write(encodeFileAnswer(this.number, isTaken));
    if (isTaken) this.#after(true);
  }

  /** Room is given half a window at a time, not for each piece: that is enough to keep the worker going. */
  #giveRoom(): void {
    if (this.#isPaused || this.#owedBytes < WINDOW_BYTES / 2 || !this.#isOpen) return;
    this.#channel.write(encodeWindow(this.number, this.#owedBytes));
    this.#owedBytes = 0;
  }

  #deliver(call: (request: WorkerRequest) => void): void {
    if (!this.#isAbandoned) call(this.request);
  }

  #after(isEnd: boolean): void {
    if (!isEnd || !this.#isOpen) return;
    // The end has come: it cannot be cancelled any more.
    this.#isAbandoned = true;
    this.#channel.onStreamEnd(this);
  }
}
