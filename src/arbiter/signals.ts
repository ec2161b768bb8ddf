import type { Arbiter } from "./arbiter.ts";
import { noteHeard, passSignalsTo } from "./passed-signals.ts";

/** Connects the signals that operators send to what the arbiter does. Returns what disconnects them. */
export function handleSignals(arbiter: Arbiter): () => void {
  const handlers = new Map<NodeJS.Signals, () => unknown>([
    ["SIGTERM", () => arbiter.stop()],
    ["SIGINT", () => arbiter.quit("Handling signal: int")],
    ["SIGQUIT", () => arbiter.quit("Handling signal: quit")],
    ["SIGHUP", () => arbiter.reload()],
    ["SIGTTIN", () => arbiter.changeWorkers(1)],
    ["SIGTTOU", () => arbiter.changeWorkers(-1)],
    ["SIGUSR2", () => arbiter.upgrade()],
    ["SIGWINCH", () => arbiter.pause()],
    ["SIGUSR1", () => arbiter.reopenLogs()],
  ]);
  const disconnect = passSignalsTo(handlers);
  const hear = (signal: NodeJS.Signals): void => {
    noteHeard(signal);
    handlers.get(signal)?.();
  };
  for (const signal of handlers.keys()) process.on(signal, hear);
  return () => {
    disconnect();
    for (const signal of handlers.keys()) process.off(signal, hear);
  };
}
