/** Enough for "HTTP/1.1 101". */
const STATUS_LINE_BYTES = 12;
const STATUS_LINE = /^HTTP\/1\.[01] ([1-9][0-9]{2})/;
const SWITCHING_PROTOCOLS = 101;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Reads along with an answer that an application writes by itself: its status, and where its head ends. */
export class AnswerHead {
  /** Of the final answer, or 101; null while it is not known, 0 if what was written is no answer. */
  status: number | null = null;
  /** Nothing was written yet. */
  isEmpty = true;
  #start = "";
  /** Octets since the last line feed, without carriage returns. None at a line feed: the line is empty. */
  #lineBytes = 0;
  #isOver = false;

  /** Takes the next octets that were written; returns how many of them stand behind the head. */
  feed(bytes: Buffer): number {
    let at = 0;
    this.isEmpty &&= bytes.length === 0;
    while (!this.#isOver && at < bytes.length) {
      const octet = bytes[at] as number;
      at += 1;
      this.#readStart(octet);
      if (octet === LINE_FEED && this.#lineBytes === 0) this.#endHead();
      else if (octet === LINE_FEED) this.#lineBytes = 0;
      else if (octet !== CARRIAGE_RETURN) this.#lineBytes += 1;
    }
    return bytes.length - at;
  }

  #readStart(octet: number): void {
    if (this.#start.length === STATUS_LINE_BYTES) return;
    this.#start += String.fromCharCode(octet);
    if (this.#start.length < STATUS_LINE_BYTES) return;
    const status = Number(STATUS_LINE.exec(this.#start)?.[1] ?? 0);
    const isInterim = status >= 100 && status < 200 && status !== SWITCHING_PROTOCOLS;
    if (!isInterim) this.status = status;
    // What is no answer has no head.
    if (status === 0) this.#isOver = true;
  }

  /** Behind an interim answer comes another. */
  #endHead(): void {
    this.#isOver = this.status !== null;
    this.#start = "";
    this.#lineBytes = 0;
  }
}
