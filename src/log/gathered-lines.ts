/**
 * Lines that wait to be written together. They are kept as octets: a text that grows in V8 is a tree of all that
 * it was made of, and whatever request these pieces were cut from would live as long as the line waits.
 */
export class GatheredLines {
  readonly #octets: Buffer;
  #length = 0;

  constructor(roomBytes: number) {
    this.#octets = Buffer.allocUnsafeSlow(roomBytes);
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** False: there is no room for it. */
  add(line: string): boolean {
    // A character of a text takes at most three octets in UTF-8.
    if (line.length * 3 > this.#octets.length - this.#length) return false;
    this.#length += this.#octets.write(line, this.#length);
    return true;
  }

  /** All of them, in order; none are left. */
  take(): string {
    const lines = this.#octets.toString("utf8", 0, this.#length);
    this.#length = 0;
    return lines;
  }
}
