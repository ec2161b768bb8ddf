import type { Arbiter } from "./arbiter.ts";

/** Connects the signals that operators send to what the arbiter does. `onStopped`: the process may end. */
export function handleSignals(arbiter: Arbiter, onStopped: () => void): void {
  const stopWith = (stop: Promise<void>): void => {
    void stop.then(onStopped);
  };
  process.on("SIGTERM", () => stopWith(arbiter.stop()));
  process.on("SIGINT", () => stopWith(arbiter.quit("Handling signal: int")));
  process.on("SIGQUIT", () => stopWith(arbiter.quit("Handling signal: quit")));
  process.on("SIGHUP", () => void arbiter.reload());
  process.on("SIGTTIN", () => arbiter.changeWorkers(1));
  process.on("SIGTTOU", () => arbiter.changeWorkers(-1));
  process.on("SIGUSR2", () => arbiter.refuseUpgrade());
  process.on("SIGWINCH", () => undefined);
  process.on("SIGUSR1", () => arbiter.reopenLogs());
}
