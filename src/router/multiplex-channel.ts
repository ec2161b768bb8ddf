import type { Socket } from "node:net";
import { encodeDrain, type Hello } from "../channel/messages.ts";
import { decodeStreamMessage, encodePing, type StreamMessage } from "../channel/stream-messages.ts";
import type { ApplicationInterface } from "../config/worker-class.ts";
import { TunicornError } from "../errors.ts";
import type { Deadlines, DeadlineSeat, Waiting } from "../system/deadlines.ts";
import { Gathering } from "../system/gathering.ts";
import type { WorkerRequest } from "./dispatcher.ts";
import type { RequestSummary, WorkerSilence } from "./messages.ts";
import {
  nextMultiplexState,
  type MultiplexChannelEvent,
  type MultiplexChannelState,
} from "./multiplex-channel-state.ts";
import { StreamTable } from "./stream-table.ts";
import { listenToWorker } from "./worker-socket.ts";
import { WorkerStream, type StreamChannel } from "./worker-stream.ts";

/** What a channel tells its pool. */
export interface MultiplexChannelListener {
  /** The worker has said who it is. */
  onHello(channel: MultiplexChannel): void;
  /** The worker may be given requests. */
  onReady(channel: MultiplexChannel): void;
  /** It has room for a further request, which it had not. */
  onCredit(channel: MultiplexChannel): void;
  onLeaving(channel: MultiplexChannel): void;
  onSilent(channel: MultiplexChannel, silence: WorkerSilence): void;
  /** `requests` are those that the worker had when its channel broke. */
  onClosed(channel: MultiplexChannel, requests: readonly RequestSummary[]): void;
  onProtocolError(channel: MultiplexChannel, error: TunicornError): void;
}

export interface MultiplexChannelOptions {
  readonly socket: Socket;
  readonly deadlines: Deadlines;
  readonly listener: MultiplexChannelListener;
  /** How long the worker's event loop may be silent, in milliseconds; 0: for ever. */
  readonly timeoutMs: () => number;
}

/** How often a silent worker is asked for a sign of life; twice within the timeout if that is shorter. */
const PING_MS = 5_000;

/** How many requests are named when a worker is stuck or dies. */
const NAMED_REQUESTS = 3;

const LAST_STREAM = 0xffff_ffff;

/** The router's view of one worker that multiplexes: its channel, and a stream for each of its requests. */
export class MultiplexChannel implements StreamChannel, Waiting {
  deadlineAt = Infinity;
  readonly #deadlineSeat: DeadlineSeat;
  readonly #socket: Socket;
  readonly #options: MultiplexChannelOptions;
  readonly #streams = new StreamTable<WorkerStream>();
  #openWebSockets = 0;
  #state: MultiplexChannelState = "greeting";
  #hello: Hello | null = null;
  #lastNumber = 0;
  /** Frames that leave together. */
  #frames: Buffer[] = [];
  readonly #gathering = new Gathering(() => this.#writeFrames());
  #heardAt = 0;
  /** A sign of life was asked for, and none has come since. */
  #askedAt: number | null = null;

  constructor(options: MultiplexChannelOptions) {
    this.#options = options;
    this.#socket = options.socket;
    listenToWorker(options.socket, {
      onFrame: (header, payload) => this.#onMessage(decodeStreamMessage(header, payload)),
      onHeard: () => {
        this.#heardAt = performance.now();
        this.#askedAt = null;
      },
      onProtocolError: (error) => options.listener.onProtocolError(this, error),
      onClosed: () => this.#onClose(),
    });
    this.#deadlineSeat = options.deadlines.add(this);
  }

  get state(): MultiplexChannelState {
    return this.#state;
  }

  get pid(): number {
    return this.#hello?.pid ?? 0;
  }

  get worker(): number {
    return this.#hello?.worker ?? 0;
  }

  get generation(): number {
    return this.#hello?.generation ?? 0;
  }

  get interface(): ApplicationInterface {
    return this.#hello?.multiplexing?.interface ?? "wsgi";
  }

  /** How many requests it has, without open WebSockets, which are idle most of the time. */
  get load(): number {
    return this.#streams.size - this.#openWebSockets;
  }

  /** How many requests it has, with open WebSockets. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** It may be given a further request. */
  get hasCredit(): boolean {
    return this.#state === "serving" && this.#streams.size < this.#credit;
  }

