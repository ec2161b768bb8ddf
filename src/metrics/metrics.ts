/** Characters in one datagram: what fits into an Ethernet frame is not cut apart on its way. */
const DATAGRAM_LIMIT = 1400;
/** Metrics are gathered this long, and then sent together. */
const FLUSH_MS = 100;

export interface MetricsOptions {
  /** Put before each name (`statsd_prefix`), and a dot between. */
  readonly prefix: string;
  /** Behind each metric (`dogstatsd_tags`): `name:value`, with commas between. */
  readonly tags: string;
  /** Sends a datagram, or drops it. */
  readonly send: (datagram: string) => void;
}

/** Metrics in the protocol of statsd: one a line, as Gunicorn writes them, many lines in a datagram. */
export class Metrics {
  readonly #options: MetricsOptions;
  readonly #prefix: string;
  readonly #suffix: string;
  readonly #counts = new Map<string, number>();
  #lines: string[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(options: MetricsOptions) {
    this.#options = options;
    const prefix = options.prefix.replace(/\.+$/, "");
    this.#prefix = prefix === "" ? "" : `${prefix}.`;
    this.#suffix = options.tags === "" ? "" : `|#${options.tags}`;
  }

  /** Adds one to a counter. */
  increment(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    this.#flushSoon();
  }

  /** The present value of something. */
  gauge(name: string, value: number): void {
    this.#add(name, `${value}|g`);
  }

  timer(name: string, milliseconds: number): void {
    this.#add(name, `${Math.round(milliseconds * 1000) / 1000}|ms`);
  }

  /** One of many values. */
  histogram(name: string, value: number): void {
    this.#add(name, `${value}|h`);
  }

  /** Sends what was gathered. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const counted = [...this.#counts].map(([name, count]) => this.#line(name, `${count}|c|@1.0`));
    const lines = [...counted, ...this.#lines];
    this.#counts.clear();
    this.#lines = [];
    let datagram = "";
    for (const line of lines) {
      if (datagram.length + line.length >= DATAGRAM_LIMIT && datagram !== "") {
        this.#options.send(datagram);
        datagram = "";
      }
      datagram += datagram === "" ? line : `\n${line}`;
    }
    if (datagram !== "") this.#options.send(datagram);
  }

  #add(name: string, value: string): void {
    this.#lines.push(this.#line(name, value));
    this.#flushSoon();
  }

  #line(name: string, value: string): string {
    return `${this.#prefix}${name}:${value}${this.#suffix}`;
  }

  #flushSoon(): void {
    this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS).unref();
  }
}
