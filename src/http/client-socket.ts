import type { Socket } from "node:net";
import type { AcceptedConnection } from "../system/accepting.ts";
import { readIntoLentBuffer } from "../system/one-buffer-reads.ts";
import { WriteWatch } from "./write-watch.ts";

/** What may be kept is copied: first so much, which nearly every head is smaller than, */
const HEAD_COPY_BYTES = 8 * 1024;
/** then so much at a time, as Node reads it by itself. */
const COPY_BYTES = 64 * 1024;

/** What a client's socket tells its connection. */
export interface ClientSocketListener {
  /** So many of the next bytes are used before `onBytes` returns: they may lie in memory that is overwritten then. */
  readonly bytesUsedAtOnce: number;
  onBytes(bytes: Buffer): void;
  /** The client will send no more. */
  onEnd(): void;
  /** The client has taken everything. */
  onDrain(): void;
  onClose(): void;
}

/**
 * The socket of a client, which is cut off when it takes none of what it is sent. All clients are read into one
 * buffer, which stays in the processor's cache, and what may be kept is copied: a buffer for each read costs 64 KiB
 * that are allocated and cut down.
 */
export class ClientSocket {
  readonly #listener: ClientSocketListener;
  readonly #writeStallMs: number;
  readonly #socket: Socket;
  #writeWatch: WriteWatch | null = null;
  #isHandedOver = false;

  constructor(accepted: AcceptedConnection, writeStallMs: number, listener: ClientSocketListener) {
    this.#listener = listener;
    this.#writeStallMs = writeStallMs;
    const socket = readIntoLentBuffer(accepted, (bytes) => this.#onLentBytes(bytes));
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
   * Cuts off what is sent. Whoever has borrowed the socket still has it open, and might for long: only the end of our
   * side tells the client, and lets nobody write any more.
   */
  cutOff(): void {
    if (this.unsentBytes > 0) this.destroy();
    else this.end(() => this.destroy());
  }

  /** For one who writes to it meanwhile; null when it is closed. */
  lend(): Socket | null {
    return this.#socket.writable ? this.#socket : null;
  }

  /** The socket itself, for one who speaks another protocol; it emits "data" as any other. */
  handOver(): Socket {
    this.#isHandedOver = true;
    return this.#socket;
  }

  /** Whether to go on reading. */
  #onLentBytes(bytes: Buffer): boolean {
    let rest = bytes;
    let copyBytes = HEAD_COPY_BYTES;
    while (rest.length > 0 && !this.#isHandedOver) {
      const usedBytes = Math.min(this.#listener.bytesUsedAtOnce, rest.length);
      // What is copied is mostly a head, and behind it another large body may begin.
      const piece = rest.subarray(0, usedBytes > 0 ? usedBytes : copyBytes);
      this.#listener.onBytes(usedBytes > 0 ? piece : Buffer.from(piece));
      rest = rest.subarray(piece.length);
      copyBytes = usedBytes > 0 ? HEAD_COPY_BYTES : COPY_BYTES;
    }
    return rest.length === 0 || this.#socket.push(Buffer.from(rest));
  }

  /** Most clients take everything at once, and need nobody who listens for it. */
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
