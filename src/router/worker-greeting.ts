import type { Socket } from "node:net";
import { FRAME_HEADER_BYTES, readFrameHeader } from "../channel/frame.ts";
import { decodeWorkerMessage, type Hello } from "../channel/messages.ts";
import { TunicornError } from "../errors.ts";
import type { Deadlines, Waiting } from "../system/deadlines.ts";

/** Time between dialling and HELLO. */
const GREETING_MS = 10_000;
const HELLO_LIMIT_BYTES = 4096;

export interface WorkerGreetingOptions {
  readonly socket: Socket;
  readonly deadlines: Deadlines;
  /** The worker has said who it is; its HELLO is still to be read from the socket. */
  readonly onHello: (hello: Hello) => void;
  readonly onProtocolError: (error: TunicornError) => void;
}

/** Waits for the HELLO of a worker that has dialled: it says what kind of channel this will be. */
export class WorkerGreeting implements Waiting {
  readonly deadlineAt = performance.now() + GREETING_MS;
  readonly #options: WorkerGreetingOptions;
  #bytes = Buffer.alloc(0);

  constructor(options: WorkerGreetingOptions) {
    this.#options = options;
    const { socket, deadlines } = options;
    socket.on("data", this.#onData);
    socket.on("error", this.#onLost);
    socket.on("close", this.#onLost);
    deadlines.add(this);
  }

  onDeadline(): void {
    this.#options.socket.destroy();
  }

  readonly #onLost = (): void => {
    this.#options.socket.destroy();
    this.#leave();
  };

  readonly #onData = (bytes: Buffer): void => {
    const { socket, onHello, onProtocolError } = this.#options;
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    try {
      const hello = readHello(this.#bytes);
      if (hello === null) return;
      this.#leave();
      // The channel reads the HELLO once more, as the first of its frames.
      socket.pause();
      socket.unshift(this.#bytes);
      onHello(hello);
      socket.resume();
    } catch (error) {
      if (!(error instanceof TunicornError)) throw error;
      onProtocolError(error);
      socket.destroy();
    }
  };

  #leave(): void {
    const { socket, deadlines } = this.#options;
    socket.off("data", this.#onData);
    socket.off("error", this.#onLost);
    socket.off("close", this.#onLost);
    deadlines.delete(this);
  }
}

/** The HELLO that the bytes begin with, or null while it is not complete. */
function readHello(bytes: Buffer): Hello | null {
  if (bytes.length < FRAME_HEADER_BYTES) return null;
  const header = readFrameHeader(bytes, 0);
  if (header.payloadBytes > HELLO_LIMIT_BYTES) {
    throw new TunicornError("ERR_PROTOCOL", `A worker began with a frame of ${header.payloadBytes} bytes`);
  }
  const end = FRAME_HEADER_BYTES + header.payloadBytes;
  if (bytes.length < end) return null;
  const message = decodeWorkerMessage(header, bytes.subarray(FRAME_HEADER_BYTES, end));
  if (message.type === "hello") return message.hello;
  throw new TunicornError("ERR_PROTOCOL", `A worker began with a frame of type ${header.type}`);
}
