import { TunicornError } from "../errors.ts";
import type { Claims, Ring } from "../queue/ring.ts";
import { SLOT_COUNT } from "../queue/ring-layout.ts";
import { Tokens } from "../queue/tokens.ts";
import type { Deadlines, Waiting } from "../system/deadlines.ts";
import type { Dispatcher, WorkerRequest } from "./dispatcher.ts";
import { Fifo } from "./fifo.ts";
import type { RequestSummary } from "./messages.ts";
import type { QueueChannel, QueueChannelListener } from "./queue-channel.ts";
import { QueuedRequest, type WithdrawalReason } from "./queued-request.ts";
import type { QueueLimits, WorkerPoolListener } from "./worker-pool.ts";

/** How often the claims are looked at while requests are under way. */
const LOOK_MS = 100;
/** After this time a store of a worker is visible to whoever reads the file: caches are far quicker. */
const SETTLE_MS = 20;
/** A claim by a channel that does not exist: its HELLO may still be on its way. */
const ORPHAN_MS = 2000;

export interface SharedQueueOptions {
  readonly ring: Ring;
  /** Number of the router among those of the server. */
  readonly router: number;
  readonly listener: WorkerPoolListener;
  readonly deadlines: Deadlines;
  readonly limits: () => QueueLimits;
  /** Time for one request, in milliseconds; 0: no limit. */
  readonly timeoutMs: () => number;
}

/**
 * The dispatcher over the shared queue: requests lie in a ring that workers have mapped, tokens for them in a
 * FIFO from which idle workers pull. The kernel gives each token to one worker, so that no request waits
 * behind a slow one while a worker is idle. src/queue/queue.md says what is where, and why nothing is lost or
 * begun twice.
 */
export class SharedQueue implements Dispatcher, QueueChannelListener, Waiting {
  deadlineAt = Infinity;
  readonly #options: SharedQueueOptions;
  readonly #ring: Ring;
  readonly #entries = new Map<number, QueuedRequest>();
  /** Requests for which there was no slot. */
  readonly #waiting = new Fifo<WorkerRequest>();
  readonly #channels = new Map<number, QueueChannel>();
  readonly #announced = new WeakSet<QueueChannel>();
  /** Null while the active generation does not pull; its requests go elsewhere. */
  #tokens: Tokens | null = null;
  #elsewhere: Dispatcher | null = null;
  #generation = 0;
  #isFlushDue = false;
  #isDestroyed = false;

  constructor(options: SharedQueueOptions) {
    this.#options = options;
    this.#ring = options.ring;
    options.deadlines.add(this);
  }

