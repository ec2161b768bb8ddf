import { TunicornError } from "../errors.ts";
import type { Claims } from "../queue/claims.ts";
import type { Ring } from "../queue/ring.ts";
import { SLOT_COUNT } from "../queue/ring-layout.ts";
import { Tokens } from "../queue/tokens.ts";
import type { Waiting } from "../system/deadlines.ts";
import { afterWholeTurn } from "../system/whole-turn.ts";
import type { Dispatcher, WorkerRequest } from "./dispatcher.ts";
import { Fifo } from "./fifo.ts";
import type { RequestSummary } from "./messages.ts";
import type { QueueChannel, QueueChannelListener } from "./queue-channel.ts";
import { QueueChannels } from "./queue-channels.ts";
import { QueuedRequest, type Claimant, type WithdrawalReason, type Withdrawn } from "./queued-request.ts";
import { StreamTable } from "./stream-table.ts";
import type { SharedQueueOptions } from "./shared-queue-options.ts";

/** How often the claims are looked at while requests are under way. */
const LOOK_MS = 100;
/** After this time whatever a worker has stored in the ring is visible here; caches are far quicker. */
const SETTLE_MS = 20;
/** How long a claim of a lost channel may stand before the request counts as begun by a worker that cannot answer. */
const ORPHAN_MS = 200;

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
  readonly #entries = new StreamTable<QueuedRequest>();
  /** Requests for which there was no slot. */
  readonly #waiting = new Fifo<WorkerRequest>();
  readonly #channels: QueueChannels;
  readonly #announced = new WeakSet<QueueChannel>();
  /** Null while the active generation does not pull; its requests go elsewhere. */
  #tokens: Tokens | null = null;
  #elsewhere: Dispatcher | null = null;
  #generation = 0;
  #isFlushDue = false;
  /** Workers had said at the last look what was not read. */
  #isBehind = false;
  #isDestroyed = false;

  constructor(options: SharedQueueOptions) {
    this.#options = options;
    this.#ring = options.ring;
    this.#channels = new QueueChannels(options.ring);
    options.deadlines.add(this);
  }

  /** Requests that no worker has begun. */
  get waiting(): number {
    const claims = this.#ring.readClaims();
    const unclaimed = this.#entries
      .all()
      .filter(({ state, stream }) => state.type === "issued" && claims.claimOf(stream) === null);
    return unclaimed.length + this.#waiting.size;
  }

  submit(request: WorkerRequest): void {
    if (this.#isDestroyed) return;
    const { queuedRequests } = this.#options.limits();
    if (this.#entries.size + this.#waiting.size >= queuedRequests + this.#channels.size) {
      request.onFailure("overloaded");
      return;
    }
    if (this.#waiting.size > 0 || !this.#issue(request)) this.#waiting.push(request);
    if (this.deadlineAt === Infinity && !this.#isDestroyed) this.deadlineAt = performance.now() + LOOK_MS;
  }

  cancel(request: WorkerRequest): void {
    this.#waiting.delete(request);
    for (const queued of this.#entries.all()) {
      if (queued.request !== request) continue;
      queued.isWanted = false;
      if (queued.state.type === "issued") this.#withdraw(queued, "cancelled");
    }
  }

  /** Opens the queue of a generation: its workers pull from now on, those of older ones finish and leave. */
  activate(generation: number, path: string): void {
    if (this.#isDestroyed) return;
    const isLive = (stream: number): boolean => this.#entries.get(stream)?.state.type === "issued";
    const tokens = new Tokens({ path, router: this.#options.router, epoch: this.#ring.epoch, isLive });
    for (const queued of this.#closeTokens()) {
      queued.generation = generation;
      tokens.push(queued.stream);
    }
    this.#tokens = tokens;
    this.#elsewhere = null;
    this.#generation = generation;
    this.#scheduleFlush();
    this.#channels.tellPlaces(generation, true);
    this.#issueWaiting();
  }

  /** Requests go another way from now on, as do those that no worker here begins any more. */
  deactivate(generation: number, elsewhere: Dispatcher): void {
    const left = this.#closeTokens();
    this.#generation = generation;
    this.#elsewhere = elsewhere;
    this.#channels.tellPlaces(generation, false);
    for (const queued of left) this.#issueAnew(queued);
    this.#issueWaiting();
  }

  add(channel: QueueChannel): void {
    this.#channels.add(channel);
    this.#options.listener.onWorkerDialled(channel.hello.worker, channel.pid);
  }

  /** What is in use at the end, when nothing should be. */
  takeStock(): string {
    let taken = SLOT_COUNT - this.#ring.free;
    // No request will be issued any more, so what was withdrawn need not be settled first.
    for (const { state, stream } of this.#entries.all()) {
      if (state.type === "withdrawn") taken -= this.#ring.slotsOf(stream);
    }
    const left = this.#recallTokens();
    return `${taken} slots are taken, ${this.#ring.places.taken} places are taken, ${left.size} tokens are left`;
  }

  retireWorker(worker: number): void {
    for (const channel of this.#channels) if (channel.hello.worker === worker) channel.drain();
  }

  /** Ends it now. The requests that are in it hear nothing more. */
  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.deadlineAt = Infinity;
    this.#entries.clear();
    for (const channel of this.#channels) channel.destroy();
    this.#tokens?.close();
    this.#tokens = null;
    this.#elsewhere = null;
    this.#ring.close();
  }

  onReady(channel: QueueChannel): void {
    if (!this.#announced.has(channel)) {
      this.#announced.add(channel);
      this.#options.listener.onWorkerReady(channel.hello.worker);
    }
    this.#channels.tellPlaces(this.#generation, this.#tokens !== null);
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
    queued.start(performance.now());
    if (queued.isWanted) queued.request.onStart(channel);
    else channel.abandon(queued);
    return queued;
  }

  onEnd(_channel: QueueChannel, queued: QueuedRequest): void {
    this.#remove(queued);
    this.#issueWaiting();
  }

  onClosed(channel: QueueChannel): void {
    if (this.#isDestroyed) return;
    const claims = this.#ring.readClaims();
    const lost = this.#failClaimedBy(channel, claims);
    this.#channels.delete(channel);
    if (lost === null && channel.mayHoldToken) this.#reissueLost(channel.hello.generation, claims);
    // Its claim is free for one that waits for it.
    this.#channels.tellPlaces(this.#generation, this.#tokens !== null);
    this.#issueWaiting();
    // A worker with several threads is lost with the last of their channels.
    const { worker } = channel.hello;
    if (lost !== null || !this.#channels.hasWorker(worker)) {
      this.#options.listener.onWorkerLost(worker, lost);
    }
  }

  onProtocolError(channel: QueueChannel, error: TunicornError): void {
    this.#options.listener.onProtocolError(channel.hello.worker, error);
  }

  /** Looks who has claimed what, settles what was withdrawn, and ends what takes too long. */
  onDeadline(now: number): void {
    const claims = this.#ring.readClaims();
    const heldBack = this.#channels.heldBack(claims);
    this.#isBehind = heldBack.length > 0;
    for (const queued of this.#entries.all()) this.#look(queued, claims, now);
    for (const channel of this.#channels) this.#lookAtFinishing(channel, claims, now);
    for (const channel of heldBack) channel.resume();
    this.#expireWaiting(now);
    this.#issueWaiting();
    this.#flush();
    const isIdle = this.#entries.size === 0 && this.#waiting.size === 0 && !this.#isFinishing;
    this.deadlineAt = isIdle ? Infinity : now + LOOK_MS;
  }

  get #isFinishing(): boolean {
    return this.#options.timeoutMs() > 0 && [...this.#channels].some((each) => each.finishing !== null);
  }

  #look(queued: QueuedRequest, claims: Claims, now: number): void {
    const { state } = queued;
    const isClaimed = state.type === "claimed" || claims.claimOf(queued.stream) !== null;
    const claimant =
      state.type === "claimed" ? state.channel : this.#channels.claimantOf(queued.stream, claims);
    if (isClaimed) queued.start(now);
    // What it has to say about this one may be there, behind what a slow client does not take.
    if (state.type !== "claimed" && claimant?.isPaused === true) queued.startedAt = now;
    if (queued.isOverdue(this.#options.timeoutMs(), now)) {
      this.#timeOut(queued, claimant, now);
    } else if (isClaimed) {
      if (claimant === null && now - queued.startedAt >= ORPHAN_MS) this.#fail(queued, "worker-died");
    } else if (state.type === "withdrawn") {
      if (now - state.at >= SETTLE_MS) this.#settleWhenHeard(queued, state);
    } else if (now - queued.request.submittedAt > this.#options.limits().queueMs) {
      this.#withdraw(queued, "overdue");
    } else if (queued.generation !== this.#generation && !this.#channels.hasGeneration(queued.generation)) {
      this.#withdraw(queued, "reissue");
    }
  }

  /** Nobody claims it; but a worker may have cleared its claim behind an answer that is not read yet, or held back. */
  #settleWhenHeard(queued: QueuedRequest, state: Withdrawn): void {
    if (state.isSettling || this.#isBehind) return;
    state.isSettling = true;
    afterWholeTurn(() => {
      if (this.#entries.get(queued.stream)?.state === state) this.#settle(queued, state.reason);
    });
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
        this.#issueAnew(queued);
        break;
      default:
        reason satisfies never;
    }
  }

  /** Nobody has begun it: it gets another stream, or goes another way. */
  #issueAnew(queued: QueuedRequest): void {
    const { request, stream, isWanted } = queued;
    this.#entries.delete(stream);
    this.#ring.release(stream);
    if (!isWanted) {
      request.onReleased();
      return;
    }
    request.onWithdrawn();
    if (!this.#issue(request)) this.#waiting.push(request);
  }

  #lookAtFinishing(channel: QueueChannel, claims: Claims, now: number): void {
    const { finishing } = channel;
    const timeoutMs = this.#options.timeoutMs();
    if (finishing === null || timeoutMs === 0) return;
    const { queued, endedAt } = finishing;
    if (this.#channels.claimantOf(queued.stream, claims) !== channel) {
      channel.finishing = null;
    } else if (now - endedAt > timeoutMs) {
      channel.finishing = null;
      channel.drain();
      this.#options.listener.onWorkerTimeout(channel.hello.worker, queued.summary(now));
    }
  }

  #timeOut(queued: QueuedRequest, claimant: Claimant | null, now: number): void {
    queued.isTimedOut = true;
    if (queued.isWanted) queued.request.onFailure("worker-timeout");
    queued.isWanted = false;
    if (claimant === null) return;
    claimant.drain();
    this.#options.listener.onWorkerTimeout(claimant.hello.worker, queued.summary(now));
  }

  /** A worker is gone: what it had begun is begun by nobody else. Returns the first of it. */
  #failClaimedBy(channel: QueueChannel, claims: Claims): RequestSummary | null {
    const now = performance.now();
    let lost: RequestSummary | null = null;
    for (const queued of this.#entries.all()) {
      const { state, stream } = queued;
      const claimant = state.type === "claimed" ? state.channel : this.#channels.claimantOf(stream, claims);
      if (claimant !== channel) continue;
      lost ??= queued.summary(now);
      this.#fail(queued, "worker-died");
    }
    return lost;
  }

  /** A worker of this generation may have died with a token in its hands: with one of those that are neither claimed nor in the FIFO. */
  #reissueLost(generation: number, claims: Claims): void {
    const left = generation === this.#generation ? this.#recallTokens() : new Set();
    for (const queued of this.#entries.all()) {
      if (queued.state.type !== "issued" || queued.generation !== generation) continue;
      if (left.has(queued.stream) || claims.claimOf(queued.stream) !== null) continue;
      this.#withdraw(queued, "reissue");
    }
  }

  /** The streams whose tokens nobody has read. */
  #recallTokens(): ReadonlySet<number> {
    const streams = this.#tokens?.takeBack() ?? [];
    for (const stream of streams) this.#tokens?.push(stream);
    this.#flush();
    return new Set(streams);
  }

  /** Closes the FIFO. Its workers see the end at once: the requests whose tokens nobody has read are returned. */
  #closeTokens(): readonly QueuedRequest[] {
    const streams = this.#tokens?.takeBack() ?? [];
    this.#tokens?.close();
    this.#tokens = null;
    return streams.flatMap((stream) => this.#entries.get(stream) ?? []);
  }

  /** Puts a request into the ring and its token into the FIFO, with others of this turn. False: there is no slot. */
  #issue(request: WorkerRequest): boolean {
    if (this.#elsewhere !== null) {
      request.takeBodyOut?.();
      this.#elsewhere.submit(request);
      return true;
    }
    if (this.#tokens === null) return false;
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
    queued.state = { type: "withdrawn", reason, at: performance.now(), isSettling: false };
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
