import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { systemCodeOf } from "../errors.ts";
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

interface Token {
  readonly stream: number;
  readonly router: number;
  readonly epoch: number;
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
    const { router, epoch } = this.#options;
    this.#append({ stream, router, epoch });
  }

  /** Writes what was pushed. When there is no room, stale tokens have to go: there are fewer slots than room. */
  flush(): void {
    if (this.#size === 0 || this.#write()) return;
    for (const stream of this.takeBack()) this.push(stream);
    this.#write();
  }

  /**
   * Takes out all tokens that nobody has read, and gives the streams of those that are live, in their order.
   * The kernel gives each token to one reader: no worker has begun these requests, or will. Tokens of other
   * routers are put back.
   */
  takeBack(): number[] {
    const read: Buffer[] = [];
    for (let tokens = this.#read(); tokens.length > 0; tokens = this.#read()) read.push(tokens);
    read.push(Buffer.from(this.#bytes.subarray(0, this.#size)));
    this.#size = 0;
    const streams = this.#sort(Buffer.concat(read));
    this.#write();
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
      if (systemCodeOf(error) !== "EAGAIN") throw error;
    }
    if (written > 0) this.#bytes.copyWithin(0, written, this.#size);
    this.#size -= written;
    return this.#size === 0;
  }

  #read(): Buffer {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    try {
      return buffer.subarray(0, readSync(this.#fd, buffer));
    } catch (error) {
      if (systemCodeOf(error) !== "EAGAIN") throw error;
      return buffer.subarray(0, 0);
    }
  }

  /** The live streams of this router; what is another's is to be written again. */
  #sort(tokens: Buffer): number[] {
    const { router, epoch, isLive } = this.#options;
    const streams: number[] = [];
    for (let at = 0; at < tokens.length; at += TOKEN_BYTES) {
      const token = readToken(tokens, at);
      if (token.router !== router) this.#append(token);
      else if (token.epoch === epoch && isLive(token.stream)) streams.push(token.stream);
    }
    return streams;
  }

  #append({ stream, router, epoch }: Token): void {
    if (this.#size === this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.allocUnsafe(this.#bytes.length)]);
    }
    this.#bytes.writeUInt32LE(stream, this.#size);
    this.#bytes.writeUInt16LE(router, this.#size + 4);
    this.#bytes.writeUInt16LE(epoch, this.#size + 6);
    this.#size += TOKEN_BYTES;
  }
}

function readToken(bytes: Buffer, at: number): Token {
  return {
    stream: bytes.readUInt32LE(at),
    router: bytes.readUInt16LE(at + 4),
    epoch: bytes.readUInt16LE(at + 6),
  };
}
