import type { Socket } from "node:net";
import {
  decodeWorkerMessage,
  encodeCancel,
  encodeDrain,
  encodeFileAnswer,
  encodeRequest,
  type AfterFrame,
  type FilePart,
  type Hello,
  type WorkerMessage,
} from "../channel/messages.ts";
import { TunicornError } from "../errors.ts";
import type { Deadlines, DeadlineSeat, Waiting } from "../system/deadlines.ts";
import type { RequestWorker, WorkerRequest } from "./dispatcher.ts";
import type { RequestSummary } from "./messages.ts";
import { nextState, type WorkerChannelEvent, type WorkerChannelState } from "./worker-channel-state.ts";
import { listenToWorker } from "./worker-socket.ts";

/** What a worker channel tells its pool. */
export interface WorkerChannelListener {
  /** The worker has said who it is. */
  onHello(channel: WorkerChannel): void;
  /** The worker may be given a request, or told to leave. */
  onIdle(channel: WorkerChannel): void;
  onLeaving(channel: WorkerChannel): void;
  onTimeout(channel: WorkerChannel, request: RequestSummary): void;
  /** `request` is what the worker was busy with when its channel broke. */
  onClosed(channel: WorkerChannel, request: RequestSummary | null): void;
  onProtocolError(channel: WorkerChannel, error: TunicornError): void;
}

export interface WorkerChannelOptions {
  readonly socket: Socket;
  readonly deadlines: Deadlines;
  readonly listener: WorkerChannelListener;
  /** Time for one request, in milliseconds; 0: no limit. Read when a request starts. */
  readonly timeoutMs: () => number;
}

/** Time between dialling and HELLO. */
const GREETING_MS = 10_000;

/** The router's view of one worker: its channel, and the one request that it has. */
export class WorkerChannel implements RequestWorker, Waiting {
  deadlineAt = performance.now() + GREETING_MS;
  readonly #deadlineSeat: DeadlineSeat;
  readonly #socket: Socket;
  readonly #options: WorkerChannelOptions;
  #state: WorkerChannelState = "greeting";
  #hello: Hello | null = null;
  /** What the worker was given last; kept until it is idle again, so that a log line can name it. */
  #request: WorkerRequest | null = null;
  /** The client or the deadline has given up on the request: what the worker still says is dropped. */
  #isAbandoned = false;
  #stream = 0;
  #startedAt = 0;
  #pausedAt: number | null = null;
  #isRetiring = false;

  constructor(options: WorkerChannelOptions) {
    this.#options = options;
    this.#socket = options.socket;
    listenToWorker(options.socket, {
      onFrame: (header, payload) => this.#onMessage(decodeWorkerMessage(header, payload)),
      onProtocolError: (error) => options.listener.onProtocolError(this, error),
      onClosed: () => this.#onClose(),
    });
    this.#deadlineSeat = options.deadlines.add(this);
  }

  get state(): WorkerChannelState {
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

  /** Gives the worker a request. It must be idle. */
  dispatch(request: WorkerRequest): void {
    request.onIssued();
    this.#socket.write(encodeRequest(this.#stream + 1, request.environ, request.body));
    this.#start(request);
  }

  #limitTime(): void {
    const timeoutMs = this.#options.timeoutMs();
    this.deadlineAt = timeoutMs > 0 ? this.#startedAt + timeoutMs : Infinity;
  }

