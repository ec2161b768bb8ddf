/** Finds the end of one HTTP/1.1 answer at a time, framed by Content-Length or by close. */
export class AnswerReader {
  status = 0;
  closes = false;
  #head: Buffer | undefined;
  #bodyBytesLeft: number | undefined;

  /** Whether the answer is complete with these bytes. */
  read(chunk: Buffer): boolean {
    if (this.#bodyBytesLeft !== undefined) {
      this.#bodyBytesLeft -= chunk.length;
      return this.#isComplete();
    }
    const bytes = this.#head === undefined ? chunk : Buffer.concat([this.#head, chunk]);
    const headEnd = bytes.indexOf("\r\n\r\n");
    if (headEnd === -1) {
      this.#head = bytes;
      return false;
    }
    this.#readHead(bytes.toString("latin1", 0, headEnd + 2));
    this.#bodyBytesLeft = (this.#bodyBytesLeft ?? Infinity) - (bytes.length - headEnd - 4);
    return this.#isComplete();
  }

  /** Whether the peer's close completes the answer. */
  readEnd(): boolean {
    return this.#bodyBytesLeft === Infinity;
  }

  reset(): void {
    this.#head = undefined;
    this.#bodyBytesLeft = undefined;
  }

  #isComplete(): boolean {
    if ((this.#bodyBytesLeft ?? 0) < 0) throw new Error("More bytes than the answer announced");
    return this.#bodyBytesLeft === 0;
  }

  #readHead(head: string): void {
    if (/\r\ntransfer-encoding:/i.test(head)) {
      throw new Error("Chunked answers are not supported by this load generator");
    }
    this.status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1];
    this.#bodyBytesLeft = length === undefined ? undefined : Number(length);
    this.closes = length === undefined || /\r\nconnection: *close\r\n/i.test(head);
  }
}
