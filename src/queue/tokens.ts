import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { TOKEN_BYTES } from "./ring-layout.ts";

/** What a pipe takes as a whole or not at all, on every system (PIPE_BUF is at least 512 octets). */
const ATOMIC_BYTES = 512;
const READ_BYTES = 65_536;

export interface TokensOptions {
  /** A FIFO that the mold has made. */
  readonly path: string;
  /** Number of the router among those of the server. */
  readonly router: number;
  /** Of the router's ring. */
  readonly epoch: number;
  /** Whether a token of this stream still stands for a request. */
  readonly isLive: (stream: number) => boolean;
}

/**
 * The router's end of a generation's FIFO of tokens: `u32 stream | u16 router | u16 epoch`. Tokens that the
 * FIFO has no room for stay here until the next flush.
 */
export class Tokens {
  readonly #options: TokensOptions;
  readonly #fd: number;
  #bytes = Buffer.allocUnsafe(ATOMIC_BYTES);
  #size = 0;

  /** Opens it for writing, and for reading too, so that it opens while no worker has. */
  constructor(options: TokensOptions) {
    this.#options = options;
    this.#fd = openSync(options.path, constants.O_RDWR | constants.O_NONBLOCK);
  }

  push(stream: number): void {
    if (this.#size === this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.allocUnsafe(this.#bytes.length)]);
    }
    const { router, epoch } = this.#options;
    this.#bytes.writeUInt32LE(stream, this.#size);
    this.#bytes.writeUInt16LE(router, this.#size + 4);
    this.#bytes.writeUInt16LE(epoch, this.#size + 6);
    this.#size += TOKEN_BYTES;
  }

  /** Writes what was pushed. When there is no room, stale tokens have to go: there are fewer slots than room. */
  flush(): void {
    if (this.#size === 0 || this.#write()) return;
    for (const stream of this.takeBack()) this.push(stream);
    this.#write();
  }

  /**
   * Takes out all tokens that nobody has read, and gives the streams of those that are live, in their order.
   * The kernel gives each token to one reader: no worker has begun these requests, or will.
   */
  takeBack(): number[] {
    const streams: number[] = [];
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (let size = this.#read(buffer); size > 0; size = this.#read(buffer)) {
      this.#collect(buffer.subarray(0, size), streams);
    }
    this.#collect(this.#bytes.subarray(0, this.#size), streams);
    this.#size = 0;
    return streams;
  }

  /** Lets the workers see the end of the FIFO, once they have taken what is in it. */
  close(): void {
    closeSync(this.#fd);
  }

  /** False: there was no room for all. */
  #write(): boolean {
    let written = 0;
    try {
      while (written < this.#size) {
        const size = Math.min(ATOMIC_BYTES, this.#size - written);
        written += writeSync(this.#fd, this.#bytes, written, size);
      }
    } catch (error) {
      if (!wouldBlock(error)) throw error;
    }
    if (written > 0) this.#bytes.copyWithin(0, written, this.#size);
    this.#size -= written;
    return this.#size === 0;
  }

  #read(buffer: Buffer): number {
    try {
      return readSync(this.#fd, buffer);
    } catch (error) {
      if (!wouldBlock(error)) throw error;
      return 0;
    }
  }

  #collect(tokens: Buffer, streams: number[]): void {
    const { router, epoch, isLive } = this.#options;
    for (let at = 0; at < tokens.length; at += TOKEN_BYTES) {
      const isOurs = tokens.readUInt16LE(at + 4) === router && tokens.readUInt16LE(at + 6) === epoch;
      const stream = tokens.readUInt32LE(at);
      if (isOurs && isLive(stream)) streams.push(stream);
    }
  }
}

function wouldBlock(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}
