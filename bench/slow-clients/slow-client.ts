import { connect, type Socket } from "node:net";

/** How a client is slow: what it sends at once, what it sends each second, and how fast it reads. */
export interface Slowness {
  readonly first: string;
  readonly eachSecond: string;
  readonly readsBytesPerSecond: number;
}

export type SlowKind = "upload" | "head" | "reader";

export const SLOWNESS: Readonly<Record<SlowKind, Slowness>> = {
  upload: {
    first: "POST /upload HTTP/1.1\r\nHost: slow\r\nContent-Length: 100000\r\n\r\n",
    eachSecond: "x",
    readsBytesPerSecond: Infinity,
  },
  head: {
    first: "GET /head HTTP/1.1\r\nHost: slow\r\nX: ",
    eachSecond: "x",
    readsBytesPerSecond: Infinity,
  },
  reader: {
    first: `GET /bytes/${5 * 1024 * 1024} HTTP/1.1\r\nHost: slow\r\n\r\n`,
    eachSecond: "",
    readsBytesPerSecond: 20_000,
  },
};

/** A slow reader takes little and often. */
const READ_BYTES = 4000;

/** Before a client that was turned out comes again. */
const RETURN_MS = 100;

/** Holds a connection for as long as it is let; turned out, as one that finishes no head is, it comes again. */
export class SlowClient {
  receivedBytes = 0;
  /** How often the server has ended its connection. */
  ends = 0;
  readonly #port: number;
  readonly #slowness: Slowness;
  readonly #clock: NodeJS.Timeout;
  #socket: Socket;
  #mayReadAtMs = 0;
  #pause: NodeJS.Timeout | undefined;

  constructor(port: number, slowness: Slowness) {
    this.#port = port;
    this.#slowness = slowness;
    this.#socket = this.#connect();
    this.#clock = setInterval(() => this.#socket.write(slowness.eachSecond), 1000);
  }

  /** Its connection is made, and a reader's answer has begun. */
  get isUnderWay(): boolean {
    const isReader = Number.isFinite(this.#slowness.readsBytesPerSecond);
    return this.#socket.readyState === "open" && (!isReader || this.receivedBytes > 0);
  }

  leave(): void {
    clearInterval(this.#clock);
    clearTimeout(this.#pause);
    this.#socket.removeAllListeners("close").destroy();
  }

  #connect(): Socket {
    const socket = connect({
      port: this.#port,
      host: "127.0.0.1",
      noDelay: true,
      onread: { buffer: Buffer.alloc(READ_BYTES), callback: (bytes) => this.#onBytes(bytes) },
    });
    socket.write(this.#slowness.first);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.ends += 1;
      clearTimeout(this.#pause);
      this.#pause = setTimeout(() => (this.#socket = this.#connect()), RETURN_MS);
    });
    return socket;
  }

  /** False: reads no further before the pace allows for what came. */
  #onBytes(bytes: number): boolean {
    this.receivedBytes += bytes;
    const now = performance.now();
    const takesMs = (bytes / this.#slowness.readsBytesPerSecond) * 1000;
    if (takesMs === 0) return true;
    this.#mayReadAtMs = Math.max(now, this.#mayReadAtMs) + takesMs;
    this.#pause = setTimeout(() => this.#socket.resume(), this.#mayReadAtMs - now);
    return false;
  }
}