  submit(request: WorkerRequest): void {
    const { queuedRequests } = this.#options.limits();
    if (this.#entries.size + this.#waiting.size >= queuedRequests + this.#channels.size) {
      request.onFailure("overloaded");
      return;
    }
    if (this.#waiting.size > 0 || !this.#issue(request)) this.#waiting.push(request);
    if (this.deadlineAt === Infinity) this.deadlineAt = performance.now() + LOOK_MS;
  }

  cancel(request: WorkerRequest): void {
    this.#waiting.delete(request);
    for (const queued of this.#entries.values()) {
      if (queued.request !== request) continue;
      queued.isWanted = false;
      if (queued.state.type === "issued") this.#withdraw(queued, "cancelled");
    }
  }

  /** Opens the queue of a generation: its workers pull from now on, those of older ones finish and leave. */
  activate(generation: number, path: string): void {
    const tokens = new Tokens(path, this.#options.router, this.#ring.epoch);
    for (const stream of this.#tokens?.unwritten ?? []) tokens.push(stream);
    this.#tokens?.close();
    this.#tokens = tokens;
    this.#elsewhere = null;
    this.#generation = generation;
    this.#scheduleFlush();
    for (const channel of this.#channels.values()) this.#tellPlace(channel);
  }

  /** Requests go another way from now on, as do those that no worker here begins any more. */
  deactivate(generation: number, elsewhere: Dispatcher): void {
    this.#flush();
    this.#generation = generation;
    this.#elsewhere = elsewhere;
    this.#tokens?.close();
    this.#tokens = null;
    for (const channel of this.#channels.values()) this.#tellPlace(channel);
    this.#issueWaiting();
  }

  add(channel: QueueChannel): void {
    this.#channels.set(channel.key, channel);
    this.#options.listener.onWorkerDialled(channel.hello.worker, channel.pid);
  }

  /** What is in use at the end, when nothing should be. Tokens that nobody has read are taken out. */
  takeStock(): string {
    // No request will be issued any more, so what was withdrawn need not be settled first.
    for (const queued of this.#entries.values()) if (queued.state.type === "withdrawn") this.#remove(queued);
    const taken = SLOT_COUNT - this.#ring.free;
    return `${taken} slots are taken, ${this.#tokens?.countLeft() ?? 0} tokens are left`;
  }

  retireWorker(worker: number): void {
    for (const channel of this.#channels.values()) if (channel.hello.worker === worker) channel.drain();
  }

  destroy(): void {
    this.#isDestroyed = true;
    this.deadlineAt = Infinity;
    for (const channel of this.#channels.values()) channel.destroy();
    this.#tokens?.close();
    this.#tokens = null;
    this.#ring.close();
  }

  onReady(channel: QueueChannel): void {
    if (!this.#announced.has(channel)) {
      this.#announced.add(channel);
      this.#options.listener.onWorkerReady(channel.hello.worker);
    }
    this.#tellPlace(channel);
  }

  onLeaving(channel: QueueChannel): void {
    this.#options.listener.onWorkerLeaving(channel.hello.worker);
  }

  claim(channel: QueueChannel, stream: number): QueuedRequest {
    const queued = this.#entries.get(stream);
    if (queued === undefined || queued.state.type === "claimed") {
      throw new TunicornError(
        "ERR_PROTOCOL",
        `A worker answered stream ${stream}, which is not in the queue`,
      );
    }
    queued.state = { type: "claimed", channel };
    queued.start(channel.key, performance.now());
    if (queued.isWanted) queued.request.onStart(channel);
    else channel.abandon(queued);
    return queued;
  }

  onEnd(_channel: QueueChannel, queued: QueuedRequest): void {
    this.#remove(queued);
    this.#issueWaiting();
  }

  onClosed(channel: QueueChannel): void {
    const { hello, key } = channel;
    // A worker that dialled anew has put another channel in its place.
    if (this.#channels.get(key) === channel) this.#channels.delete(key);
    if (this.#isDestroyed) return;
    const claims = this.#ring.readClaims();
    const now = performance.now();
    const unclaimed: QueuedRequest[] = [];
    let lost: RequestSummary | null = null;
    for (const queued of this.#entries.values()) {
      const { state } = queued;
      const isClaimed = state.type === "claimed";
      const by = isClaimed ? state.channel.key : claims.keyOf(queued.stream);
      if (isClaimed ? state.channel === channel : by === key) {
        lost ??= queued.summary(now);
        this.#fail(queued, "worker-died");
      } else if (by === 0) {
        unclaimed.push(queued);
      }
    }
    // It held no request, and may have died with a token in its hands.
    if (lost === null && !channel.isDone) {
      for (const queued of unclaimed) {
        if (queued.state.type === "issued") this.#withdraw(queued, "reissue");
      }
    }
    this.#issueWaiting();
    // A worker with several threads is lost with the last of their channels.
    if (lost !== null || !this.#hasChannelOf(hello.worker)) {
      this.#options.listener.onWorkerLost(hello.worker, lost);
    }
  }

  onProtocolError(channel: QueueChannel, error: TunicornError): void {
    this.#options.listener.onProtocolError(channel.hello.worker, error);
  }

  /** Looks who has claimed what, settles what was withdrawn, and ends what takes too long. */
  onDeadline(now: number): void {
    const claims = this.#ring.readClaims();
    for (const queued of this.#entries.values()) this.#look(queued, claims, now);
    for (const channel of this.#channels.values()) this.#lookAtFinishing(channel, now);
    this.#expireWaiting(now);
    this.#issueWaiting();
    this.#flush();
    const isIdle = this.#entries.size === 0 && this.#waiting.size === 0 && !this.#isFinishing;
    this.deadlineAt = isIdle ? Infinity : now + LOOK_MS;
  }

  #hasChannelOf(worker: number): boolean {
    for (const { hello } of this.#channels.values()) if (hello.worker === worker) return true;
    return false;
  }

  get #isFinishing(): boolean {
    return (
      this.#options.timeoutMs() > 0 && [...this.#channels.values()].some((each) => each.finishing !== null)
    );
  }

  #look(queued: QueuedRequest, claims: Claims, now: number): void {
    const { state } = queued;
    const key = state.type === "claimed" ? state.channel.key : claims.keyOf(queued.stream);
    if (key !== 0) queued.start(key, now);
    if (queued.isOverdue(this.#options.timeoutMs(), now)) {
      this.#timeOut(queued, now);
    } else if (state.type !== "claimed" && key !== 0) {
      if (!this.#channels.has(key) && now - queued.startedAt > ORPHAN_MS) this.#fail(queued, "worker-died");
    } else if (state.type === "withdrawn") {
      if (now - state.at >= SETTLE_MS) this.#settle(queued, state.reason);
    } else if (state.type === "issued") {
      if (now - queued.request.submittedAt > this.#options.limits().queueMs)
        this.#withdraw(queued, "overdue");
      else if (this.#isOutOfReach(queued)) this.#withdraw(queued, "reissue");
    }
  }

  /** Its generation has left; its token was in a FIFO that nobody reads any more. */
  #isOutOfReach(queued: QueuedRequest): boolean {
    if (queued.generation === this.#generation) return false;
    for (const channel of this.#channels.values()) {
      if (channel.hello.generation === queued.generation) return false;
    }
    return true;
  }

  /** Nobody has begun it, and nobody can: what it was withdrawn for may be done. */
  #settle(queued: QueuedRequest, reason: WithdrawalReason): void {
    switch (reason) {
      case "cancelled":
        this.#remove(queued);
        break;
      case "overdue":
        this.#fail(queued, "overloaded");
        break;
      case "reissue":
        this.#entries.delete(queued.stream);
        this.#ring.release(queued.stream);
        if (!queued.isWanted) queued.request.onReleased();
        else if (!this.#issue(queued.request)) this.#waiting.push(queued.request);
        break;
      default:
        reason satisfies never;
    }
  }

  #lookAtFinishing(channel: QueueChannel, now: number): void {
    const { finishing } = channel;
    const timeoutMs = this.#options.timeoutMs();
    if (finishing === null || timeoutMs === 0) return;
    const { queued, endedAt } = finishing;
    if (this.#ring.readFinished(channel.key) === queued.stream) {
      channel.finishing = null;
    } else if (now - endedAt > timeoutMs) {
      channel.finishing = null;
      channel.drain();
      this.#options.listener.onWorkerTimeout(channel.hello.worker, queued.summary(now));
    }
  }

  #timeOut(queued: QueuedRequest, now: number): void {
    queued.isTimedOut = true;
    if (queued.isWanted) queued.request.onFailure("worker-timeout");
    queued.isWanted = false;
    const channel = this.#channels.get(queued.key);
    if (channel === undefined) return;
    channel.drain();
    this.#options.listener.onWorkerTimeout(channel.hello.worker, queued.summary(now));
  }

  #tellPlace(channel: QueueChannel): void {
    if (channel.hello.generation < this.#generation) channel.drain();
    else if (channel.hello.generation === this.#generation) channel.pull();
  }

  /** Puts a request into the ring and its token into the FIFO, with others of this turn. False: there is no slot. */
  #issue(request: WorkerRequest): boolean {
    if (this.#tokens === null) {
      this.#elsewhere?.submit(request);
      return this.#elsewhere !== null;
    }
    const stream = this.#ring.put(request.environ, request.body);
    if (stream === 0) return false;
    this.#entries.set(stream, new QueuedRequest(request, stream, this.#generation));
    request.onIssued();
    this.#tokens.push(stream);
    this.#scheduleFlush();
    return true;
  }

  #issueWaiting(): void {
    for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
      if (!this.#issue(next)) return;
      this.#waiting.shift();
    }
  }

  #scheduleFlush(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    setImmediate(this.#flush);
  }

  /** First the requests, then their tokens: a worker may take one at once. */
  readonly #flush = (): void => {
    this.#isFlushDue = false;
    if (this.#tokens === null) return;
    this.#ring.flush();
    this.#tokens.flush();
  };

  #withdraw(queued: QueuedRequest, reason: WithdrawalReason): void {
    this.#ring.withdraw(queued.stream);
    queued.state = { type: "withdrawn", reason, at: performance.now() };
  }

  #fail(queued: QueuedRequest, failure: "worker-died" | "overloaded"): void {
    if (queued.isWanted) queued.request.onFailure(failure);
    this.#remove(queued);
  }

  #remove(queued: QueuedRequest): void {
    this.#entries.delete(queued.stream);
    this.#ring.release(queued.stream);
    queued.request.onReleased();
  }

  #expireWaiting(now: number): void {
    const { queueMs } = this.#options.limits();
    for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
      if (next.submittedAt + queueMs > now) return;
      this.#waiting.shift();
      next.onFailure("overloaded");
    }
  }
}
