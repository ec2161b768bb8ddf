/** A promise and the function that fulfils it; awaited by any number of callers. */
export interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

export function makeDeferred(): Deferred {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
