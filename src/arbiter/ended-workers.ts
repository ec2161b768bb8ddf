import type { WorkerHandle } from "./worker-handle.ts";

/** From the end of a worker until all routers have told what it had. */
const KEPT_MS = 5_000;

/** Workers that ended a moment ago: the routers may tell of them only now. */
export class EndedWorkers {
  readonly #workers = new Map<number, WorkerHandle>();

  add(worker: WorkerHandle): void {
    this.#workers.set(worker.age, worker);
    setTimeout(() => this.#workers.delete(worker.age), KEPT_MS).unref();
  }

  get(age: number): WorkerHandle | undefined {
    return this.#workers.get(age);
  }
}
