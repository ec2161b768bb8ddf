const CLOSE = 8;
const NONE = Buffer.alloc(0);

/**
 * The frames of a WebSocket that an application sends by itself (RFC 6455 section 5.2), read along with as far as is
 * needed to put a close behind one of them: what an application knows nothing of, its client may be told.
 */
export class PassedFrames {
  /** Of the head of a frame, while it is not complete. */
  #head: number[] = [];
  #payloadLeft = 0;
  #hasClosed = false;
  #code: number | null = null;
  /** Ours was put. */
  #isOver = false;

  /** A close with this code is to be put, unless the application has sent one; the first call counts. */
  close(code: number): void {
    this.#code ??= code;
  }

  /** What is to be sent for the next octets of the application: they, or what is left of them before our close. */
  pass(bytes: Buffer): Buffer {
    if (this.#isOver) return NONE;
    const end = this.#read(bytes, this.#code !== null);
    if (this.#code === null || this.#hasClosed || !this.#isBetween) return bytes;
    this.#isOver = true;
    const close = Buffer.from([0x80 | CLOSE, 2, this.#code >> 8, this.#code & 0xff]);
    return Buffer.concat([bytes.subarray(0, end), close]);
  }

  get #isBetween(): boolean {
    return this.#head.length === 0 && this.#payloadLeft === 0;
  }

  /** Reads all, or to the end of the frame that has begun; returns how far. */
  #read(bytes: Buffer, stopsBetween: boolean): number {
    let at = 0;
    while (at < bytes.length) {
      if (stopsBetween && this.#isBetween) break;
      if (this.#payloadLeft > 0) {
        const skipped = Math.min(this.#payloadLeft, bytes.length - at);
        this.#payloadLeft -= skipped;
        at += skipped;
      } else {
        this.#head.push(bytes[at] as number);
        this.#endHead();
        at += 1;
      }
    }
    return at;
  }

  #endHead(): void {
    const head = this.#head;
    const [first = 0, second] = head;
    if (second === undefined) return;
    const short = second & 0x7f;
    const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
    const maskBytes = (second & 0x80) === 0 ? 0 : 4;
    if (head.length < 2 + lengthBytes + maskBytes) return;
    const long = head.slice(2, 2 + lengthBytes);
    this.#payloadLeft = lengthBytes === 0 ? short : long.reduce((sum, octet) => sum * 256 + octet, 0);
    this.#hasClosed ||= (first & 0x0f) === CLOSE;
    this.#head = [];
  }
}
