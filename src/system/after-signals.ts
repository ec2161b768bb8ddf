/**
 * Calls back when signals have been heard that this process had before now. A signal may come while the kernel already
 * hands over what is to be read; Node hears of it in the next turn of the event loop, and there last.
 */
export function afterSignals(callback: () => void): void {
  setImmediate(() => setImmediate(callback));
}
