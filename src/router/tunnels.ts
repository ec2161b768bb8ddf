import type { Socket } from "node:net";
import type { ErrorLog } from "../log/error-log.ts";

/** A place for the connection that a worker may dial for a request. */
export class TunnelPlace {
  readonly number: number;
  readonly #onClosed: () => void;
  #socket: Socket | null = null;
  #take: ((socket: Socket) => void) | null = null;

  constructor(number: number, onClosed: () => void) {
    this.number = number;
    this.#onClosed = onClosed;
  }

  /** Gives out the connection, as soon as it is there; no other is accepted. */
  take(give: (socket: Socket) => void): void {
    this.#take = give;
    if (this.#socket !== null) this.put(this.#socket);
  }

  put(socket: Socket): void {
    if (this.#take === null && this.#socket === null) {
      this.#socket = socket;
      // Whoever takes it sees that it is gone.
      socket.on("error", () => socket.destroy());
      return;
    }
    this.#onClosed();
    if (this.#take === null) socket.destroy();
    else this.#take(socket);
  }

  /** No connection is wanted. */
  close(): void {
    this.#onClosed();
    this.#socket?.destroy();
  }
}

const LAST_NUMBER = 0xffff_ffff;

/** Workers end one after another, so tunnels that are cut within this time are logged in one line. */
const TELL_MS = 100;

/** The connections that workers dial for requests that ask for an upgrade, and how many of them are in use. */
export class Tunnels {
  readonly #log: ErrorLog;
  readonly #places = new Map<number, TunnelPlace>();
  #lastNumber = 0;
  #open = 0;
  #cut = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(log: ErrorLog) {
    this.#log = log;
  }

  /** A place of a number that no other has. */
  reserve(): TunnelPlace {
    do {
      this.#lastNumber = this.#lastNumber === LAST_NUMBER ? 1 : this.#lastNumber + 1;
    } while (this.#places.has(this.#lastNumber));
    const number = this.#lastNumber;
    const place = new TunnelPlace(number, () => this.#places.delete(number));
    this.#places.set(number, place);
    return place;
  }

  /** A worker has dialled. Its request may be over by now. */
  join(number: number, socket: Socket): void {
    const place = this.#places.get(number);
    if (place === undefined) socket.destroy();
    else place.put(socket);
  }

  onOpened(): void {
    this.#open += 1;
  }

  onClosed(): void {
    this.#open -= 1;
  }

  /** The application behind one has ended before it. */
  onCut(): void {
    this.#cut += 1;
    this.#timer ??= setTimeout(() => this.#tell(), TELL_MS).unref();
  }

  /** Says how many of them the workers that leave now may still have. */
  announceEnd(gracefulMs: number): void {
    if (this.#open === 0) return;
    this.#log.info(
      `Upgraded connections (WebSockets) that are open: ${this.#open}. ` +
        `Their workers leave; those left after ${gracefulMs / 1000} s (graceful_timeout) are cut`,
    );
  }

  /** The router ends, and with it all that are open. */
  cutAll(): void {
    this.#cut += this.#open;
    this.#tell();
  }

  #tell(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#cut > 0) this.#log.warning(`Upgraded connections (WebSockets) that were cut: ${this.#cut}`);
    this.#cut = 0;
  }
}
