import type { Deadlines, Waiting } from "../system/deadlines.ts";
import type { WorkerRequest } from "./dispatcher.ts";
import { Fifo } from "./fifo.ts";

/** How many requests may wait for a worker, and how long. Read anew for each request. */
export interface QueueLimits {
  readonly queuedRequests: number;
  readonly queueMs: number;
}

export interface RequestQueueOptions {
  readonly deadlines: Deadlines;
  readonly limits: () => QueueLimits;
}

/** Requests that wait for a worker, in their order. Their number and the time that each may wait are limited. */
export class RequestQueue implements Waiting {
  /** When the longest waiting request has waited too long. */
  deadlineAt = Infinity;
  readonly #limits: () => QueueLimits;
  readonly #requests = new Fifo<WorkerRequest>();

  constructor({ deadlines, limits }: RequestQueueOptions) {
    this.#limits = limits;
    deadlines.add(this);
  }

  get size(): number {
    return this.#requests.size;
  }

  /** The one that has waited longest. */
  get first(): WorkerRequest | undefined {
    return this.#requests.peek();
  }

  /** Takes a request in, or tells it that there is no room. */
  push(request: WorkerRequest): void {
    const { queuedRequests, queueMs } = this.#limits();
    if (this.#requests.size >= queuedRequests) {
      request.onFailure("overloaded");
      return;
    }
    this.#requests.push(request);
    if (this.deadlineAt === Infinity) this.deadlineAt = request.submittedAt + queueMs;
  }

  shift(): WorkerRequest | undefined {
    return this.#requests.shift();
  }

  delete(request: WorkerRequest): void {
    this.#requests.delete(request);
  }

  /** Empties the queue: what was in it goes another way. */
  takeAll(): readonly WorkerRequest[] {
    const requests: WorkerRequest[] = [];
    for (let next = this.shift(); next !== undefined; next = this.shift()) requests.push(next);
    this.deadlineAt = Infinity;
    return requests;
  }

  /** Requests that have waited too long are given up; the deadline moves on to the next in line. */
  onDeadline(now: number): void {
    const { queueMs } = this.#limits();
    this.deadlineAt = Infinity;
    for (;;) {
      const request = this.#requests.peek();
      if (request === undefined) return;
      if (request.submittedAt + queueMs > now) {
        this.deadlineAt = request.submittedAt + queueMs;
        return;
      }
      this.#requests.shift();
      request.onFailure("overloaded");
    }
  }
}
