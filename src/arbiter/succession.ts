/**
 * Workers that are to be replaced, one at a time: each serves on until another is ready in its place, and only
 * then comes the turn of the next. However many reach a limit at once, there are always as many as wanted.
 */
export class Succession {
  readonly #begin: (age: number) => boolean;
  #current: number | null = null;
  readonly #waiting: number[] = [];

  /** `begin` has another worker forked in the place of one; false when that one is gone already. */
  constructor(begin: (age: number) => boolean) {
    this.#begin = begin;
  }

  has(age: number): boolean {
    return this.#current === age || this.#waiting.includes(age);
  }

  add(age: number): void {
    if (this.has(age)) return;
    this.#waiting.push(age);
    if (this.#current === null) this.#next();
  }

  /** The server stops: those that wait for their turn serve until its end. */
  end(): void {
    this.#waiting.length = 0;
  }

  /** This worker has been replaced, or is gone. */
  done(age: number): void {
    const place = this.#waiting.indexOf(age);
    if (place >= 0) this.#waiting.splice(place, 1);
    if (this.#current === age) this.#next();
  }

  #next(): void {
    this.#current = null;
    while (this.#current === null) {
      const age = this.#waiting.shift();
      if (age === undefined) return;
      // Before it begins: it may be done at once, and the next have begun by then.
      this.#current = age;
      if (!this.#begin(age) && this.#current === age) this.#current = null;
    }
  }
}