  #start(request: WorkerRequest): void {
    this.#enter("dispatch");
    this.#request = request;
    this.#isAbandoned = false;
    this.#stream += 1;
    this.#startedAt = performance.now();
    this.#pausedAt = null;
    this.#limitTime();
    request.onStart(this);
  }

  /** No further request: leave now if idle, else once it is ready the next time. */
  retire(): void {
    this.#isRetiring = true;
    this.#deliver((request) => request.onRetire?.());
    if (this.#state === "idle") this.#drain();
  }

  /** Ends the request under way and the channel, without waiting. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** The worker's clock stands still while it waits for a slow client. */
  pause(): void {
    if (this.#pausedAt !== null) return;
    this.#pausedAt = performance.now();
    this.deadlineAt = Infinity;
    this.#socket.pause();
  }

  resume(): void {
    if (this.#pausedAt === null) return;
    this.#startedAt += performance.now() - this.#pausedAt;
    this.#pausedAt = null;
    const timeoutMs = this.#options.timeoutMs();
    if (timeoutMs > 0) this.deadlineAt = this.#startedAt + timeoutMs;
    this.#socket.resume();
  }

  cancel(): void {
    if (this.#state !== "busy" || this.#isAbandoned) return;
    this.#isAbandoned = true;
    this.#socket.write(encodeCancel(this.#stream));
    this.resume();
  }

  onDeadline(): void {
    this.deadlineAt = Infinity;
    if (this.#state === "greeting") {
      this.destroy();
      return;
    }
    this.#isRetiring = true;
    this.resume();
    this.#deliver((request) => request.onFailure("worker-timeout"));
    this.#isAbandoned = true;
    const request = this.#summary();
    if (request !== null) this.#options.listener.onTimeout(this, request);
  }

  #letGo(): void {
    const request = this.#request;
    this.#request = null;
    request?.onReleased();
  }

  #summary(): RequestSummary | null {
    if (this.#request === null) return null;
    const { method, target } = this.#request;
    return { method, target, ageMs: performance.now() - this.#startedAt };
  }

  #deliver(call: (request: WorkerRequest) => void): void {
    if (this.#request !== null && !this.#isAbandoned) call(this.#request);
  }

  #onMessage(message: WorkerMessage): void {
    switch (message.type) {
      case "hello":
        this.#enter("hello");
        this.deadlineAt = Infinity;
        this.#hello = message.hello;
        this.#options.listener.onHello(this);
        break;
      case "ready":
        if (message.isLast) this.#isRetiring = true;
        this.#becomeIdle();
        break;
      case "leaving":
        this.#options.listener.onLeaving(this);
        break;
      case "response":
        this.#checkStream(message.stream);
        this.#deliver((request) => request.onResponse(message));
        this.#after(message.after);
        break;
      case "body":
        this.#checkStream(message.stream);
        this.#deliver((request) => request.onBody(message.body, message.after.isEnd));
        this.#after(message.after);
        break;
      case "failed":
        this.#checkStream(message.stream);
        this.#deliver((request) => request.onFailure("raised"));
        this.#after(message.after);
        break;
      case "interim":
        this.#checkStream(message.stream);
        this.#deliver((request) => request.onInterim(message.status, message.fieldLines));
        break;
      case "environ":
        this.#checkStream(message.stream);
        this.#deliver((request) => request.onEnviron(message.entries));
        break;
      case "file":
        this.#checkStream(message.stream);
        void this.#onFile(message.stream, message.file);
        break;
      case "tunnel":
        this.#checkStream(message.stream);
        if (!message.isTimed) this.deadlineAt = Infinity;
        this.#deliver((request) => request.onTunnel?.());
        break;
      case "fetch":
      case "dial":
      case "borrow":
      case "returned":
        throw new TunicornError("ERR_PROTOCOL", `A worker that does not pull sent ${message.type}`);
      default:
        message satisfies never;
    }
  }

  /** A file that the router takes ends the worker's part of the response. */
  async #onFile(stream: number, file: FilePart): Promise<void> {
    const isTaken = this.#request === null || this.#isAbandoned || (await this.#request.onFile(file));
    if (this.#state !== "busy" || this.#stream !== stream) return;
    this.#socket.write(encodeFileAnswer(stream, isTaken));
    if (isTaken) this.#after({ isEnd: true, isReady: false, isLast: false });
  }

  #after(after: AfterFrame): void {
    if (!after.isEnd) return;
    this.resume();
    this.#isAbandoned = true;
    this.#enter("end");
    if (after.isLast) this.#isRetiring = true;
    if (after.isReady) this.#becomeIdle();
  }

  #becomeIdle(): void {
    this.#enter("ready");
    this.#letGo();
    this.deadlineAt = Infinity;
    if (this.#isRetiring) this.#drain();
    else this.#options.listener.onIdle(this);
  }

  #drain(): void {
    this.#enter("drain");
    this.#socket.write(encodeDrain());
  }

  #checkStream(stream: number): void {
    if (this.#state !== "busy" || stream !== this.#stream) {
      throw new TunicornError("ERR_PROTOCOL", `A worker answered stream ${stream}, want ${this.#stream}`);
    }
  }

  #enter(event: WorkerChannelEvent): void {
    const state = nextState(this.#state, event);
    if (state === null) {
      throw new TunicornError("ERR_PROTOCOL", `A worker that is ${this.#state} cannot ${event}`);
    }
    this.#state = state;
  }

  #onClose(): void {
    if (this.#state === "closed") return;
    const summary = this.#summary();
    this.#state = "closed";
    this.deadlineAt = Infinity;
    this.#options.deadlines.remove(this.#deadlineSeat);
    this.#deliver((request) => request.onFailure("worker-died"));
    this.#letGo();
    this.#options.listener.onClosed(this, summary);
  }
}
