import type { Invocation } from "../config/invocation.ts";
import { TunicornError } from "../errors.ts";
import type { Belongings } from "./belongings.ts";
import { Generation } from "./generation.ts";
import { requireIdentity } from "./identity.ts";
import type { ArbiterLog } from "./arbiter-log.ts";
import type { AdoptedMold } from "./mold-process.ts";
import { planLogProcess } from "./log-settings.ts";
import { giveLogFiles } from "./log-files.ts";
import { readCpuQuota } from "../system/cpu-quota.ts";
import { readDescriptorLimit } from "../system/descriptor-limit.ts";
import { adviseConnections } from "./connection-advice.ts";
import { adviseWorkers } from "./worker-advice.ts";
import type { WorkerHandle } from "./worker-handle.ts";

export interface GenerationsOptions {
  readonly invocation: Invocation;
  readonly interpreter: string;
  /** For the first generation, if there is one already; or null. */
  readonly adoptedMold: AdoptedMold | null;
  readonly onMoldLost: (generation: number) => void;
}

/** All generations of a running server: the active one, the one that boots beside it, and those that leave. */
export class Generations {
  readonly #options: GenerationsOptions;
  #active: Generation | null = null;
  /** Those that boot or leave. */
  readonly #others = new Set<Generation>();
  #lastAge = 0;
  #lastNumber = 0;

  constructor(options: GenerationsOptions) {
    this.#options = options;
  }

  get active(): Generation | null {
    return this.#active;
  }

  /** The active first. */
  get all(): Generation[] {
    return [...(this.#active === null ? [] : [this.#active]), ...this.#others];
  }

  /** Workers that live, of all generations. */
  get workerCount(): number {
    return this.all.reduce((sum, { workers }) => sum + workers.length, 0);
  }

  requireActive(): Generation {
    if (this.#active === null) throw new TunicornError("ERR_MOLD_LOST", "There is no active generation");
    return this.#active;
  }

  /** Starts the mold of a next generation, which reads the settings as they are now. */
  async prepare(): Promise<Generation> {
    const { invocation, interpreter, adoptedMold, onMoldLost } = this.#options;
    this.#lastNumber += 1;
    const generation = new Generation({
      number: this.#lastNumber,
      invocation,
      interpreter,
      adoptedMold: this.#lastNumber === 1 ? adoptedMold : null,
      nextAge: () => {
        this.#lastAge += 1;
        return this.#lastAge;
      },
      listener: { onMoldLost },
    });
    // A stop that comes meanwhile ends it too.
    this.#others.add(generation);
    try {
      await generation.prepare();
    } catch (error) {
      this.#others.delete(generation);
      throw error;
    }
    return generation;
  }

  /** Makes a generation's mold ready; the application is imported at once if it is to be preloaded. */
  async configure(generation: Generation, log: ArbiterLog, belongings: Belongings): Promise<void> {
    adviseWorkers(generation.settings.workers, readCpuQuota(), log);
    adviseConnections(generation.settings.max_connections, readDescriptorLimit(), log);
    const { channelPaths, leftovers } = belongings;
    const tokensPath = belongings.tokensPath(generation);
    const logProcess = planLogProcess(generation.settings, belongings.logSocketPath(generation));
    const named = await generation.configure({ log, logProcess, channelPaths, tokensPath, leftovers });
    // The first one's handlers are to hear of everything; a next one's of what is said once it has taken over.
    if (generation === this.#active) log.takeOver(generation.settings, logProcess);
    belongings.giveTo(requireIdentity(named));
    giveLogFiles(generation.settings, belongings.identity);
    const active = this.#active;
    await generation.announceWorkers(generation === active ? null : (active?.wanted ?? null));
    const { preload_app: isPreloading, reload: isWatching } = generation.settings;
    // A worker serves the reason of what it cannot load, where a mold could only end.
    if (isPreloading && !isWatching) await generation.load();
  }

  /** Makes a generation the active one. The one before is among the others from now on. */
  activate(next: Generation): void {
    this.#others.delete(next);
    if (this.#active !== null) this.#others.add(this.#active);
    this.#active = next;
  }

  /** Waits for a generation's workers to leave, and ends its mold. */
  async dispose(generation: Generation, gracefulMs: number): Promise<void> {
    await generation.leave(gracefulMs);
    await generation.stopMold();
    this.#others.delete(generation);
  }

  /** The worker with this number, and its generation; also if it has ended a moment ago. */
  find(age: number): { readonly worker: WorkerHandle; readonly generation: Generation } | null {
    for (const generation of this.all) {
      const worker = generation.findWorker(age);
      if (worker !== null) return { worker, generation };
    }
    return null;
  }

  /** Ends the workers that are left. */
  async endWorkers(): Promise<void> {
    await Promise.all(this.all.map((generation) => generation.discard()));
  }

  /** Ends the molds, whose workers are gone. */
  async endMolds(): Promise<void> {
    await Promise.all(this.all.map((generation) => generation.stopMold()));
  }
}
