/**
 * Signals that the mold tells of. Applications and hooks signal the parent of their worker, which with Gunicorn is the
 * arbiter: `os.kill(os.getppid(), signal.SIGHUP)`.
 */

export type SignalHandlers = ReadonlyMap<NodeJS.Signals, () => unknown>;

/** What was sent to the whole process group came to this process too, and about now. */
const GROUP_MS = 1000;
const stopSignals: ReadonlySet<NodeJS.Signals> = new Set(["SIGTERM", "SIGINT", "SIGQUIT"]);

const heardMs = new Map<NodeJS.Signals, number>();
const connected = new Set<SignalHandlers>();

/** Has these act upon signals. Returns what ends that. */
export function passSignalsTo(handlers: SignalHandlers): () => void {
  connected.add(handlers);
  return () => connected.delete(handlers);
}

/** This process has had the signal itself. */
export function noteHeard(signal: NodeJS.Signals): void {
  heardMs.set(signal, performance.now());
}

/** Acts upon a signal that the mold had, unless this process had it as well. */
export function passOn(signal: NodeJS.Signals): void {
  const heard = heardMs.get(signal);
  if (heard !== undefined && performance.now() - heard < GROUP_MS) return;
  // The second one of them kills: a mold that was busy may tell late of what both had.
  if (stopSignals.has(signal) && [...heardMs.keys()].some((name) => stopSignals.has(name))) return;
  for (const handlers of connected) handlers.get(signal)?.();
}
