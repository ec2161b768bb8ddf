const EMPTY = Buffer.alloc(0);

/** Received octets that are not consumed yet. Pieces cut from it stay valid: nothing is overwritten in place. */
export class InputBuffer {
  /** Holds the octets from its first one; what lies beyond `length` means nothing. */
  octets: Buffer = EMPTY;
  length = 0;
  #isOwn = false;

  /** Adds octets. They are kept, not copied, while nothing older is left over. */
  append(bytes: Buffer): void {
    if (this.length === 0) {
      this.octets = bytes;
      this.length = bytes.length;
      this.#isOwn = false;
      return;
    }
    const length = this.length + bytes.length;
    if (!this.#isOwn || length > this.octets.length) {
      // Doubling keeps a head that comes octet by octet from being copied each time.
      const larger = Buffer.allocUnsafe(Math.max(length * 2, 1024));
      this.octets.copy(larger, 0, 0, this.length);
      this.octets = larger;
      this.#isOwn = true;
    }
    bytes.copy(this.octets, this.length);
    this.length = length;
  }

  /** Forgets the first `size` octets. */
  consume(size: number): void {
    this.length -= size;
    if (this.length === 0) this.clear();
    else this.octets = this.octets.subarray(size);
  }

  clear(): void {
    this.octets = EMPTY;
    this.length = 0;
    this.#isOwn = false;
  }
}
