/**
 * The life of a worker as its router sees it.
 *
 * greeting: dialled, said nothing yet. booted: has said who it is. idle: may be given a request.
 * busy: has one. finishing: its response is complete, the worker is not free yet. draining: was told
 * to leave. closed: its channel is gone.
 */
export type WorkerChannelState =
  | "greeting"
  | "booted"
  | "idle"
  | "busy"
  | "finishing"
  | "draining"
  | "closed";

export type WorkerChannelEvent = "hello" | "ready" | "dispatch" | "end" | "drain" | "close";

const transitions: Readonly<
  Record<WorkerChannelState, Readonly<Partial<Record<WorkerChannelEvent, WorkerChannelState>>>>
> = {
  greeting: { hello: "booted", close: "closed" },
  booted: { ready: "idle", drain: "draining", close: "closed" },
  idle: { dispatch: "busy", drain: "draining", close: "closed" },
  busy: { end: "finishing", close: "closed" },
  finishing: { ready: "idle", drain: "draining", close: "closed" },
  draining: { close: "closed" },
  closed: {},
};

/** The state after an event, or null when the event may not happen in this state. */
export function nextState(state: WorkerChannelState, event: WorkerChannelEvent): WorkerChannelState | null {
  return transitions[state][event] ?? null;
}
