/**
 * The life of a worker that multiplexes, as its router sees it.
 *
 * greeting: dialled, said nothing yet. booted: has said who it is. serving: takes requests. draining: was told to
 * finish those that it has, and to leave. closed: its channel is gone.
 */
export type MultiplexChannelState = "greeting" | "booted" | "serving" | "draining" | "closed";

export type MultiplexChannelEvent = "hello" | "ready" | "drain" | "close";

const transitions: Readonly<
  Record<MultiplexChannelState, Readonly<Partial<Record<MultiplexChannelEvent, MultiplexChannelState>>>>
> = {
  greeting: { hello: "booted", close: "closed" },
  booted: { ready: "serving", drain: "draining", close: "closed" },
  serving: { drain: "draining", close: "closed" },
  // READY may have crossed DRAIN on the way.
  draining: { ready: "draining", drain: "draining", close: "closed" },
  closed: { drain: "closed" },
};

/** The state after an event, or null when the event may not happen in this state. */
export function nextMultiplexState(
  state: MultiplexChannelState,
  event: MultiplexChannelEvent,
): MultiplexChannelState | null {
  return transitions[state][event] ?? null;
}
