import type { Socket } from "node:net";
import { FrameReader } from "../channel/frame-reader.ts";
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
import type { Deadlines, Waiting } from "../system/deadlines.ts";
import type { RequestWorker, WorkerRequest } from "./dispatcher.ts";
import type { RequestSummary } from "./messages.ts";
import { nextState, type WorkerChannelEvent, type WorkerChannelState } from "./worker-channel-state.ts";

/** What a worker channel tells its pool. */
export interface WorkerChannelListener {
  /** The worker has said who it is. */
  onHello(channel: WorkerChannel): void;
  /** The worker may be given a request, or told to leave. */
  onIdle(channel: WorkerChannel): void;
  /** The response is complete, the worker is not free yet. */
  onFinishing(channel: WorkerChannel): void;
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

/** A worker that is ready this soon after its response may be sent the next request ahead. */
const QUICK_FINISH_MS = 2;

/** Time between dialling and HELLO. */
const GREETING_MS = 10_000;

/** The router's view of one worker: its channel, and the one request that it has. */
export class WorkerChannel implements RequestWorker, Waiting {
  deadlineAt = performance.now() + GREETING_MS;
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
  /** Sent ahead of READY; the worker has not begun it. */
  #next: WorkerRequest | null = null;
  #isNextCancelled = false;
  #endedAt = 0;
  /** From the end of the last response to READY, in milliseconds; unknown at first. */
  #finishMs = Infinity;

  constructor(options: WorkerChannelOptions) {
    this.#options = options;
    this.#socket = options.socket;
    const reader = new FrameReader((header, payload) =>
      this.#onMessage(decodeWorkerMessage(header, payload)),
    );
    this.#socket.on("data", (bytes: Buffer) => {
      try {
        reader.feed(bytes);
      } catch (error) {
        this.#onProtocolError(error);
      }
    });
    // A worker that is killed resets its socket; "close" follows.
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.on("close", () => this.#onClose());
    options.deadlines.add(this);
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
    this.#socket.write(encodeRequest(this.#stream + 1, request.environ, request.body));
    this.#start(request);
  }

  /**
   * Whether a waiting request may be sent while the worker still closes the iterable before it: only where that
   * was quick of late, since a request that was sent can go to no other worker.
   */
  get takesAhead(): boolean {
    return (
      this.#state === "finishing" &&
      this.#next === null &&
      !this.#isRetiring &&
      this.#finishMs < QUICK_FINISH_MS
    );
  }

  /** Sends a request that starts when the worker is ready. `takesAhead` must hold. */
  sendAhead(request: WorkerRequest): void {
    this.#next = request;
    // The worker may begin it without a word, so its time runs from here.
    this.#startedAt = performance.now();
    this.#limitTime();
    this.#socket.write(encodeRequest(this.#stream + 1, request.environ, request.body));
  }

  /** The client of a request that was sent ahead is gone. */
  cancelAhead(request: WorkerRequest): void {
    if (this.#next === request) this.#isNextCancelled = true;
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
    // The one that was sent ahead may be what takes so long.
    if (this.#next !== null) this.#becomeIdle();
    this.deadlineAt = Infinity;
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
      case "file":
        this.#checkStream(message.stream);
        void this.#onFile(message.stream, message.file);
        break;
      default:
        message satisfies never;
    }
  }

  /** A file that the router takes ends the worker's part of the response. */
  async #onFile(stream: number, file: FilePart): Promise<void> {
    const isTaken = this.#request === null || this.#isAbandoned || (await this.#request.onFile(file));
    if (this.#state !== "busy" || this.#stream !== stream) return;
    // The answer goes first: what follows the end may be a next request, for which the worker does not look yet.
    this.#socket.write(encodeFileAnswer(stream, isTaken));
    if (isTaken) this.#after({ isEnd: true, isReady: false, isLast: false });
  }

  #after(after: AfterFrame): void {
    if (!after.isEnd) return;
    this.resume();
    this.#isAbandoned = true;
    this.#enter("end");
    if (after.isLast) this.#isRetiring = true;
    if (after.isReady) {
      this.#becomeIdle();
      return;
    }
    this.#endedAt = performance.now();
    this.#options.listener.onFinishing(this);
  }

  #becomeIdle(): void {
    if (this.#state === "finishing") this.#finishMs = performance.now() - this.#endedAt;
    this.#enter("ready");
    this.#letGo();
    this.deadlineAt = Infinity;
    if (this.#next !== null) {
      this.#startNext(this.#next);
      return;
    }
    if (this.#isRetiring) this.#drain();
    else this.#options.listener.onIdle(this);
  }

  /** The worker reads the request that was sent ahead. */
  #startNext(request: WorkerRequest): void {
    const isCancelled = this.#isNextCancelled;
    this.#next = null;
    this.#isNextCancelled = false;
    const startedAt = this.#startedAt;
    this.#start(request);
    this.#startedAt = startedAt;
    this.#limitTime();
    if (isCancelled) this.cancel();
  }

  #drain(): void {
    this.#enter("drain");
    this.#socket.write(encodeDrain());
  }

  #checkStream(stream: number): void {
    // A worker that finds a request at hand answers it without a READY before.
    if (this.#next !== null && this.#state === "finishing" && stream === this.#stream + 1) this.#becomeIdle();
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

  #onProtocolError(error: unknown): void {
    if (!(error instanceof TunicornError)) throw error;
    this.#options.listener.onProtocolError(this, error);
    this.destroy();
  }

  #onClose(): void {
    if (this.#state === "closed") return;
    // Whether it had begun the request that was sent ahead cannot be known: no other worker may have it.
    if (this.#next !== null) this.#becomeIdle();
    const summary = this.#summary();
    this.#state = "closed";
    this.deadlineAt = Infinity;
    this.#options.deadlines.delete(this);
    this.#deliver((request) => request.onFailure("worker-died"));
    this.#letGo();
    this.#options.listener.onClosed(this, summary);
  }
}
