import { applicationName } from "../config/application-name.ts";
import { processTitle } from "../config/process-title.ts";
import { describeError } from "../errors.ts";
import { bindingOptions } from "./binding.ts";
import type { Generation } from "./generation.ts";
import { renewLasting } from "./lasting-hooks.ts";
import { resumeServing } from "./pausing.ts";
import { Rebinding } from "./rebinding.ts";
import { makeRouterSettings } from "./router-settings.ts";
import type { ServerParts } from "./server-parts.ts";
import { plural } from "./wording.ts";

export interface ReloadOptions {
  readonly interpreter: string;
  /** Aborted when a stop begins: the next generation is of no use then. */
  readonly ending: AbortSignal;
  /** The next generation is the active one by now. */
  readonly onActivated: () => void;
}

/** Boots a next generation and lets it take over; false when it fails, and the present one goes on. */
export async function renewGeneration(parts: ServerParts, options: ReloadOptions): Promise<boolean> {
  const { log, belongings, generations, router } = parts;
  const { interpreter, ending } = options;
  let next: Generation | null = null;
  let rebinding: Rebinding | null = null;
  try {
    next = await generations.prepare();
    if (ending.aborted) {
      next.kill();
      return false;
    }
    for (const warning of next.read.warnings) log.warning(warning);
    const { settings } = next;
    const how = bindingOptions(settings, belongings.identity, { log, interpreter, ending });
    rebinding = await Rebinding.prepare(belongings.listeners, settings.bind, how);
    await generations.configure(next, log, belongings);
    await next.hooks?.run("on_reload");
    // A stop that has begun ends the mold as it is: workers that it forks now would outlive it.
    if (!ending.aborted) await next.bootWorkers();
    if (ending.aborted) {
      rebinding.discard();
      return false;
    }
    const previous = generations.requireActive();
    activate(next, parts);
    void dispose(previous, previous.gracefulMs, parts).then(() => renewLasting(previous, parts, ending));
    options.onActivated();
  } catch (error) {
    // What a stop, or a signal to the whole process group, has ended has not failed.
    if (!ending.aborted)
      log.error(`The reload failed, the old workers go on serving: ${describeError(error)}`);
    rebinding?.discard();
    if (next !== null) {
      await next.discard();
      await dispose(next, 0, parts);
    }
    return false;
  }
  await resumeServing(parts);
  await rebinding.apply(router, generations.requireActive().read.tls !== null);
  router.send({ type: "leftovers", leftovers: belongings.leftovers });
  return true;
}

function activate(next: Generation, parts: ServerParts): void {
  const { log, belongings, generations, router } = parts;
  const { settings } = next;
  // First what may fail, while the previous generation is still the active one.
  belongings.movePidfile(settings);
  const { logProcess = null, tokensPath = null } = next.place ?? {};
  log.takeOver(settings, logProcess);
  generations.activate(next);
  process.title = processTitle("master", settings, belongings.isSecond);
  const routerSettings = makeRouterSettings(settings, process.env, logProcess, next.read.tls);
  router.send({ type: "configure", settings: routerSettings });
  router.send({ type: "activate", generation: next.number, tokensPath });
  log.info(
    `Reloaded: ${plural(settings.workers, "worker")} for ${applicationName(settings)}, ${next.python}`,
  );
}

async function dispose(generation: Generation, gracefulMs: number, parts: ServerParts): Promise<void> {
  await parts.generations.dispose(generation, gracefulMs);
  parts.belongings.removeTokens(generation);
}
