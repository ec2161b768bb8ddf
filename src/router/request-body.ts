import { open, unlink, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { RequestBody } from "../channel/messages.ts";

/** Up to this size a body stays in memory; a larger one goes to a file, which becomes `wsgi.input`. */
const MEMORY_LIMIT_BYTES = 1024 * 1024;

/** Bytes that may wait for the disk before the client is held back. */
const PENDING_LIMIT_BYTES = 1024 * 1024;

let fileNumber = 0;

export interface RequestBodyCollectorOptions {
  /** A private directory (mode 0700). */
  readonly directory: string;
  /** Enough waits for the disk: hold the client back, and let it go on. */
  readonly onPause: () => void;
  readonly onResume: () => void;
  readonly onError: (error: Error) => void;
}

/** Gathers the body of one request, so that the application is called when it is complete. */
export class RequestBodyCollector {
  readonly #options: RequestBodyCollectorOptions;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #pendingBytes = 0;
  #path: string | null = null;
  #writing: Promise<FileHandle | null> = Promise.resolve(null);
  #isPaused = false;

  constructor(options: RequestBodyCollectorOptions) {
    this.#options = options;
  }

  /** Bytes that have come. */
  get bytes(): number {
    return this.#bytes;
  }

  add(piece: Buffer): void {
    this.#bytes += piece.length;
    this.#pieces.push(piece);
    if (this.#bytes <= MEMORY_LIMIT_BYTES) return;
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#write(pieces);
  }

  /** The complete body; null when it could not be stored, which was told through `onError`. */
  async complete(): Promise<RequestBody | null> {
    if (this.#path === null) return this.inMemory();
    const file = await this.#writing;
    await file?.close();
    return file === null ? null : { type: "file", path: this.#path };
  }

  /** The body, if none of it went to a file: no turn of the event loop is spent on it. */
  inMemory(): RequestBody | null {
    return this.#path === null ? { type: "memory", pieces: this.#pieces, bytes: this.#bytes } : null;
  }

  /** Removes the file, if there is one. */
  async discard(): Promise<void> {
    this.#pieces = [];
    if (this.#path === null) return;
    const file = await this.#writing;
    // Closed already when the body was complete.
    await file?.close().catch(() => undefined);
    await unlink(this.#path).catch(() => undefined);
  }

  #write(pieces: Buffer[]): void {
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.#pendingBytes += bytes;
    if (this.#path === null) {
      fileNumber += 1;
      this.#path = join(this.#options.directory, `body-${process.pid}-${fileNumber}`);
      this.#writing = open(this.#path, "wx", 0o600).catch((error: Error) => this.#fail(error));
    }
    this.#writing = this.#writing.then(async (file) => {
      if (file === null) return null;
      try {
        await writeAll(file, pieces);
      } catch (error) {
        await file.close();
        return this.#fail(error instanceof Error ? error : new Error(String(error)));
      }
      this.#pendingBytes -= bytes;
      if (this.#isPaused && this.#pendingBytes <= PENDING_LIMIT_BYTES / 2) {
        this.#isPaused = false;
        this.#options.onResume();
      }
      return file;
    });
    if (!this.#isPaused && this.#pendingBytes > PENDING_LIMIT_BYTES) {
      this.#isPaused = true;
      this.#options.onPause();
    }
  }

  #fail(error: Error): null {
    this.#options.onError(error);
    return null;
  }
}

/** `writev` may write less than it was given. */
async function writeAll(file: FileHandle, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    let offset = 0;
    while (offset < piece.length) {
      const { bytesWritten } = await file.write(piece, offset, piece.length - offset);
      offset += bytesWritten;
    }
  }
}
