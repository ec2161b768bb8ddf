import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { TOKEN_BYTES } from "./ring-layout.ts";

/** What a pipe takes as a whole or not at all, on every system (PIPE_BUF is at least 512 octets). */
const ATOMIC_BYTES = 512;

/**
 * The writing end of a generation's FIFO of tokens: `u32 stream | u16 router | u16 epoch`. Tokens that the
 * FIFO has no room for stay here until the next flush.
 */
export class Tokens {
  readonly #router: number;
  readonly #epoch: number;
  readonly #fd: number;
  #bytes = Buffer.allocUnsafe(ATOMIC_BYTES);
  #size = 0;

  /** Opens a FIFO that the mold has made. Reading, too, so that it opens while no worker has. */
  constructor(path: string, router: number, epoch: number) {
    this.#router = router;
    this.#epoch = epoch;
    this.#fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  }

  push(stream: number): void {
    if (this.#size === this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.allocUnsafe(this.#bytes.length)]);
    }
    this.#bytes.writeUInt32LE(stream, this.#size);
    this.#bytes.writeUInt16LE(this.#router, this.#size + 4);
    this.#bytes.writeUInt16LE(this.#epoch, this.#size + 6);
    this.#size += TOKEN_BYTES;
  }

  /** Writes what was pushed, as far as there is room. */
  flush(): void {
    let written = 0;
    try {
      while (written < this.#size) {
        const size = Math.min(ATOMIC_BYTES, this.#size - written);
        written += writeSync(this.#fd, this.#bytes, written, size);
      }
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    if (written > 0) this.#bytes.copyWithin(0, written, this.#size);
    this.#size -= written;
  }

  /** Streams whose tokens are not in the FIFO yet. */
  get unwritten(): readonly number[] {
    const streams: number[] = [];
    for (let at = 0; at < this.#size; at += TOKEN_BYTES) streams.push(this.#bytes.readUInt32LE(at));
    return streams;
  }

  /** Takes out all tokens that nobody has read, and says how many they were. */
  countLeft(): number {
    const token = Buffer.allocUnsafe(TOKEN_BYTES);
    let count = this.#size / TOKEN_BYTES;
    try {
      while (readSync(this.#fd, token) > 0) count += 1;
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    return count;
  }

  /** The last router to close it lets the workers see its end, once they have taken what is in it. */
  close(): void {
    closeSync(this.#fd);
  }
}

/** Nothing to be read, or no room: the same code. */
function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}
