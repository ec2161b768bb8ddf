import type { TunicornError } from "../errors.ts";
import type { Dispatcher, WorkerRequest } from "./dispatcher.ts";
import type { RequestSummary, WorkerSilence } from "./messages.ts";
import type { MultiplexChannel, MultiplexChannelListener } from "./multiplex-channel.ts";
import { RequestQueue, type RequestQueueOptions } from "./request-queue.ts";

export interface MultiplexPoolOptions extends RequestQueueOptions {
  readonly generation: number;
  readonly listener: MultiplexPoolListener;
}

/** What a pool tells its router. */
export interface MultiplexPoolListener {
  onWorkerDialled(worker: number, pid: number): void;
  onWorkerReady(worker: number): void;
  onWorkerLeaving(worker: number): void;
  onWorkerLost(worker: number, request: RequestSummary | null, others: number): void;
  onWorkerSilent(worker: number, silence: WorkerSilence): void;
  onProtocolError(worker: number, error: TunicornError): void;
}

/**
 * The workers of a router that multiplex, and the dispatcher over their channels: each request goes to the worker of
 * the active generation that has the fewest. When none has credit, it waits. Open WebSockets take credit; they count
 * where a further WebSocket is placed, not where a request is, since most of them are idle.
 */
export class MultiplexPool implements Dispatcher, MultiplexChannelListener {
  readonly #listener: MultiplexPoolListener;
  readonly #channels = new Set<MultiplexChannel>();
  readonly #queue: RequestQueue;
  /** Those that serve the active generation, the one that was given a request last at the end. */
  #serving: MultiplexChannel[] = [];
  #activeGeneration: number;

  constructor(options: MultiplexPoolOptions) {
    this.#activeGeneration = options.generation;
    this.#listener = options.listener;
    this.#queue = new RequestQueue(options);
  }

  /** Requests that wait for a worker. */
  get waiting(): number {
    return this.#queue.size;
  }

  add(channel: MultiplexChannel): void {
    this.#channels.add(channel);
  }

  submit(request: WorkerRequest): void {
    const channel = this.#leastLoaded(request);
    if (channel === null) this.#queue.push(request);
    else this.#give(channel, request);
  }

  cancel(request: WorkerRequest): void {
    this.#queue.delete(request);
  }

  /** Requests go to workers of this generation; older workers finish what they have and leave. */
  activate(generation: number): void {
    if (generation === this.#activeGeneration) return;
    this.#activeGeneration = generation;
    for (const channel of this.#channels) {
      if (channel.generation < generation) channel.retire();
    }
    this.#findServing();
  }

  /** Requests go another way from now on: all workers of older generations leave. Returns what waits for one. */
  deactivate(generation: number): readonly WorkerRequest[] {
    this.activate(generation);
    return this.#queue.takeAll();
  }

  retireWorker(worker: number): void {
    for (const channel of this.#channels) {
      if (channel.worker === worker) channel.retire();
    }
    this.#findServing();
  }

  /** The end: all workers leave, those too that dial from now on. */
  retireAll(): void {
    this.#activeGeneration = Infinity;
    for (const channel of this.#channels) channel.retire();
    this.#serving = [];
  }

  destroy(): void {
    for (const channel of this.#channels) channel.destroy();
  }

  onHello(channel: MultiplexChannel): void {
    this.#listener.onWorkerDialled(channel.worker, channel.pid);
  }

  onReady(channel: MultiplexChannel): void {
    this.#listener.onWorkerReady(channel.worker);
    if (channel.generation < this.#activeGeneration) channel.retire();
    else this.#findServing();
  }

  onCredit(): void {
    this.#dispatchWaiting();
  }

  onLeaving(channel: MultiplexChannel): void {
    this.#listener.onWorkerLeaving(channel.worker);
  }

  onSilent(channel: MultiplexChannel, silence: WorkerSilence): void {
    this.#findServing();
    this.#listener.onWorkerSilent(channel.worker, silence);
  }

  onClosed(channel: MultiplexChannel, requests: readonly RequestSummary[]): void {
    this.#channels.delete(channel);
    this.#findServing();
    if (channel.worker === 0) return;
    this.#listener.onWorkerLost(channel.worker, requests[0] ?? null, Math.max(0, requests.length - 1));
  }

  onProtocolError(channel: MultiplexChannel, error: TunicornError): void {
    this.#listener.onProtocolError(channel.worker, error);
  }

  #findServing(): void {
    this.#serving = [...this.#channels].filter(
      ({ state, generation }) => state === "serving" && generation === this.#activeGeneration,
    );
    this.#dispatchWaiting();
  }

  /** Of workers that have equally few, the one that has waited longest for a request. */
  #leastLoaded({ streaming }: WorkerRequest): MultiplexChannel | null {
    const isLasting = streaming?.isWebSocket === true;
    let found: MultiplexChannel | null = null;
    let least = Infinity;
    for (const channel of this.#serving) {
      const load = isLasting ? channel.streamCount : channel.load;
      if (!channel.hasCredit || load >= least) continue;
      found = channel;
      least = load;
    }
    return found;
  }

  #give(channel: MultiplexChannel, request: WorkerRequest): void {
    if ((request.streaming?.interface ?? "wsgi") !== channel.interface) {
      // It was made for workers of another class, which a reload has replaced.
      request.onFailure("overloaded");
      return;
    }
    if (this.#serving.length > 1) {
      this.#serving.splice(this.#serving.indexOf(channel), 1);
      this.#serving.push(channel);
    }
    channel.dispatch(request);
  }

  #dispatchWaiting(): void {
    for (let next = this.#queue.first; next !== undefined; next = this.#queue.first) {
      const channel = this.#leastLoaded(next);
      if (channel === null) return;
      this.#queue.shift();
      this.#give(channel, next);
    }
  }
}
