import type { Dispatcher, WorkerRequest } from "./dispatcher.ts";
import type { SharedQueue } from "./shared-queue.ts";
import type { WorkerPool } from "./worker-pool.ts";

/** Sends requests the way of the active generation: through the shared queue, or over its workers' channels. */
export class GenerationDispatcher implements Dispatcher {
  readonly #pool: WorkerPool;
  readonly #queue: SharedQueue | null;
  #active: Dispatcher;

  constructor(pool: WorkerPool, queue: SharedQueue | null) {
    this.#pool = pool;
    this.#queue = queue;
    this.#active = pool;
  }

  /** Requests that no worker has begun. */
  get waiting(): number {
    return this.#pool.waiting + (this.#queue?.waiting ?? 0);
  }

  submit(request: WorkerRequest): void {
    this.#active.submit(request);
  }

  cancel(request: WorkerRequest): void {
    this.#pool.cancel(request);
    this.#queue?.cancel(request);
  }

  /** `tokensPath`: where its workers pull tokens; null: they get their requests over their channels. */
  activate(generation: number, tokensPath: string | null): void {
    if (this.#queue !== null && tokensPath !== null) {
      this.#queue.activate(generation, tokensPath);
      this.#active = this.#queue;
      for (const request of this.#pool.deactivate(generation)) this.#queue.submit(request);
      return;
    }
    this.#active = this.#pool;
    this.#pool.activate(generation);
    this.#queue?.deactivate(generation, this.#pool);
  }

  retireWorker(worker: number): void {
    this.#pool.retireWorker(worker);
    this.#queue?.retireWorker(worker);
  }

  /** The end: all workers leave, those too that dial from now on. */
  retireAll(): void {
    this.#pool.retireAll();
    this.#queue?.deactivate(Infinity, this.#pool);
  }

  destroy(): void {
    this.#pool.destroy();
    this.#queue?.destroy();
  }
}
