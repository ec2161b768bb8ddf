import type { RequestBody } from "../channel/messages.ts";
import type { BodyCollector } from "./body-collector.ts";
import { makeBodyFile, writeFully, type BodyFile } from "./body-file.ts";

/** Bytes that may wait for the disk before the client is held back; fewer when memory is short. */
const PENDING_LIMIT_BYTES = 1024 * 1024;

/** What is written to the file at a time. */
const BLOCK_BYTES = 64 * 1024;

/** Pieces that are joined into one at a time. */
const PIECES_TO_JOIN = 256;

export interface RequestBodyCollectorOptions {
  /** A private directory (mode 0700). */
  readonly directory: string;
  /**
   * Up to this size a body stays in memory; a larger one goes to a file, which becomes `wsgi.input`. Asked for each
   * piece: it shrinks when memory is short.
   */
  readonly memoryBytes: () => number;
  /** Enough waits for the disk: hold the client back, and let it go on. */
  readonly onPause: () => void;
  readonly onResume: () => void;
  readonly onError: (error: Error) => void;
}

/** Gathers the body of one request in memory, and in a file when it is large. */
export class RequestBodyCollector implements BodyCollector {
  readonly #options: RequestBodyCollectorOptions;
  #pieces: Buffer[] = [];
  /** How many pieces at the front have been joined already. */
  #joinedPieces = 0;
  #bytes = 0;
  /** Bytes in `pieces`, which are not on their way to the file yet. */
  #gatheredBytes = 0;
  #pendingBytes = 0;
  #storedBytes = 0;
  #file: Promise<BodyFile | null> | null = null;
  #isPaused = false;
  #isDiscarded = false;

  constructor(options: RequestBodyCollectorOptions) {
    this.#options = options;
  }

  /** Bytes that have come. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that are in memory at the moment. */
  get memoryBytes(): number {
    return this.#gatheredBytes + this.#pendingBytes;
  }

  add(piece: Buffer): void {
    if (this.#isDiscarded) return;
    this.#bytes += piece.length;
    this.#pieces.push(piece);
    if (this.#pieces.length - this.#joinedPieces >= PIECES_TO_JOIN) this.#join();
    this.#gatheredBytes += piece.length;
    const enough = this.#file === null ? this.#options.memoryBytes() : BLOCK_BYTES;
    if (this.#gatheredBytes > enough) this.#store();
  }

  /** The complete body; null when it could not be stored, which was told through `onError`. */
  async complete(): Promise<RequestBody | null> {
    if (this.#file !== null) this.#store();
    const file = await this.#file;
    if (file === null) return this.inMemory();
    return { type: "file", path: file.path };
  }

  /** The body, if none of it went to a file. */
  inMemory(): RequestBody | null {
    return this.#file === null ? { type: "memory", pieces: this.#pieces, bytes: this.#bytes } : null;
  }

  /** Gives up memory and file. */
  discard(): void {
    if (this.#isDiscarded) return;
    this.#isDiscarded = true;
    this.#pieces = [];
    void this.#file?.then((file) => file?.dispose()).catch(() => undefined);
  }

  /** Sends what was gathered to the file. */
  #store(): void {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#joinedPieces = 0;
    this.#gatheredBytes = 0;
    if (pieces.length > 0) this.#write(pieces);
  }

  /** A body that comes octet by octet must not cost a buffer object for each. */
  #join(): void {
    this.#pieces.push(Buffer.concat(this.#pieces.splice(this.#joinedPieces)));
    this.#joinedPieces = this.#pieces.length;
  }

  #write(pieces: Buffer[]): void {
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.#pendingBytes += bytes;
    this.#file ??= makeBodyFile(this.#options.directory).catch((error: Error) => this.#fail(error));
    this.#file = this.#file.then(async (file) => {
      if (file === null || this.#isDiscarded) return file;
      try {
        for (const piece of pieces) {
          await writeFully(file, piece, this.#storedBytes);
          this.#storedBytes += piece.length;
        }
      } catch (error) {
        await file.dispose();
        return this.#fail(error instanceof Error ? error : new Error(String(error)));
      }
      this.#pendingBytes -= bytes;
      if (this.#isPaused && this.#pendingBytes <= this.#pendingLimit / 2) {
        this.#isPaused = false;
        this.#options.onResume();
      }
      return file;
    });
    if (!this.#isPaused && this.#pendingBytes > this.#pendingLimit) {
      this.#isPaused = true;
      this.#options.onPause();
    }
  }

  get #pendingLimit(): number {
    return Math.min(PENDING_LIMIT_BYTES, this.#options.memoryBytes());
  }

  #fail(error: Error): null {
    if (this.#isDiscarded) return null;
    if (this.#isPaused) this.#options.onResume();
    this.#options.onError(error);
    return null;
  }
}
