import { setTimeout as delay } from "node:timers/promises";
import type { ServerParts } from "./server-parts.ts";

/**
 * WINCH: the server takes no more clients, answers those that it has, and lets its workers go. It keeps its
 * sockets: who connects waits in the backlog, or is served by another arbiter that has them too.
 */
export async function pauseServing({ log, belongings, generations, router }: ServerParts): Promise<void> {
  const { listeners } = belongings;
  if (listeners.isPaused) return;
  listeners.isPaused = true;
  const active = generations.requireActive();
  await Promise.race([router.pause(), delay(active.gracefulMs, undefined, { ref: false })]);
  // A reload or a TTIN has ended the pause meanwhile.
  if (!isPausedStill(listeners) || active !== generations.active) return;
  active.wantWorkers(0);
  for (const worker of active.takeSurplus()) router.send({ type: "retire-worker", worker });
  log.info("Paused: no worker is left, and requests wait until HUP or TTIN");
}

type PausedParts = Pick<ServerParts, "log" | "belongings" | "router">;

/** Takes clients again, if the server is paused. */
export async function resumeServing(parts: PausedParts): Promise<void> {
  if (!parts.belongings.listeners.isPaused) return;
  await takeClients(parts);
  parts.log.info("Resumed");
}

/** Has the router listen, which was not to so far. */
export async function takeClients({ log, belongings: { listeners }, router }: PausedParts): Promise<void> {
  listeners.isPaused = false;
  for (const listener of listeners.all) {
    const error = await router.openListener(listener);
    if (error !== null) log.error(`Cannot listen at ${listener.address}: ${error}`);
  }
}

/** Looked at anew after a wait. */
function isPausedStill(listeners: { readonly isPaused: boolean }): boolean {
  return listeners.isPaused;
}
