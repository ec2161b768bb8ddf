import { describeError } from "../errors.ts";
import type { Generation } from "./generation.ts";
import type { ServerParts } from "./server-parts.ts";

/**
 * What a hook of the start has left running in a thread, such as a server for metrics, has ended with its mold. The
 * mold that is there now runs the hook again: with Gunicorn that thread lives as long as the server.
 */
export async function renewLasting(
  gone: Generation,
  { log, generations }: ServerParts,
  ending: AbortSignal,
): Promise<void> {
  for (const hook of gone.hooks?.lasting ?? []) {
    const hooks = generations.active?.hooks ?? null;
    if (ending.aborted || hooks === null) return;
    // Known before it runs: if this mold dies meanwhile, it is the next one's.
    hooks.lasting.add(hook);
    try {
      await hooks.run(hook);
    } catch (error) {
      if (!ending.aborted) log.error(describeError(error));
    }
  }
}