  get #credit(): number {
    return this.#hello?.multiplexing?.credit ?? 1;
  }

  /** Gives the worker a request. It must have credit. */
  dispatch(request: WorkerRequest): void {
    const stream = new WorkerStream(this, this.#nextNumber(), request);
    this.#streams.set(stream.number, stream);
    stream.start();
  }

  /** After the last number they begin again at 1; numbers still in use are skipped. */
  #nextNumber(): number {
    do {
      this.#lastNumber = this.#lastNumber === LAST_STREAM ? 1 : this.#lastNumber + 1;
    } while (this.#streams.has(this.#lastNumber));
    return this.#lastNumber;
  }

  /** No further request: the worker finishes those that it has, and leaves. */
  retire(): void {
    if (!this.#drain()) return;
    for (const { request } of this.#streams.all()) {
      request.onRetire?.();
      request.streaming?.onRetire();
    }
  }

  #drain(): boolean {
    if (this.#state === "draining" || this.#state === "closed" || this.#state === "greeting") return false;
    this.#enter("drain");
    this.write(encodeDrain());
    return true;
  }

  /** Ends the requests under way and the channel, without waiting. */
  destroy(): void {
    this.#socket.destroy();
  }

  write(frame: Buffer): void {
    this.#frames.push(frame);
    this.#gathering.addPart();
  }

  writeLast(frame: Buffer): void {
    this.#frames.push(frame);
    this.#gathering.add();
  }

  #writeFrames(): void {
    const [first] = this.#frames;
    if (first === undefined || this.#state === "closed") return;
    this.#socket.write(this.#frames.length === 1 ? first : Buffer.concat(this.#frames));
    this.#frames = [];
  }

  onStreamOpened(): void {
    this.#openWebSockets += 1;
  }

  onStreamEnd(stream: WorkerStream): void {
    const hadCredit = this.hasCredit;
    if (stream.isWebSocket) this.#openWebSockets -= 1;
    this.#streams.delete(stream.number);
    stream.close();
    if (!hadCredit && this.hasCredit) this.#options.listener.onCredit(this);
  }

  onDeadline(now: number): void {
    const timeoutMs = this.#options.timeoutMs();
    this.deadlineAt = Infinity;
    if (timeoutMs === 0 || this.#state === "closed") return;
    const pingMs = Math.min(PING_MS, timeoutMs / 2);
    if (this.#askedAt !== null) {
      if (now - this.#askedAt >= timeoutMs) this.#giveUp(now);
      else this.deadlineAt = this.#askedAt + timeoutMs;
      return;
    }
    if (now - this.#heardAt >= pingMs) {
      this.#askedAt = now;
      this.write(encodePing());
    }
    this.deadlineAt = now + pingMs;
  }

  /** The event loop does not turn: nobody may wait for this worker any longer. */
  #giveUp(now: number): void {
    const silence: WorkerSilence = {
      silentMs: now - this.#heardAt,
      count: this.#streams.size,
      requests: this.#summaries().slice(0, NAMED_REQUESTS),
    };
    this.#drain();
    for (const stream of this.#streams.all()) stream.fail("worker-timeout");
    this.#options.listener.onSilent(this, silence);
  }

  /** The requests that it has, those begun last first. */
  #summaries(): RequestSummary[] {
    const streams = this.#streams.all().toSorted((first, second) => second.number - first.number);
    return streams.map((stream) => stream.summary);
  }

  #onMessage(message: StreamMessage): void {
    switch (message.type) {
      case "hello":
        this.#enter("hello");
        this.#hello = message.hello;
        this.#options.listener.onHello(this);
        break;
      case "ready":
        this.#enter("ready");
        this.deadlineAt = 0;
        this.#options.listener.onReady(this);
        break;
      case "leaving":
        this.#options.listener.onLeaving(this);
        break;
      case "pong":
        break;
      case "fetch":
      case "dial":
      case "borrow":
      case "returned":
        throw new TunicornError("ERR_PROTOCOL", `A worker that does not pull sent ${message.type}`);
      case "response":
      case "body":
      case "failed":
      case "interim":
      case "file":
      case "environ":
      case "tunnel":
      case "window":
      case "trailers":
      case "accept":
      case "control":
      case "message":
      case "close":
        // A stream that is over on our side may still be spoken of on the other.
        this.#streams.get(message.stream)?.handle(message);
        break;
      default:
        message satisfies never;
    }
  }

  #enter(event: MultiplexChannelEvent): void {
    const state = nextMultiplexState(this.#state, event);
    if (state === null) {
      throw new TunicornError("ERR_PROTOCOL", `A worker that is ${this.#state} cannot ${event}`);
    }
    this.#state = state;
  }

  #onClose(): void {
    if (this.#state === "closed") return;
    const summaries = this.#summaries();
    this.#state = "closed";
    this.deadlineAt = Infinity;
    this.#options.deadlines.remove(this.#deadlineSeat);
    const streams = this.#streams.all();
    this.#streams.clear();
    for (const stream of streams) {
      stream.fail("worker-died");
      stream.close();
    }
    this.#options.listener.onClosed(this, summaries);
  }
}
