import type { Socket } from "node:net";
import type { DeadlineSeat, Waiting } from "../system/deadlines.ts";
import { BodyPace } from "./body-pace.ts";
import { ClientSocket, type ClientSocketListener } from "./client-socket.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { Exchange, type ExchangeTransport } from "./exchange.ts";
import { handOver, type HandedOver } from "./handed-over.ts";
import { HttpFault } from "./http-fault.ts";
import type { ProxyPreambleReader } from "./proxy-protocol.ts";
import type { RequestSource } from "./request-source.ts";
import {
  CONTINUE,
  PIPELINE_LIMIT_BYTES,
  UNSENT_LIMIT_BYTES,
  PROBE_AFTER_MS,
  FIRST_REQUEST_MS,
  LINGER_MS,
  LINGER_LIMIT_BYTES,
  LARGE_HEAD_BYTES,
} from "./connection-limits.ts";
import { errorAnswer } from "./error-page.ts";

/**
 * reading: a request is awaited or arrives. answering: it is complete, its response is not. flushing: the last answer
 * is written, not yet taken. lingering: our side is closed. closed: all is over, or another protocol has the socket.
 */
type State = "reading" | "answering" | "flushing" | "lingering" | "closed";

/** A client connection from accept to close: its requests are handled and answered one after another. */
export class Connection implements ExchangeTransport, ClientSocketListener, Waiting {
  deadlineAt: number;
  readonly #deadlineSeat: DeadlineSeat;
  readonly #options: ConnectionOptions;
  readonly #socket: ClientSocket;
  readonly #parser: RequestSource;
  readonly #bodyPace: BodyPace;
  #preambleReader: ProxyPreambleReader | null;
  #state: State = "reading";
  #exchange: Exchange | null = null;
  #isRequestComplete = false;
  /** The deadline of a head runs from its first byte, not anew from each further one. */
  #isHeadTimed = false;
  /** No request has come yet: its first one may be on its way. */
  #isFresh = true;
  /** The client said that this request is its last one (RFC 9112 section 9.6). */
  #isLast = false;
  #isClientDone = false;
  #isDraining = false;
  #isPumping = false;
  #isReadingPaused = false;
  #lingerBytes = 0;
  #probes = 0;
  /** Too much is unsent for a further request. */
  #isHeldBack = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#socket = new ClientSocket(options, this);
    this.#parser = options.source;
    this.#preambleReader = options.preambleReader;
    this.#bodyPace = new BodyPace(options.timeouts.bodyBytesPerSecond);
    this.deadlineAt = performance.now() + options.timeouts.headMs;
    this.#deadlineSeat = options.deadlines.add(this);
  }

  /** True also for an answer that comes before the end of its request: what follows then is body, not a request. */
  get closesAfterResponse(): boolean {
    return this.#isDraining || !this.#isRequestComplete || this.#options.timeouts.keepAliveMs === 0;
  }

  get unsentBytes(): number {
    return this.#socket.unsentBytes;
  }

  /** Bytes held in memory: unsent ones, a part of a head, and pipelined requests. */
  get memoryBytes(): number {
    return this.unsentBytes + this.#parser.memoryBytes;
  }

  /** Memory is short: refuses a head that is large already and still incomplete. */
  shed(): void {
    if (this.#isHeadLarge)
      this.#refuse(new HttpFault("ERR_OVERLOADED", "There is no memory for the rest of the head"));
  }

  get #isHeadLarge(): boolean {
    return this.#state === "reading" && this.#parser.isInHead && this.#parser.memoryBytes > LARGE_HEAD_BYTES;
  }

  /**
   * Takes no request after the present one: an idle connection closes now, a busy one after its response. A client
   * that has just connected gets a moment to send its first request. With `closesIdle` false an idle connection still
   * waits for one last request, as long as `keepalive` says.
   */
  drain({ closesIdle } = { closesIdle: true }): void {
    this.#isDraining = true;
    if (!this.#isIdle || !closesIdle) return;
    if (this.#isFresh) this.deadlineAt = Math.min(this.deadlineAt, performance.now() + FIRST_REQUEST_MS);
    else this.#close();
  }

  /** No request is under way, and no part of one has come. */
  get #isIdle(): boolean {
    return this.#state === "reading" && this.#exchange === null && this.#parser.isIdle && !this.#isHeldBack;
  }

  write(bytes: Buffer): void {
    if (this.#state !== "closed") this.#socket.write(bytes);
  }

  finish(exchange: Exchange, keepAlive: boolean): void {
    this.#options.handler.onFinish(exchange);
    this.#exchange = null;
    const mayGoOn = keepAlive && this.#isRequestComplete && !this.#isDraining;
    if (!mayGoOn) {
      this.#close();
      return;
    }
    this.#state = "reading";
    this.#isFresh = false;
    if (this.unsentBytes > UNSENT_LIMIT_BYTES) {
      // A client that asks on without reading would fill the memory; its next request waits for onDrain.
      this.#isHeldBack = true;
      this.#socket.pause();
    }
    this.deadlineAt = this.#isHeldBack ? Infinity : performance.now() + this.#options.timeouts.keepAliveMs;
    // The pump, if this is within it, goes on by itself; it also sees to a client that is done.
    if (this.#isHeldBack || this.#isPumping) return;
    if (this.#parser.bufferedBytes > 0) this.#pump();
    if (this.#state !== "reading") return;
    if (this.#isClientDone) this.onEnd();
    else this.#socket.resume();
  }

  cutOff(exchange: Exchange): void {
    this.#exchange = null;
    this.#options.handler.onCutOff(exchange);
    // Earlier answers may still be on their way, and a worker may have borrowed the socket.
    if (exchange.endsWithConnection) this.#socket.reset();
    else this.#endAndLinger();
  }

  /** After this the handler hears only that the socket has closed. */
  handOver(): HandedOver {
    this.#state = "closed";
    this.deadlineAt = Infinity;
    return handOver(this.#socket.handOver(), this.#parser);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  lendSocket(): Socket | null {
    return this.#state === "answering" && this.unsentBytes === 0 ? this.#socket.lend() : null;
  }

  pauseReading(): void {
    this.#socket.pause();
    this.#isReadingPaused = true;
    this.deadlineAt = Infinity;
  }

  resumeReading(): void {
    this.#socket.resume();
    this.#isReadingPaused = false;
    // The client is not to blame for the time in which we held it back.
    this.#bodyPace.restart(performance.now());
    if (this.#state === "reading") this.deadlineAt = performance.now() + this.#options.timeouts.bodyStallMs;
  }

  onDeadline(): void {
    switch (this.#state) {
      case "reading":
        this.#onReadDeadline();
        break;
      case "answering":
        this.#probeClient();
        break;
      case "lingering":
        this.destroy();
        break;
      case "flushing":
      case "closed":
        break;
      default:
        this.#state satisfies never;
    }
  }

  #onReadDeadline(): void {
    if (!this.#isIdle) {
      this.#refuse(
        new HttpFault("ERR_HTTP_REQUEST_TIMEOUT", "The client did not complete its request in time"),
      );
    } else if (this.unsentBytes === 0) {
      this.#close();
    } else {
      // The last response is still being taken, which the write stall watches over.
      this.deadlineAt = performance.now() + this.#options.timeouts.keepAliveMs;
    }
  }

  get bytesUsedAtOnce(): number {
    const isUsed = this.#state === "reading" && this.#exchange?.usesBodyAtOnce === true;
    return isUsed ? this.#parser.bodyLeft : 0;
  }

  onBytes(bytes: Buffer): void {
    switch (this.#state) {
      case "reading":
        this.#read(bytes);
        break;
      case "answering":
        this.#parser.feed(bytes);
        if (this.#parser.bufferedBytes > PIPELINE_LIMIT_BYTES) this.#socket.pause();
        break;
      case "flushing":
      case "lingering":
        this.#lingerBytes += bytes.length;
        if (this.#lingerBytes > LINGER_LIMIT_BYTES) this.destroy();
        break;
      case "closed":
        break;
      default:
        this.#state satisfies never;
    }
  }

  #read(bytes: Buffer): void {
    let requestBytes = bytes;
    if (this.#preambleReader !== null) {
      try {
        const result = this.#preambleReader.feed(bytes);
        if (result === null) return;
        this.#preambleReader = null;
        this.#options.handler.onPreamble(result.preamble);
        requestBytes = result.rest;
      } catch (error) {
        if (!(error instanceof HttpFault)) throw error;
        this.#refuse(error);
        return;
      }
    }
    this.#parser.feed(requestBytes);
    this.#pump();
  }

  /** Handles what the parser holds until a request is complete or more input is needed. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#state === "reading" && !this.#isHeldBack) {
        const event = this.#parser.next();
        if (event === null) break;
        switch (event.type) {
          case "head":
            this.#begin(new Exchange(this, event.head));
            break;
          case "body":
            this.#onBody(event.bytes);
            break;
          case "end":
            this.#completeRequest();
            break;
          case "fault":
            this.#refuse(event.fault);
            break;
          default:
            event satisfies never;
        }
      }
    } finally {
      this.#isPumping = false;
    }
    if (this.#state === "reading" && this.#isClientDone) this.onEnd();
    if (this.#isHeadLarge) this.#options.onLargeHead();
    if (this.#state === "reading" && !this.#isHeadTimed && this.#parser.isInHead) {
      this.#isHeadTimed = true;
      this.deadlineAt = performance.now() + this.#options.timeouts.headMs;
    }
  }

  #begin(exchange: Exchange): void {
    this.#exchange = exchange;
    this.#isRequestComplete = exchange.head.framing.type === "none";
    // Behind a body, old clients send a line end that belongs to nothing.
    this.#isLast = this.#isRequestComplete && !exchange.head.keepAlive;
    this.#isReadingPaused = false;
    this.#isHeadTimed = false;
    this.#probes = 0;
    this.#bodyPace.restart(exchange.startedAt);
    this.deadlineAt = exchange.startedAt + this.#options.timeouts.bodyStallMs;
    this.#options.handler.onHead(exchange);
    if (exchange.wantsContinue && this.#state === "reading") this.write(CONTINUE);
  }

  #onBody(bytes: Buffer): void {
    const now = performance.now();
    if (!this.#isReadingPaused) this.deadlineAt = now + this.#options.timeouts.bodyStallMs;
    if (!this.#bodyPace.add(bytes.length, now)) {
      this.#refuse(new HttpFault("ERR_HTTP_REQUEST_TIMEOUT", "The request body comes too slowly"));
      return;
    }
    if (this.#exchange !== null) this.#options.handler.onBody(this.#exchange, bytes);
  }

  #completeRequest(): void {
    // It was answered by its head, and has no body.
    if (this.#exchange === null) return;
    this.#isRequestComplete = true;
    this.#state = "answering";
    this.deadlineAt = Infinity;
    this.#options.handler.onEnd(this.#exchange);
  }

  onDrain(): void {
    if (this.#isHeldBack) {
      this.#isHeldBack = false;
      this.deadlineAt = performance.now() + this.#options.timeouts.keepAliveMs;
      this.#socket.resume();
      this.#pump();
      return;
    }
    if (this.#isIdle) this.deadlineAt = performance.now() + this.#options.timeouts.keepAliveMs;
    if (this.#exchange !== null) this.#options.handler.onDrain(this.#exchange);
  }

  /** The client will send no more. What it has asked for completely is still answered. */
  onEnd(): void {
    this.#isClientDone = true;
    if (this.#state === "answering") this.#probeClient();
    if (this.#state !== "reading") return;
    if (this.#isIdle) this.#close();
    else
      this.#refuse(
        new HttpFault("ERR_HTTP_EARLY_CLOSE", "The client closed before its request was complete"),
      );
  }

  /** Is a client that has closed its side still there? Only the write after one that it answered by a reset says no. */
  #probeClient(): void {
    this.deadlineAt = Infinity;
    const exchange = this.#exchange;
    if (!this.#isClientDone || exchange === null) return;
    this.#options.handler.onClientDone(exchange);
    if (exchange.isAnswered) return;
    this.deadlineAt = performance.now() + (PROBE_AFTER_MS[this.#probes] ?? Infinity);
    this.#probes += 1;
  }

  /** Answers with an error page, if it still can, and closes: what follows a refused request cannot be trusted. */
  #refuse(fault: HttpFault): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.abandon();
    this.#options.handler.onFault(fault, exchange);
    if (exchange?.isAnswered !== true) {
      const isForHead = exchange === null ? this.#parser.isHead : exchange.head.method === "HEAD";
      this.#socket.write(errorAnswer(fault.status, { isForHead }));
    }
    if (exchange?.isAnswered === true && exchange.endsWithConnection) this.#socket.reset();
    else this.#close();
  }

  /** Ends our side once all is sent; what the client still sends is thrown away for a while. */
  #close(): void {
    if (this.#state !== "reading" && this.#state !== "answering") return;
    const isLast = this.#isClientDone || this.#isLast;
    this.#endAndLinger(isLast && this.#parser.bufferedBytes === 0 && this.#socket.mayDestroy);
  }

  /** `isQuiet`: nothing comes that the kernel would answer by a reset, and it sends the rest of the answer by itself. */
  #endAndLinger(isQuiet = false): void {
    this.#state = "flushing";
    this.deadlineAt = Infinity;
    if (isQuiet) this.destroy();
    else this.#socket.end(() => this.#linger());
  }

  #linger(): void {
    if (this.#state !== "flushing") return;
    this.#state = "lingering";
    this.deadlineAt = performance.now() + LINGER_MS;
  }

  onClose(): void {
    this.#state = "closed";
    this.deadlineAt = Infinity;
    this.#options.deadlines.remove(this.#deadlineSeat);
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange !== null) {
      exchange.abandon();
      this.#options.handler.onClose(exchange);
    }
    this.#options.onClosed();
  }
}
