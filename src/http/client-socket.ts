import type { Socket } from "node:net";
import { readIntoLentBuffer } from "../system/one-buffer-reads.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { WriteWatch } from "./write-watch.ts";

/** Bytes that may be kept are copied out of the lent buffer. The first copy is small: nearly every head fits. */
const HEAD_COPY_BYTES = 8 * 1024;
/** Further copies are as large as what Node reads at a time. */
const COPY_BYTES = 64 * 1024;

/** What a client's socket tells its connection. */
export interface ClientSocketListener {
  /**
   * How many of the next bytes `onBytes` is done with when it returns. They are not copied: their memory is
   * overwritten afterwards.
   */
  readonly bytesUsedAtOnce: number;
  onBytes(bytes: Buffer): void;
  /** The client will send no more. */
  onEnd(): void;
  /** The client has taken everything. */
  onDrain(): void;
  onClose(): void;
}

/**
 * The socket of a client. A client that takes none of what it is sent is cut off. All clients are read into one
 * buffer, which stays in the processor's cache, and only what may be kept is copied out of it: Node would allocate
 * 64 KiB for each read. With TLS the bytes are OpenSSL's, and new each time.
 */
export class ClientSocket {
  readonly #listener: ClientSocketListener;
  readonly #writeStallMs: number;
  readonly #socket: Socket;
  readonly #isEncrypted: boolean;
  #writeWatch: WriteWatch | null = null;
  #isHandedOver = false;

  constructor(
    { accepted, tls, timeouts }: Pick<ConnectionOptions, "accepted" | "tls" | "timeouts">,
    listener: ClientSocketListener,
  ) {
    this.#listener = listener;
    this.#writeStallMs = timeouts.writeStallMs;
    this.#isEncrypted = tls !== null;
    const socket =
      tls === null
        ? readIntoLentBuffer(accepted, (bytes) => this.#onLentBytes(bytes))
        : tls.open(accepted, (bytes) => listener.onBytes(bytes));
    this.#socket = socket;
    socket.on("end", () => listener.onEnd());
    // A reset or a broken pipe is the client's business; "close" follows.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => listener.onClose());
  }

  /** Bytes written that the client has not taken yet. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /**
   * Closing it at once loses nothing that was written and taken: the kernel sends the rest. With TLS the client would
   * take the end for an attack, since OpenSSL has not said goodbye.
   */
  get mayDestroy(): boolean {
    return !this.#isEncrypted && this.unsentBytes === 0;
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
    if (this.unsentBytes > 0) this.#watchWriting();
  }

  /** Ends our side; `onSent` is called once the client was sent all of it. */
  end(onSent: () => void): void {
    if (this.unsentBytes > 0) this.#watchWriting();
    this.#socket.resume();
    this.#socket.end(onSent);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /**
   * Has the client see an error. A unix socket, which has no address, can only be closed; with TLS the goodbye that is
   * missing is the error.
   */
  reset(): void {
    if (this.#isEncrypted || this.#socket.remoteAddress === undefined) this.destroy();
    else this.#socket.resetAndDestroy();
  }

  /** The socket, for a worker that writes a response to it; null when it is closed or encrypted. */
  lend(): Socket | null {
    return this.#socket.writable && !this.#isEncrypted ? this.#socket : null;
  }

  /** Gives the socket up to another protocol. From now on it emits "data" like any other socket. */
  handOver(): Socket {
    this.#isHandedOver = true;
    return this.#socket;
  }

  /** Returns whether to go on reading. */
  #onLentBytes(bytes: Buffer): boolean {
    let rest = bytes;
    let copyBytes = HEAD_COPY_BYTES;
    while (rest.length > 0 && !this.#isHandedOver) {
      const usedBytes = Math.min(this.#listener.bytesUsedAtOnce, rest.length);
      // Only a little is copied at first: it is mostly a head, and the large body behind it need not be copied.
      const piece = rest.subarray(0, usedBytes > 0 ? usedBytes : copyBytes);
      this.#listener.onBytes(usedBytes > 0 ? piece : Buffer.from(piece));
      rest = rest.subarray(piece.length);
      copyBytes = usedBytes > 0 ? HEAD_COPY_BYTES : COPY_BYTES;
    }
    return rest.length === 0 || this.#socket.push(Buffer.from(rest));
  }

  /** Listeners are added only when something is unsent, since most clients take everything at once. */
  #watchWriting(): void {
    if (this.#writeWatch === null) {
      const watch = new WriteWatch(this.#socket, this.#writeStallMs);
      this.#writeWatch = watch;
      this.#socket.on("drain", () => {
        watch.stop();
        this.#listener.onDrain();
      });
    }
    this.#writeWatch.start();
  }
}
