import { TunicornError } from "../errors.ts";

/**
 * The life of a server:
 *
 * - starting: until all workers of the first generation are ready
 * - running: one generation serves
 * - reloading: a next one boots beside it
 * - ending: nothing new is begun, and what there is, is taken down
 */
export type ServerState = "starting" | "running" | "reloading" | "ending";

export type ServerEvent = "started" | "reload" | "reloaded" | "end";

const transitions: Readonly<Record<ServerState, Readonly<Partial<Record<ServerEvent, ServerState>>>>> = {
  starting: { started: "running", end: "ending" },
  running: { reload: "reloading", end: "ending" },
  reloading: { reloaded: "running", end: "ending" },
  // A reload that was under way may be over only now.
  ending: { reloaded: "ending", end: "ending" },
};

/** The state after an event, or null when the event may not happen in this state. */
export function nextServerState(state: ServerState, event: ServerEvent): ServerState | null {
  return transitions[state][event] ?? null;
}

/** Where a server is in its life. Whoever waits for something hears by `ending` that it is of no use any more. */
export class ServerLife {
  #state: ServerState = "starting";
  readonly #ending = new AbortController();

  get state(): ServerState {
    return this.#state;
  }

  /** Aborted when the server begins to end. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** Throws ERR_PROTOCOL for what cannot happen now. */
  enter(event: ServerEvent): void {
    const state = nextServerState(this.#state, event);
    if (state === null)
      throw new TunicornError("ERR_PROTOCOL", `A server that is ${this.#state} cannot enter "${event}"`);
    this.#state = state;
    if (state === "ending") this.#ending.abort();
  }

  /** To be called after every wait of the start: a signal may have ended it meanwhile. */
  requireStarting(): void {
    if (this.#state !== "starting") throw new TunicornError("ERR_MOLD_LOST", "The start was interrupted");
  }
}
