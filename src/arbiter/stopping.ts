import { setTimeout as delay } from "node:timers/promises";
import type { Generations } from "./generations.ts";
import type { ServerParts } from "./server-parts.ts";

/** How long the quick stop waits for workers before it kills them. */
const QUICK_STOP_MS = 2_000;

/** The mold may be busy with the user's code for long; nothing was served yet. */
export async function giveUpStart(generations: Generations): Promise<void> {
  for (const generation of generations.all) {
    generation.kill();
    await generation.stopMold();
  }
}

/** Waits until all is answered and the workers have left, the graceful timeout is over, or it is to be quick. */
export async function finishRequests(parts: ServerParts, quick: Promise<void>): Promise<void> {
  const { belongings, router } = parts;
  const generations = parts.generations.all;
  const { gracefulMs } = parts.generations.requireActive();
  for (const generation of generations) generation.endSuccession();
  const finished = (async () => {
    await router.drain({ isHandover: belongings.listeners.isShared });
    // From here on no worker is replaced, and then they are let go.
    for (const generation of generations) generation.beginLeaving();
    router.send({ type: "retire-workers" });
    await Promise.all(generations.map((generation) => generation.leave(gracefulMs)));
  })();
  // The router takes in what waits in the backlogs and closes them, which only counts if nobody else has them open.
  belongings.listeners.close();
  await Promise.race([finished, delay(gracefulMs, undefined, { ref: false }), quick]);
}

/** Ends what is left of the workers: those that have something to say about it by QUIT, after a while all by KILL. */
export async function endWorkers(
  generations: Generations,
  { isQuick }: { readonly isQuick: boolean },
): Promise<void> {
  const all = generations.all;
  for (const generation of all) {
    generation.signalAll(isQuick || generation.multiplexes ? "SIGQUIT" : "SIGKILL");
  }
  await Promise.all(all.map((generation) => generation.leave(QUICK_STOP_MS, { isTold: true })));
}
