/** So much it has room for at first; always a power of two. */
const FIRST_ROOM = 64;

/** No stream has this number. */
const NONE = 0;

/**
 * What is under way, by the numbers of the streams (32 bits, never 0). A `Map` would do, were it not for what each
 * entry that goes leaves in it: V8 gives a map whose entries come and go a new table time and again, and links the old
 * ones to it. One of them that has grown old keeps all that follow alive until the next full collection, with every
 * request that was in them: 1.6 KB for each, a tenth of the router's time.
 */
export class StreamTable<Entry> {
  /** A stream lies at the place that its lowest bits name, or behind others that do, without a gap. */
  #streams = new Uint32Array(FIRST_ROOM);
  #entries: (Entry | undefined)[] = emptyEntries(FIRST_ROOM);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(stream: number): Entry | undefined {
    return this.#entries[this.#placeOf(stream)];
  }

  has(stream: number): boolean {
    return this.#streams[this.#placeOf(stream)] === stream;
  }

  set(stream: number, entry: Entry): void {
    if (this.#size * 2 >= this.#streams.length) this.#grow();
    const place = this.#placeOf(stream);
    if (this.#streams[place] === NONE) this.#size += 1;
    this.#streams[place] = stream;
    this.#entries[place] = entry;
  }

  /** False: there was none. */
  delete(stream: number): boolean {
    const streams = this.#streams;
    const entries = this.#entries;
    const mask = streams.length - 1;
    let gap = this.#placeOf(stream);
    if (streams[gap] !== stream) return false;
    this.#size -= 1;
    // Those behind it come nearer to their places, as if it had never been there.
    for (let place = (gap + 1) & mask; ; place = (place + 1) & mask) {
      const next = streams[place] ?? NONE;
      if (next === NONE) break;
      const isBeforeGap = ((place - next) & mask) >= ((place - gap) & mask);
      if (!isBeforeGap) continue;
      streams[gap] = next;
      entries[gap] = entries[place];
      gap = place;
    }
    streams[gap] = NONE;
    entries[gap] = undefined;
    return true;
  }

  clear(): void {
    this.#streams.fill(NONE);
    this.#entries.fill(undefined);
    this.#size = 0;
  }

  /** All entries of this moment, in no order. */
  all(): readonly Entry[] {
    return this.#entries.filter((entry) => entry !== undefined);
  }

  /** Where the stream is, or could be put. */
  #placeOf(stream: number): number {
    const streams = this.#streams;
    const mask = streams.length - 1;
    let place = stream & mask;
    while (streams[place] !== stream && streams[place] !== NONE) place = (place + 1) & mask;
    return place;
  }

  #grow(): void {
    const streams = this.#streams;
    const entries = this.#entries;
    const room = streams.length * 2;
    this.#streams = new Uint32Array(room);
    this.#entries = emptyEntries(room);
    this.#size = 0;
    for (const [place, entry] of entries.entries()) {
      if (entry !== undefined) this.set(streams[place] ?? NONE, entry);
    }
  }
}

function emptyEntries(count: number): undefined[] {
  return Array.from<undefined>({ length: count }).fill(undefined);
}
