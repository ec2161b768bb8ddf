import type { ArbiterLog } from "./arbiter-log.ts";
import type { Belongings } from "./belongings.ts";
import type { Generations } from "./generations.ts";
import { makeRouterSettings } from "./router-settings.ts";
import type { Routers, RoutersOptions } from "./routers.ts";

/** What a server that has started consists of. */
export interface ServerParts {
  readonly log: ArbiterLog;
  readonly belongings: Belongings;
  readonly generations: Generations;
  readonly router: Routers;
}

/** What a router is started with: all that holds at the moment. */
export function describeRouter(
  { generations, belongings }: Pick<ServerParts, "generations" | "belongings">,
  router: number,
): ReturnType<RoutersOptions["describe"]> {
  const generation = generations.requireActive();
  const { settings, number } = generation;
  const { logProcess = null, tokensPath = null } = generation.place ?? {};
  return {
    router,
    settings: makeRouterSettings(settings, process.env, logProcess, generation.read.tls),
    listeners: () => belongings.listeners.served,
    backlog: settings.backlog,
    channelPath: belongings.channelPath(router),
    ringPath: belongings.ringPath(router, tokensPath),
    generation: number,
    tokensPath,
    leftovers: belongings.leftovers,
    identity: belongings.identity,
  };
}
