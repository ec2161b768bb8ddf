/** Finds the end of one HTTP/1.1 answer at a time, framed by Content-Length or by close, and compares its body. */
export class AnswerReader {
  status = 0;
  closes = false;
  /** Of head and body, as far as they have come. */
  bytes = 0;
  #expectedBody: Buffer | undefined;
  #head: Buffer | undefined;
  #bodyBytes = 0;
  #bodyBytesLeft: number | undefined;
  #isAsExpected = true;

  /** Whether the answer is complete with these bytes. */
  read(chunk: Buffer): boolean {
    this.bytes += chunk.length;
    if (this.#bodyBytesLeft !== undefined) return this.#readBody(chunk);
    const bytes = this.#head === undefined ? chunk : Buffer.concat([this.#head, chunk]);
    const headEnd = bytes.indexOf("\r\n\r\n");
    if (headEnd === -1) {
      this.#head = bytes;
      return false;
    }
    this.#bodyBytesLeft = this.#readHead(bytes.toString("latin1", 0, headEnd + 2));
    return this.#readBody(bytes.subarray(headEnd + 4));
  }

  /** Whether the peer's close completes the answer. */
  readEnd(): boolean {
    return this.#bodyBytesLeft === Infinity;
  }

  /** Whether the complete answer has the status 200 and the body that was expected, if one was. */
  get isRight(): boolean {
    const isWhole = this.#expectedBody === undefined || this.#bodyBytes === this.#expectedBody.length;
    return this.status === 200 && this.#isAsExpected && isWhole;
  }

  /** Before the next answer. */
  reset(expectedBody?: Buffer): void {
    this.#expectedBody = expectedBody;
    this.#head = undefined;
    this.#bodyBytes = 0;
    this.#bodyBytesLeft = undefined;
    this.#isAsExpected = true;
    this.bytes = 0;
    this.status = 0;
  }

  #readBody(chunk: Buffer): boolean {
    const offset = this.#bodyBytes;
    this.#bodyBytes += chunk.length;
    this.#bodyBytesLeft = (this.#bodyBytesLeft ?? 0) - chunk.length;
    if (this.#bodyBytesLeft < 0) throw new Error("More bytes than the answer announced");
    const expected = this.#expectedBody?.subarray(offset, this.#bodyBytes);
    if (expected !== undefined && !expected.equals(chunk)) this.#isAsExpected = false;
    return this.#bodyBytesLeft === 0;
  }

  /** Sets what the head says; returns the length of the body. */
  #readHead(head: string): number {
    if (/\r\ntransfer-encoding:/i.test(head)) {
      throw new Error("Chunked answers are not supported by this load generator");
    }
    this.status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1];
    const isKeptByDefault = head.startsWith("HTTP/1.1");
    const connection = /\r\nconnection: *(\S+)\r\n/i.exec(head)?.[1]?.toLowerCase();
    const isKept = isKeptByDefault ? connection !== "close" : connection === "keep-alive";
    this.closes = length === undefined || !isKept;
    return length === undefined ? Infinity : Number(length);
  }
}
