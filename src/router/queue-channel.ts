import type { Socket } from "node:net";
import { FrameReader } from "../channel/frame-reader.ts";
import {
  decodeWorkerMessage,
  encodeCancel,
  encodeDrain,
  encodeFileAnswer,
  encodePull,
  encodeRequestParts,
  type FilePart,
  type Hello,
  type ResponseMessage,
  type WorkerMessage,
} from "../channel/messages.ts";
import { TunicornError } from "../errors.ts";
import { hearLastWords } from "../system/last-words.ts";
import type { Claims } from "../queue/claims.ts";
import { readIntoOneBuffer } from "../system/one-buffer-reads.ts";
import type { RequestWorker, WorkerRequest } from "./dispatcher.ts";
import type { QueuedRequest } from "./queued-request.ts";
import { SocketLender } from "./socket-lender.ts";

/** A little more than a unix socket holds by default. Two such buffers fit into the cache of a processor. */
const READ_BYTES = 256 * 1024;

/** What a queue channel tells its queue. */
export interface QueueChannelListener {
  onReady(channel: QueueChannel): void;
  onLeaving(channel: QueueChannel): void;
  /** The first frame about a stream has come: its worker has claimed it. Throws ERR_PROTOCOL for one that is none. */
  claim(channel: QueueChannel, stream: number): QueuedRequest;
  /** The response is complete, or given up. */
  onEnd(channel: QueueChannel, queued: QueuedRequest): void;
  onClosed(channel: QueueChannel): void;
  onProtocolError(channel: QueueChannel, error: TunicornError): void;
}

export interface QueueChannelOptions {
  readonly socket: Socket;
  readonly hello: Hello;
  readonly listener: QueueChannelListener;
}

/** booted: it is not told to pull yet. pulling. draining: it was told to leave. closed. */
export type QueueChannelState = "booted" | "pulling" | "draining" | "closed";

/**
 * The channel of a worker (of one of its threads) that pulls its requests from the shared queue. Responses
 * come over it, one after another.
 */
