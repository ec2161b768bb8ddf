import type { ErrorLog } from "../log/error-log.ts";
import { residentBytes } from "../system/resident-memory.ts";
import type { Generation } from "./generation.ts";
import type { Generations } from "./generations.ts";
import { mebibytes } from "./wording.ts";
import type { WorkerHandle } from "./worker-handle.ts";

const CHECK_MS = 1000;

/** Has workers replaced that have grown too large (`max_worker_memory`) or too old (`max_worker_age`). */
export class WorkerLimits {
  readonly #generations: Generations;
  readonly #log: ErrorLog;
  /** Generations whose workers are too large as soon as they are ready: to replace them would be of no use. */
  readonly #tooSmallFor = new WeakSet<Generation>();

  constructor(generations: Generations, log: ErrorLog) {
    this.#generations = generations;
    this.#log = log;
    // The next check begins when the one before has ended, and none keeps the process from ending.
    const checkLater = (): void =>
      void setTimeout(() => void this.#check().then(checkLater), CHECK_MS).unref();
    checkLater();
  }

  /** A worker that has served nothing yet shows what the application takes at the least. */
  async onWorkerReady(age: number): Promise<void> {
    const found = this.#generations.find(age);
    if (found === null) return;
    const { worker, generation } = found;
    const limit = generation.settings.max_worker_memory;
    if (limit === 0 || this.#tooSmallFor.has(generation)) return;
    const bytes = (await residentBytes([worker.pid])).get(worker.pid) ?? 0;
    if (bytes <= limit || this.#tooSmallFor.has(generation)) return;
    this.#tooSmallFor.add(generation);
    this.#log.error(
      `max_worker_memory has no effect: it is ${mebibytes(limit)}, but a worker that has just booted takes ` +
        mebibytes(bytes),
    );
  }

  async #check(): Promise<void> {
    const generation = this.#generations.active;
    if (generation === null) return;
    const { max_worker_age: ageLimit, max_worker_memory: memoryLimit } = generation.settings;
    const serving = generation.workers.filter(
      (worker) => worker.state === "ready" && !generation.isToBeReplaced(worker.age),
    );
    if (ageLimit > 0) this.#replaceOld(generation, serving, ageLimit);
    if (memoryLimit > 0 && !this.#tooSmallFor.has(generation)) {
      await this.#replaceLarge(generation, serving, memoryLimit);
    }
  }

  #replaceOld(generation: Generation, workers: readonly WorkerHandle[], limit: number): void {
    const now = performance.now();
    for (const worker of workers) {
      if (worker.readyForMs(now) < limit * 1000) continue;
      this.#log.info(`Worker (pid:${worker.pid}) has served for ${limit} s (max_worker_age): it is replaced`);
      generation.replaceWorker(worker.age);
    }
  }

  async #replaceLarge(
    generation: Generation,
    workers: readonly WorkerHandle[],
    limit: number,
  ): Promise<void> {
    const sizes = await residentBytes(workers.map(({ pid }) => pid));
    for (const worker of workers) {
      const bytes = sizes.get(worker.pid) ?? 0;
      if (bytes <= limit || generation.isToBeReplaced(worker.age)) continue;
      this.#log.info(
        `Worker (pid:${worker.pid}) takes ${mebibytes(bytes)}, more than max_worker_memory: it is replaced`,
      );
      generation.replaceWorker(worker.age);
    }
  }
}
