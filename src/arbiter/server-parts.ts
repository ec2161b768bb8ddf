import type { ArbiterLog } from "./arbiter-log.ts";
import type { Belongings } from "./belongings.ts";
import type { Generations } from "./generations.ts";
import { makeRouterSettings } from "./router-settings.ts";
import type { RouterSupervisor, RouterSupervisorOptions } from "./router-supervisor.ts";

/** What a server that has started consists of. */
export interface ServerParts {
  readonly log: ArbiterLog;
  readonly belongings: Belongings;
  readonly generations: Generations;
  readonly router: RouterSupervisor;
}

/** What a router is started with: all that holds at the moment. */
export function describeRouter({
  generations,
  belongings,
}: Pick<ServerParts, "generations" | "belongings">): ReturnType<RouterSupervisorOptions["describe"]> {
  const generation = generations.requireActive();
  const { settings, number } = generation;
  return {
    settings: makeRouterSettings(settings, process.env, generation.logProcess),
    listeners: belongings.listeners.served,
    backlog: settings.backlog,
    channelPath: belongings.channelPath,
    ringPath: belongings.queue?.ringPath ?? null,
    generation: number,
    tokensPath: belongings.tokensPath(generation),
    leftovers: belongings.leftovers,
    identity: belongings.identity,
  };
}