export class QueueChannel implements RequestWorker {
  readonly hello: Hello;
  readonly #socket: Socket;
  readonly #listener: QueueChannelListener;
  readonly #reader = new FrameReader((header, payload) =>
    this.#onMessage(decodeWorkerMessage(header, payload)),
  );
  /** Some of the bytes that were read last are still needed, so their buffer must not be used again. */
  #areBytesKept = false;
  #state: QueueChannelState = "booted";
  #claim: number | null = null;
  #isGreeted = false;
  #isReady = false;
  /** The worker has said that it holds nothing and takes nothing. */
  #isDone = false;
  #current: QueuedRequest | null = null;
  readonly #lender: SocketLender;
  /** What was answered last, and when; until it is known that the worker has wholly finished it. */
  finishing: { readonly queued: QueuedRequest; readonly endedAt: number } | null = null;

  constructor({ socket, hello, listener }: QueueChannelOptions) {
    this.hello = hello;
    this.#listener = listener;
    this.#socket = readIntoOneBuffer(socket, {
      bufferBytes: READ_BYTES,
      onBytes: (bytes) => this.#onBytes(bytes),
    });
    hearLastWords(this.#socket, (bytes) => this.#onBytes(bytes));
    this.#lender = new SocketLender(this.#socket);
    // A worker that is killed resets its socket; "close" follows.
    this.#socket.on("error", () => this.destroy());
    this.#socket.on("close", () => this.#onClose());
  }

  get state(): QueueChannelState {
    return this.#state;
  }

  get pid(): number {
    return this.hello.pid;
  }

  /** It waits to be told to pull. */
  get mayPull(): boolean {
    return this.#state === "booted" && this.#isReady;
  }

  /** Number of its claim in the ring, once it was told to pull. */
  get claim(): number | null {
    return this.#claim;
  }

  /** Its worker is held back by a slow client: what it says about later requests is not read. */
  get isPaused(): boolean {
    return this.#current !== null && this.#current.pausedAt !== null;
  }

  /** Its worker is still at the request whose answer is read. */
  isAnswering(claims: Claims): boolean {
    return this.#current !== null && claims.claimOf(this.#current.stream) === this.#claim;
  }

  /** Its worker has pulled, and has not said that it holds nothing any more. */
  get mayHoldToken(): boolean {
    return this.#claim !== null && !this.#isDone;
  }

  /** The queue of its generation is open. */
  pull(epoch: number, claim: number): void {
    this.#state = "pulling";
    this.#claim = claim;
    this.#socket.write(encodePull(epoch, claim));
  }

  /** No further request: the worker leaves as soon as it has finished. */
  drain(): void {
    if (this.#state === "draining" || this.#state === "closed") return;
    this.#state = "draining";
    this.#socket.write(encodeDrain());
    this.#current?.request.onRetire?.();
  }

  /** Ends the request under way and the channel, without waiting. */
  destroy(): void {
    this.#socket.destroy();
  }

  pause(): void {
    const queued = this.#current;
    if (queued === null || queued.pausedAt !== null) return;
    queued.pausedAt = performance.now();
    this.#socket.pause();
  }

  resume(): void {
    const queued = this.#current;
    if (queued === null || queued.pausedAt === null) return;
    queued.resume(performance.now());
    this.#socket.resume();
  }

  cancel(): void {
    const queued = this.#current;
    if (queued === null || !queued.isWanted) return;
    this.abandon(queued);
    this.resume();
  }

  /** Nobody waits for what the worker still says about a request. */
  abandon(queued: QueuedRequest): void {
    queued.isWanted = false;
    this.#socket.write(encodeCancel(queued.stream));
  }

  /** Returns whether some of the bytes are still needed. */
  #onBytes(bytes: Buffer): boolean {
    this.#areBytesKept = false;
    try {
      this.#reader.feed(bytes);
    } catch (error) {
      this.#onProtocolError(error);
    }
    return this.#areBytesKept;
  }

  #onMessage(message: WorkerMessage): void {
    switch (message.type) {
      case "hello":
        if (this.#isGreeted) throw new TunicornError("ERR_PROTOCOL", "A worker introduced itself twice");
        this.#isGreeted = true;
        break;
      case "ready":
        this.#onReady(message.isLast);
        break;
      case "leaving":
        this.#listener.onLeaving(this);
        break;
      case "response":
        this.#deliver(message.stream, (request) => request.onResponse(message));
        if (message.after.isEnd) this.#end();
        break;
      case "body":
        this.#deliver(message.stream, (request) => request.onBody(message.body, message.after.isEnd));
        if (message.after.isEnd) this.#end();
        break;
      case "failed":
        this.#deliver(message.stream, (request) => request.onFailure("raised"));
        this.#end();
        break;
      case "interim":
        this.#deliver(message.stream, (request) => request.onInterim(message.status, message.fieldLines));
        break;
      case "environ":
        this.#deliver(message.stream, (request) => request.onEnviron(message.entries));
        break;
      case "file":
        void this.#onFile(this.#take(message.stream), message.file);
        break;
      case "tunnel":
        this.#take(message.stream).isTimed = message.isTimed;
        this.#deliver(message.stream, (request) => request.onTunnel?.());
        // Until this frame it was not known whose request this is.
        if (this.#state === "draining") this.#current?.request.onRetire?.();
        break;
      case "dial":
        this.#lender.dial(message.path);
        break;
      case "borrow":
        this.#onBorrow(this.#take(message.stream), message.response);
        break;
      case "returned":
        // Told also when the client is gone: the access line still waits for the number.
        this.#take(message.stream).request.onReturned?.(message.writtenBytes, message.after.isEnd);
        if (message.after.isEnd) this.#end();
        break;
      case "fetch":
        this.#onFetch(this.#take(message.stream));
        break;
      default:
        message satisfies never;
    }
  }

  #onReady(isLast: boolean): void {
    if (isLast) {
      this.#isDone = true;
      return;
    }
    this.#isReady = true;
    this.#listener.onReady(this);
  }

  #take(stream: number): QueuedRequest {
    if (this.#current?.stream === stream) return this.#current;
    if (this.#current !== null) {
      throw new TunicornError(
        "ERR_PROTOCOL",
        `A worker answered stream ${stream}, want ${this.#current.stream}`,
      );
    }
    this.finishing = null;
    this.#current = this.#listener.claim(this, stream);
    return this.#current;
  }

  #deliver(stream: number, call: (request: WorkerRequest) => void): void {
    const queued = this.#take(stream);
    if (!queued.isWanted) return;
    call(queued.request);
    if (queued.request.keepsBytes) this.#areBytesKept = true;
  }

  /** A file that the router takes ends the worker's part of the response. */
  async #onFile(queued: QueuedRequest, file: FilePart): Promise<void> {
    const isTaken = !queued.isWanted || (await queued.request.onFile(file));
    if (this.#current !== queued || this.#state === "closed") return;
    this.#socket.write(encodeFileAnswer(queued.stream, isTaken));
    if (isTaken) this.#end();
  }

  /** The worker waits for the answer. */
  #onBorrow({ stream, request, isWanted }: QueuedRequest, response: ResponseMessage): void {
    const lent = isWanted && this.#lender.isReady ? (request.onBorrow?.(response) ?? null) : null;
    if (lent === null && isWanted) request.onResponse(response);
    this.#lender.answer(stream, lent);
  }

  #onFetch(queued: QueuedRequest): void {
    const { environ, body } = queued.request;
    if (queued.isWanted) {
      this.#socket.cork();
      for (const part of encodeRequestParts(queued.stream, environ, body)) this.#socket.write(part);
      this.#socket.uncork();
      return;
    }
    // `claim` has told the worker so already.
    this.#end();
  }

  #end(): void {
    const queued = this.#current;
    if (queued === null) return;
    this.resume();
    this.#current = null;
    this.finishing = { queued, endedAt: performance.now() };
    this.#listener.onEnd(this, queued);
  }

  #onProtocolError(error: unknown): void {
    if (!(error instanceof TunicornError)) throw error;
    this.#listener.onProtocolError(this, error);
    this.destroy();
  }

  #onClose(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#lender.close();
    this.#listener.onClosed(this);
  }
}
