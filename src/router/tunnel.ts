import type { Socket } from "node:net";
import { LINGER_MS, PIPELINE_LIMIT_BYTES } from "../http/connection-limits.ts";
import { errorAnswer } from "../http/error-page.ts";
import type { HandedOver } from "../http/handed-over.ts";
import { WriteWatch } from "../http/write-watch.ts";
import { AnswerHead } from "./answer-head.ts";
import { PassedFrames } from "./passed-frames.ts";
import { INTERNAL_ERROR } from "./websocket-codes.ts";

const SWITCHING_PROTOCOLS = 101;

export interface TunnelOptions {
  readonly client: HandedOver;
  /** What the client asks for is a WebSocket, which can be closed with a code. */
  readonly isWebSocket: boolean;
  /** At the end, a client that takes nothing of what is left for this long is cut off. */
  readonly writeStallMs: number;
  /** The client's connection is gone. */
  readonly onClosed: (tunnel: Tunnel) => void;
}

/**
 * A client's connection that an application has taken over, joined with the one that its worker has dialled. Bytes go
 * through as they are, both ways, no faster than their receiver takes them.
 *
 * What the client sends is passed on once the application has answered 101 (RFC 9110 section 7.8). Behind another
 * answer a proxy in between may send the request of somebody else, which is no business of this application.
 */
export class Tunnel {
  /** What the application has answered; an error if it wrote nothing. */
  status = 0;
  /** Bytes that were written behind the head of that answer. */
  sentBytes = 0;
  /** The client has ended it before the application did. */
  isLeft = false;
  readonly #options: TunnelOptions;
  readonly #client: Socket;
  readonly #answer = new AnswerHead();
  readonly #frames: PassedFrames | null;
  #worker: Socket | null = null;
  /** From the client, before the application has answered. */
  #held: Buffer[];
  /** The application has nothing more to say. */
  #isOver = false;
  #isEnding = false;
  #isLingering = false;

  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#frames = options.isWebSocket ? new PassedFrames() : null;
    const { socket, bytes } = options.client;
    this.#client = socket;
    this.#held = [bytes];
    socket.on("data", (more: Buffer) => this.#onClientData(more));
    socket.on("end", () => this.#onClientDone());
    socket.on("drain", () => this.#worker?.resume());
    // A reset is the client's business; "close" follows.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#onClosed());
    // It may have been held back for what it sent ahead.
    socket.resume();
  }

  /** The worker's connection is there. */
  attach(worker: Socket): void {
    if (this.#client.destroyed) {
      worker.destroy();
      return;
    }
    this.#worker = worker;
    if (worker.destroyed) {
      this.#onWorkerClosed();
      return;
    }
    // Either side of it may end before the other.
    worker.allowHalfOpen = true;
    worker.on("data", (bytes: Buffer) => this.#onWorkerData(bytes));
    worker.on("drain", () => this.#client.resume());
    worker.on("end", () => this.#endClient());
    // A worker that leaves something unread resets the connection; "close" follows.
    worker.on("error", () => worker.destroy());
    worker.on("close", () => this.#onWorkerClosed());
    worker.resume();
  }

  /**
   * The worker leaves, or is gone. The client of a WebSocket is told so by a close; its answer is for the application.
   * What the application sends from then on is thrown away, since nothing may follow a close.
   */
  leave(code: number): void {
    this.#frames?.close(code);
    if (this.#isOpen && !this.#isEnding) this.#onWorkerData(Buffer.alloc(0));
  }

  /**
   * The application has returned. What it wrote is still passed on, and a thread of its library has a moment for a
   * last exchange with the client, such as the close of a WebSocket.
   */
  finish(): void {
    this.#isOver = true;
    if (this.#isEnding) this.#linger();
    else setTimeout(() => this.fail(), LINGER_MS).unref();
  }

  /** There is no application any more. `status` is for a client that has got no answer. */
  fail(status = 500): void {
    this.#isOver = true;
    this.#worker?.destroy();
    this.#endClient(status);
  }

  get #isOpen(): boolean {
    return this.status === SWITCHING_PROTOCOLS;
  }

  #onClientData(bytes: Buffer): void {
    const worker = this.#worker;
    if (this.#isEnding && worker?.writable !== true) return;
    if (this.#isOpen && worker !== null) {
      if (!worker.write(bytes)) this.#client.pause();
      return;
    }
    this.#held.push(bytes);
    if (this.#held.reduce((sum, { length }) => sum + length, 0) > PIPELINE_LIMIT_BYTES) this.#client.pause();
  }

  /** A client that sends no more before it has any answer is one that has left. */
  #onClientDone(): void {
    this.isLeft ||= !this.#isEnding;
    if (this.#answer.isEmpty) this.#client.destroy();
    else this.#worker?.end();
  }

  #onWorkerData(bytes: Buffer): void {
    const headBytes = bytes.length - this.#answer.feed(bytes);
    const wasOpen = this.#isOpen;
    this.status = this.#answer.status ?? 0;
    const behind = bytes.subarray(headBytes);
    const passed = (this.#isOpen ? this.#frames?.pass(behind) : null) ?? behind;
    this.sentBytes += passed.length;
    const written = passed === behind ? bytes : Buffer.concat([bytes.subarray(0, headBytes), passed]);
    if (!this.#client.write(written)) this.#worker?.pause();
    if (this.#isOpen && !wasOpen) this.#passHeld();
  }

  #passHeld(): void {
    const held = Buffer.concat(this.#held);
    this.#held = [];
    if (held.length === 0 || this.#worker?.write(held) !== false) this.#client.resume();
    else this.#client.pause();
  }

  /** No byte goes either way any more. */
  #onWorkerClosed(): void {
    this.#isOver = true;
    this.#endClient();
  }

  /** What was written reaches the client before the end does. */
  #endClient(status = 500): void {
    if (!this.#isEnding) {
      // An end without a close: the application has raised, or its worker is gone.
      this.leave(INTERNAL_ERROR);
      this.#isEnding = true;
      if (this.#answer.isEmpty) {
        this.status = status;
        this.#client.write(errorAnswer(status));
      }
      this.#client.end();
    }
    if (this.#isOver) this.#linger();
  }

  /** The client has a moment to close its side; what it still sends is thrown away. */
  #linger(): void {
    const client = this.#client;
    if (this.#isLingering) return;
    this.#isLingering = true;
    client.resume();
    new WriteWatch(client, this.#options.writeStallMs).start();
    const wait = (): void => void setTimeout(() => client.destroy(), LINGER_MS).unref();
    if (client.writableFinished) wait();
    else client.once("finish", wait);
  }

  #onClosed(): void {
    this.isLeft ||= !this.#isEnding;
    this.#held = [];
    this.#worker?.destroy();
    this.#options.onClosed(this);
  }
}
