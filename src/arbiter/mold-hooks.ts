import type { HookName, ServerHookName } from "../config/settings/hooks.ts";
import { TunicornError } from "../errors.ts";
import { USER_CODE_MS, type MoldHandle } from "./mold-handle.ts";
import type { ArbiterToMold } from "./mold-messages.ts";

/** Run once in the life of a server. */
const OF_THE_START: ReadonlySet<ServerHookName> = new Set(["on_starting", "when_ready"]);

/** The hooks that the arbiter has a mold run. The others are called by the mold and the workers themselves. */
export class MoldHooks {
  readonly #mold: MoldHandle;
  readonly #names: ReadonlySet<string>;
  /** Those of the start that have left a thread in the mold. */
  readonly lasting = new Set<ServerHookName>();

  constructor(mold: MoldHandle, names: ReadonlySet<string>) {
    this.#mold = mold;
    this.#names = names;
  }

  /** Runs a hook if the configuration file has it. Throws ERR_HOOK with the traceback when it raised. */
  async run(hook: ServerHookName): Promise<void> {
    if (!this.#names.has(hook)) return;
    const threads = await this.#ask(hook, { type: "hook", hook });
    if (threads > 0 && OF_THE_START.has(hook)) this.lasting.add(hook);
  }

  /** Tells how many workers are wanted, and runs nworkers_changed. Throws ERR_HOOK when it raised. */
  async tellWorkers(wanted: number, before: number | null): Promise<void> {
    await this.#ask("nworkers_changed", { type: "workers", wanted, before });
  }

  /** How many threads the hook has left running. */
  async #ask(hook: HookName, message: ArbiterToMold): Promise<number> {
    if (this.#mold.isGone) return 0;
    const answer = await this.#mold.ask(message, USER_CODE_MS);
    if (answer.type !== "hook-done") return 0;
    if (answer.error !== null)
      throw new TunicornError("ERR_HOOK", `The hook ${hook} raised\n${answer.error}`);
    return answer.threads;
  }
}
