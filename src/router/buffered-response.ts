import type { Exchange } from "../http/exchange.ts";
import { makeBodyFile, writeFully, type BodyFile } from "./body-file.ts";
import type { BufferBudget } from "./buffer-budget.ts";

/** Read from the file and written to the client in one step. */
const STEP_BYTES = 256 * 1024;

/** Bytes that may wait for the disk before the worker is held back. */
const PENDING_LIMIT_BYTES = 2 * 1024 * 1024;

export interface BufferedResponseOptions {
  readonly exchange: Exchange;
  readonly budget: BufferBudget;
  /** Private directory for the file. */
  readonly directory: string;
  /** The worker may go on after `isFull`. */
  readonly onRoom: () => void;
  /** The response could not be stored; it is cut off. */
  readonly onError: (error: Error) => void;
}

/**
 * direct: pieces go to the client's socket. filing: the client is slow, so they go to a file, from which it
 * is fed; when the file is used up, direct again. closed: nothing more is taken.
 */
type State = "direct" | "filing" | "closed";

/**
 * The body of a response on its way to a client that may be slow. A worker is done when it has given its
 * response here: up to a limit in memory, then in a file, within the budget of all responses together.
 */
export class BufferedResponse {
  readonly #options: BufferedResponseOptions;
  #state: State = "direct";
  #file: BodyFile | null = null;
  /** File operations run one after another. */
  #work: Promise<void> = Promise.resolve();
  #writtenBytes = 0;
  /** Given to be stored, and still in memory. */
  #pendingBytes = 0;
  #readBytes = 0;
  #isReading = false;
  #isEnded = false;
  /** The file is the application's: it does not count against `buffer_disk`. */
  #isForeignFile = false;

  constructor(options: BufferedResponseOptions) {
    this.#options = options;
  }

  /** The worker must wait: neither memory nor disk has room. */
  get isFull(): boolean {
    const { exchange, budget } = this.#options;
    if (this.#state !== "filing") return false;
    return this.#pendingBytes > PENDING_LIMIT_BYTES || (budget.isDiskFull && exchange.unsentBytes > 0);
  }

  /** Bytes that it was given are not in the file yet. */
  get isStoring(): boolean {
    return this.#pendingBytes > 0;
  }

  write(bytes: Buffer): void {
    const { exchange, budget } = this.#options;
    if (this.#state === "closed" || bytes.length === 0) return;
    if (this.#state === "filing") {
      this.#store(bytes);
      return;
    }
    exchange.write(bytes);
    if (exchange.unsentBytes > budget.responseMemoryBytes) this.#state = "filing";
  }

  /** The rest of the body is part of a file. False when bytes of the worker are stored and come first. */
  feedFrom(file: BodyFile, start: number, bytes: number): boolean {
    if (this.#state !== "direct") return false;
    if (!this.#options.exchange.wantsBody) {
      void file.dispose().catch(() => undefined);
      this.end();
      return true;
    }
    this.#state = "filing";
    this.#file = file;
    this.#isForeignFile = true;
    this.#readBytes = start;
    this.#writtenBytes = start + bytes;
    this.end();
    return true;
  }

  /** Nothing more comes from the worker. */
  end(): void {
    this.#isEnded = true;
    if (this.#isUsedUp) this.#finish();
    else if (this.#options.exchange.unsentBytes === 0) this.onDrain();
  }

  /** The client has taken everything so far. */
  onDrain(): void {
    if (this.#state !== "filing" || this.#isReading) return;
    if (!this.#isUsedUp) {
      this.#isReading = true;
      this.#enqueue(() => this.#feed());
      return;
    }
    if (this.#isEnded) {
      this.#finish();
      return;
    }
    this.#state = "direct";
    this.#options.onRoom();
  }

  /** The client is gone, or the response failed: what is stored is thrown away. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#releaseDisk(this.#writtenBytes - this.#readBytes);
    this.#work = this.#work.then(() => this.#file?.dispose()).catch(() => undefined);
  }

  get #isUsedUp(): boolean {
    return this.#readBytes === this.#writtenBytes;
  }

  #store(bytes: Buffer): void {
    const { directory, budget, onRoom } = this.#options;
    const position = this.#writtenBytes;
    this.#writtenBytes += bytes.length;
    this.#pendingBytes += bytes.length;
    budget.takeDisk(bytes.length);
    this.#enqueue(async () => {
      this.#file ??= await makeBodyFile(directory);
      await writeFully(this.#file, bytes, position);
      this.#pendingBytes -= bytes.length;
      if (!this.isFull) onRoom();
      if (this.#options.exchange.unsentBytes === 0) this.onDrain();
    });
  }

  /** Gives the client the next stored bytes. */
  async #feed(): Promise<void> {
    const { exchange, onRoom } = this.#options;
    const size = Math.min(STEP_BYTES, this.#writtenBytes - this.#readBytes);
    const buffer = Buffer.allocUnsafe(size);
    const { bytesRead } = (await this.#file?.handle.read(buffer, 0, size, this.#readBytes)) ?? {
      bytesRead: 0,
    };
    this.#isReading = false;
    if (this.#state === "closed") return;
    if (bytesRead === 0) throw new Error("the stored response ended early");
    this.#readBytes += bytesRead;
    this.#releaseDisk(bytesRead);
    exchange.write(buffer.subarray(0, bytesRead));
    if (!this.isFull) onRoom();
    if (exchange.unsentBytes === 0) this.onDrain();
  }

  #releaseDisk(bytes: number): void {
    if (!this.#isForeignFile) this.#options.budget.releaseDisk(bytes);
  }

  #finish(): void {
    this.close();
    this.#options.exchange.end();
  }

  #enqueue(step: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#state !== "closed") await step();
    });
    this.#work = this.#work.catch((error: unknown) => {
      if (this.#state === "closed") return;
      this.close();
      this.#options.onError(error instanceof Error ? error : new Error(String(error)));
    });
  }
}
