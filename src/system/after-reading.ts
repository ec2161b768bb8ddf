/** Calls back when all that had come by now was read: after one whole turn of the event loop. */
export function afterReading(callback: () => void): void {
  // The first may be called in the middle of this turn's reading, the second comes after all of the next one's.
  setImmediate(() => setImmediate(callback));
}
