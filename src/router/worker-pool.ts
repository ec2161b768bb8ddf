import type { TunicornError } from "../errors.ts";
import type { Dispatcher, WorkerRequest } from "./dispatcher.ts";
import { Fifo } from "./fifo.ts";
import type { RequestSummary } from "./messages.ts";
import { RequestQueue, type RequestQueueOptions } from "./request-queue.ts";
import type { WorkerChannel, WorkerChannelListener } from "./worker-channel.ts";

export interface WorkerPoolOptions extends RequestQueueOptions {
  readonly generation: number;
  readonly listener: WorkerPoolListener;
}

/** What a pool tells its router. */
export interface WorkerPoolListener {
  onWorkerDialled(worker: number, pid: number): void;
  onWorkerReady(worker: number): void;
  onWorkerLeaving(worker: number): void;
  onWorkerLost(worker: number, request: RequestSummary | null): void;
  onWorkerTimeout(worker: number, request: RequestSummary): void;
  onProtocolError(worker: number, error: TunicornError): void;
}

/**
 * All workers of a router, and the dispatcher over their channels: one central queue, one request to each
 * idle worker of the active generation, the longest idle first. No request waits behind a busy worker
 * while another is idle.
 */
export class WorkerPool implements Dispatcher, WorkerChannelListener {
  readonly #listener: WorkerPoolListener;
  readonly #channels = new Set<WorkerChannel>();
  readonly #queue: RequestQueue;
  readonly #idle = new Fifo<WorkerChannel>();
  /** Workers that have been idle once: `worker-ready` is told one time. */
  readonly #announced = new WeakSet<WorkerChannel>();
  #activeGeneration: number;

  constructor(options: WorkerPoolOptions) {
    this.#activeGeneration = options.generation;
    this.#listener = options.listener;
    this.#queue = new RequestQueue(options);
  }

  /** Requests that wait for a worker. */
  get waiting(): number {
    return this.#queue.size;
  }

  add(channel: WorkerChannel): void {
    this.#channels.add(channel);
  }

  submit(request: WorkerRequest): void {
    const channel = this.#idle.shift();
    if (channel === undefined) this.#queue.push(request);
    else channel.dispatch(request);
  }

  cancel(request: WorkerRequest): void {
    this.#queue.delete(request);
  }

  /** Requests go to workers of this generation; older workers leave as they become idle. */
  activate(generation: number): void {
    if (generation === this.#activeGeneration) return;
    this.#activeGeneration = generation;
    for (const channel of this.#channels) {
      // One that has not said who it is yet is looked at when it is ready.
      if (channel.state === "greeting") continue;
      if (channel.generation < generation) this.#retire(channel);
      else if (channel.state === "idle") this.onIdle(channel);
    }
  }

  /** Requests go another way from now on: all workers of older generations leave. Returns what waits for one. */
  deactivate(generation: number): readonly WorkerRequest[] {
    this.activate(generation);
    return this.#queue.takeAll();
  }

  retireWorker(worker: number): void {
    for (const channel of this.#channels) {
      if (channel.worker === worker) this.#retire(channel);
    }
  }

  /** The end: all workers leave, those too that dial from now on. */
  retireAll(): void {
    this.#activeGeneration = Infinity;
    for (const channel of this.#channels) this.#retire(channel);
  }

  destroy(): void {
    for (const channel of this.#channels) channel.destroy();
  }

  onHello(channel: WorkerChannel): void {
    this.#listener.onWorkerDialled(channel.worker, channel.pid);
  }

  onIdle(channel: WorkerChannel): void {
    if (!this.#announced.has(channel)) {
      this.#announced.add(channel);
      this.#listener.onWorkerReady(channel.worker);
    }
    if (channel.generation < this.#activeGeneration) {
      channel.retire();
      return;
    }
    // A worker of a generation that is not active yet waits until `activate`.
    if (channel.generation > this.#activeGeneration || channel.state !== "idle") return;
    const request = this.#queue.shift();
    if (request === undefined) this.#idle.push(channel);
    else channel.dispatch(request);
  }

  onLeaving(channel: WorkerChannel): void {
    this.#listener.onWorkerLeaving(channel.worker);
  }

  onTimeout(channel: WorkerChannel, request: RequestSummary): void {
    this.#listener.onWorkerTimeout(channel.worker, request);
  }

  onClosed(channel: WorkerChannel, request: RequestSummary | null): void {
    this.#channels.delete(channel);
    this.#idle.delete(channel);
    const { worker } = channel;
    // A worker with several threads is lost with the last of their channels.
    const isLast = ![...this.#channels].some((other) => other.worker === worker);
    if (worker > 0 && (isLast || request !== null)) this.#listener.onWorkerLost(worker, request);
  }

  onProtocolError(channel: WorkerChannel, error: TunicornError): void {
    this.#listener.onProtocolError(channel.worker, error);
  }

  #retire(channel: WorkerChannel): void {
    this.#idle.delete(channel);
    channel.retire();
  }
}
