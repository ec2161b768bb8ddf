import type { RequestBody } from "../channel/messages.ts";

/** Gathers the body of one request, so that the application is called when it is complete. */
export interface BodyCollector {
  /** Bytes that have come. */
  readonly bytes: number;
  /** Bytes that are in memory at the moment. */
  readonly memoryBytes: number;
  add(piece: Buffer): void;
  /** The complete body, if nothing has to be waited for: no turn of the event loop is spent on it. */
  inMemory(): RequestBody | null;
  /** The complete body; null when it could not be stored, which was told through `onError`. */
  complete(): Promise<RequestBody | null>;
  /** Gives up memory, place and file. */
  discard(): void;
}
