import { setTimeout as delay } from "node:timers/promises";
import type { ErrorLog } from "../log/error-log.ts";
import type { ArbiterToRouter, RequestSummary, RouterToArbiter, WorkerSilence } from "../router/messages.ts";
import type { Generations } from "./generations.ts";
import { describeRequest } from "../router/wording.ts";
import { plural } from "./wording.ts";
import type { WorkerHandle } from "./worker-handle.ts";
import { WorkerLimits } from "./worker-limits.ts";

/** From the loss of a channel to the mold's word of how the process has ended. */
const END_MS = 1_000;

export interface WorkerReportsOptions {
  readonly generations: Generations;
  readonly log: ErrorLog;
  readonly sendToRouter: (message: ArbiterToRouter) => void;
  /** Aborted when a stop begins: workers that leave are not replaced any more. */
  readonly ending: AbortSignal;
  /** Requests are being cut off on purpose: it is no fault of the worker. */
  readonly isQuick: () => boolean;
}

/** What the router tells about the workers, and what follows from it. */
export class WorkerReports {
  readonly #options: WorkerReportsOptions;
  readonly #limits: WorkerLimits;

  constructor(options: WorkerReportsOptions) {
    this.#options = options;
    this.#limits = new WorkerLimits(options.generations, options.log);
  }

  handle(message: RouterToArbiter): void {
    const { generations } = this.#options;
    switch (message.type) {
      case "worker-ready":
        for (const generation of generations.all) generation.onWorkerReady(message.worker);
        this.#retireReplaced();
        void this.#limits.onWorkerReady(message.worker);
        break;
      case "worker-leaving":
        if (!this.#options.ending.aborted) generations.active?.replaceWorker(message.worker);
        break;
      case "worker-lost":
        this.#onLost(message.worker, message.request, message.others);
        break;
      case "worker-silent":
        this.#onSilent(message.worker, message.silence);
        break;
      case "worker-timeout":
        this.#onTimeout(message.worker, message.request);
        break;
      case "drained":
      case "pong":
      case "listening":
      case "failed":
      case "listener-opened":
      case "listeners-closed":
        break;
      default:
        message satisfies never;
    }
  }

  #retireReplaced(): void {
    const { generations, sendToRouter } = this.#options;
    for (const worker of generations.active?.takeReplaced() ?? [])
      sendToRouter({ type: "retire-worker", worker });
  }

  #onLost(worker: number, request: RequestSummary | null, others: number): void {
    const { generations, log, isQuick } = this.#options;
    if (request !== null) {
      const more = others === 0 ? "" : `, and ${plural(others, "request")} more`;
      const named = `${describeRequest(request)}${more}`;
      // A signal to the whole process group has ended it before the router cut the request off.
      if (isQuick()) log.warning(`Cutting off ${named}`);
      else void this.#tellLost(generations.find(worker)?.worker ?? null, named);
    }
    for (const generation of generations.all) generation.onWorkerLost(worker);
  }

  /** One that was told to leave at once is not dead by a fault; how it has ended the mold may tell only now. */
  async #tellLost(worker: WorkerHandle | null, named: string): Promise<void> {
    const { log } = this.#options;
    const name = worker === null || worker.pid === 0 ? "A worker" : `Worker (pid:${worker.pid})`;
    if (worker !== null) await Promise.race([worker.exited, delay(END_MS, undefined, { ref: false })]);
    if (worker?.hasEndedWell === true) log.warning(`${name} left at once: it cut off ${named}`);
    else log.error(`${name} died while it handled ${named}`);
  }

  #onTimeout(worker: number, request: RequestSummary): void {
    const { generations, log } = this.#options;
    const generation = generations.find(worker)?.generation;
    const what = `WORKER TIMEOUT (pid:${this.#pidOf(worker)}): ${describeRequest(request)}`;
    const { timeout = 0, threads = 1 } = generation?.settings ?? {};
    if (threads > 1) {
      log.critical(
        `${what}, the limit is ${timeout} s; its thread is given up, and the worker is replaced; the stacks of its threads follow`,
      );
      generation?.replaceStuckWorker(worker);
      return;
    }
    log.critical(`${what}, the limit is ${timeout} s; its stack follows`);
    generation?.abortWorker(worker);
  }

  /** Which request keeps the loop from turning cannot be known from outside; the stack tells. */
  #onSilent(worker: number, { silentMs, count, requests }: WorkerSilence): void {
    const { generations, log } = this.#options;
    const generation = generations.find(worker)?.generation;
    const limit = generation?.settings.timeout ?? 0;
    const named = requests.map(describeRequest).join(", ");
    log.critical(
      `WORKER TIMEOUT (pid:${this.#pidOf(worker)}): its event loop has not turned for ${(silentMs / 1000).toFixed(1)} s, the limit is ${limit} s; ` +
        `it has ${plural(count, "request")}${named === "" ? "" : `, the latest: ${named}`}; its stack follows`,
    );
    generation?.abortWorker(worker);
  }

  #pidOf(age: number): number {
    return this.#options.generations.find(age)?.worker.pid ?? 0;
  }
}
