/**
 * Calls back after one whole turn of the event loop: the first step may be called in the middle of this turn's reading, the
 * second comes behind all of the next one's. By then all that had come was read, and signals were heard that this process
 * had before now, of which Node hears in the next turn, and there last.
 */
export function afterWholeTurn(callback: () => void): void {
  setImmediate(() => setImmediate(callback));
}
