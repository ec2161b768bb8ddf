import { createSocket, type Socket } from "node:dgram";

/** Pause before a name is looked up again that had no address. */
const LOOKUP_PAUSE_MS = 30_000;

/** Sends datagrams to a statsd server by UDP. What cannot be sent is lost; nobody waits for it. */
export class StatsdSocket {
  readonly #host: string;
  readonly #port: number;
  /** Called once for a name that has no address, with the reason. */
  readonly #onUnknown: (reason: string) => void;
  #isUnknown = false;
  #socket: Socket | null = null;
  #address = "";
  #timer: NodeJS.Timeout | null = null;
  /** Sent before the name was looked up. */
  #early: string[] = [];
  #isClosed = false;

  constructor(host: string, port: number, onUnknown: (reason: string) => void = () => undefined) {
    this.#host = host;
    this.#port = port;
    this.#onUnknown = onUnknown;
    void this.#lookUp();
  }

  send(datagram: string): void {
    if (this.#socket !== null) this.#socket.send(datagram, this.#port, this.#address, () => undefined);
    else if (this.#timer === null && this.#early.length < 100) this.#early.push(datagram);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const socket = this.#socket;
    if (socket === null) return Promise.resolve();
    this.#socket = null;
    // An empty datagram is sent after all others; its end is theirs.
    return new Promise((resolve) => {
      socket.send("", this.#port, this.#address, () => socket.close(() => resolve()));
    });
  }

  async #lookUp(): Promise<void> {
    // Most servers send no metrics.
    const { lookup } = await import("node:dns");
    lookup(this.#host, (error, address, family) => {
      if (this.#isClosed) return;
      if (error !== null) {
        this.#early = [];
        if (!this.#isUnknown) this.#onUnknown(error.message);
        this.#isUnknown = true;
        this.#timer = setTimeout(() => {
          this.#timer = null;
          void this.#lookUp();
        }, LOOKUP_PAUSE_MS).unref();
        return;
      }
      this.#address = address;
      this.#socket = createSocket(family === 6 ? "udp6" : "udp4").unref();
      this.#socket.on("error", () => undefined);
      for (const datagram of this.#early.splice(0)) this.send(datagram);
    });
  }
}
