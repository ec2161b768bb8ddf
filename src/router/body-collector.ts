import type { RequestBody } from "../channel/messages.ts";

/** Gathers the body of one request, since the application is called only when all of it is there. */
export interface BodyCollector {
  /** Bytes that have come. */
  readonly bytes: number;
  /** Bytes that are in memory at the moment. */
  readonly memoryBytes: number;
  add(piece: Buffer): void;
  /** The complete body, if it is there without waiting for a file: this saves a turn of the event loop. */
  inMemory(): RequestBody | null;
  /** The complete body; null when it could not be stored, which was told through `onError`. */
  complete(): Promise<RequestBody | null>;
  /** Gives up memory, place and file. */
  discard(): void;
}
