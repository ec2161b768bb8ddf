import type { Socket } from "node:net";
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

/** The socket of a client, which is cut off when it takes none of what it is sent. */
export class ClientSocket {
  readonly #listener: ClientSocketListener;
  readonly #writeStallMs: number;
  #socket: Socket;
  #writeWatch: WriteWatch;
  #readsIntoLentBuffer = false;
  #isHandedOver = false;

  constructor(socket: Socket, writeStallMs: number, listener: ClientSocketListener) {
    this.#listener = listener;
    this.#writeStallMs = writeStallMs;
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => listener.onBytes(bytes));
    this.#writeWatch = this.#listen();
  }

  /** Bytes written that the client has not taken yet. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes);
    if (this.unsentBytes > 0) this.#writeWatch.start();
  }

  /** Ends our side; `onSent` is called once the client was sent all of it. */
  end(onSent: () => void): void {
    if (this.unsentBytes > 0) this.#writeWatch.start();
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

  /** The socket itself, for one who speaks another protocol; it emits "data" as any other. */
  handOver(): Socket {
    this.#isHandedOver = true;
    return this.#socket;
  }

  /**
   * Much is going to come, or many requests: from now on it is read into one buffer for all clients, which stays in
   * the processor's cache, and what may be kept is copied. A buffer for each read costs 64 KiB that are allocated and
   * cut down. When the socket is busy, the next call does it.
   */
  expectMore(): void {
    // Not while bytes of the socket are given out.
    if (!this.#readsIntoLentBuffer) process.nextTick(() => this.#readIntoLentBuffer());
  }

  #readIntoLentBuffer(): void {
    const socket = this.#socket;
    const isBusy = socket.isPaused() || socket.readableLength > 0 || this.unsentBytes > 0;
    const isOver = socket.destroyed || socket.readableEnded || this.#isHandedOver;
    if (this.#readsIntoLentBuffer || isBusy || isOver) return;
    this.#readsIntoLentBuffer = true;
    socket.removeAllListeners();
    this.#socket = readIntoLentBuffer(socket, (bytes) => this.#onLentBytes(bytes));
    this.#writeWatch = this.#listen();
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

  #listen(): WriteWatch {
    const socket = this.#socket;
    const watch = new WriteWatch(socket, this.#writeStallMs);
    socket.on("end", () => this.#listener.onEnd());
    socket.on("drain", () => {
      watch.stop();
      this.#listener.onDrain();
    });
    // A reset or a broken pipe is the client's business; "close" follows.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#listener.onClose());
    return watch;
  }
}
