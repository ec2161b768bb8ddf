import type { BodyPlaces } from "../queue/body-places.ts";
import type { Dispatcher, WorkerRequest } from "./dispatcher.ts";
import type { MultiplexPool } from "./multiplex-pool.ts";
import type { SharedQueue } from "./shared-queue.ts";
import type { WorkerPool } from "./worker-pool.ts";

/** The ways by which requests come to workers. */
export interface Ways {
  /** One at a time, over the worker's channel. */
  readonly pool: WorkerPool;
  /** Pulled by the workers; null: this system has no shared queue. */
  readonly queue: SharedQueue | null;
  /** For large bodies, in the ring of the queue. */
  readonly places: BodyPlaces | null;
  /** Many at a time, over the worker's channel. */
  readonly multiplex: MultiplexPool;
}

/** Which way the workers of a generation take. */
export interface GenerationWay {
  readonly multiplexes: boolean;
  /** Where its workers pull tokens; null: they do not pull. */
  readonly tokensPath: string | null;
}

/** Sends requests the way of the active generation. What waits on another way at a reload comes along. */
export class GenerationDispatcher implements Dispatcher {
  readonly #ways: Ways;
  #active: Dispatcher;

  constructor(ways: Ways) {
    this.#ways = ways;
    this.#active = ways.pool;
  }

  /** Requests that no worker has begun. */
  get waiting(): number {
    const { pool, queue, multiplex } = this.#ways;
    return pool.waiting + (queue?.waiting ?? 0) + multiplex.waiting;
  }

  /** Where the body of a request may be put for the workers of the active generation. */
  get bodyPlaces(): BodyPlaces | null {
    const { queue, places } = this.#ways;
    return this.#active === queue ? places : null;
  }

  submit(request: WorkerRequest): void {
    // It was made for the ASGI application of a generation before.
    if (request.streaming !== undefined && this.#active !== this.#ways.multiplex)
      request.onFailure("overloaded");
    else {
      if (this.#active !== this.#ways.queue) request.takeBodyOut?.();
      this.#active.submit(request);
    }
  }

  cancel(request: WorkerRequest): void {
    this.#ways.pool.cancel(request);
    this.#ways.queue?.cancel(request);
    this.#ways.multiplex.cancel(request);
  }

  activate(generation: number, { multiplexes, tokensPath }: GenerationWay): void {
    const { pool, queue, multiplex } = this.#ways;
    if (multiplexes) {
      this.#active = multiplex;
      multiplex.activate(generation);
    } else if (queue !== null && tokensPath !== null) {
      this.#active = queue;
      queue.activate(generation, tokensPath);
    } else {
      this.#active = pool;
      pool.activate(generation);
    }
    if (this.#active !== multiplex) this.#takeOver(multiplex.deactivate(generation));
    if (this.#active !== pool) this.#takeOver(pool.deactivate(generation));
    if (this.#active !== queue) queue?.deactivate(generation, this);
  }

  retireWorker(worker: number): void {
    this.#ways.pool.retireWorker(worker);
    this.#ways.queue?.retireWorker(worker);
    this.#ways.multiplex.retireWorker(worker);
  }

  /** The end: all workers leave, those too that dial from now on. */
  retireAll(): void {
    this.#ways.pool.retireAll();
    this.#ways.multiplex.retireAll();
    this.#ways.queue?.deactivate(Infinity, this.#ways.pool);
  }

  destroy(): void {
    this.#ways.pool.destroy();
    this.#ways.queue?.destroy();
    this.#ways.multiplex.destroy();
  }

  #takeOver(waiting: readonly WorkerRequest[]): void {
    for (const request of waiting) this.submit(request);
  }
}
