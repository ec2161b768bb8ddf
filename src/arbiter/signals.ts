import type { Arbiter } from "./arbiter.ts";

/** Connects the signals that operators send to what the arbiter does. Returns what disconnects them. */
export function handleSignals(arbiter: Arbiter): () => void {
  const handlers: readonly (readonly [NodeJS.Signals, () => unknown])[] = [
    ["SIGTERM", () => arbiter.stop()],
    ["SIGINT", () => arbiter.quit("Handling signal: int")],
    ["SIGQUIT", () => arbiter.quit("Handling signal: quit")],
    ["SIGHUP", () => arbiter.reload()],
    ["SIGTTIN", () => arbiter.changeWorkers(1)],
    ["SIGTTOU", () => arbiter.changeWorkers(-1)],
    ["SIGUSR2", () => arbiter.upgrade()],
    ["SIGWINCH", () => arbiter.pause()],
    ["SIGUSR1", () => arbiter.reopenLogs()],
  ];
  for (const [signal, handle] of handlers) process.on(signal, handle);
  return () => {
    for (const [signal, handle] of handlers) process.off(signal, handle);
  };
}
