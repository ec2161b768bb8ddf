import type { Socket } from "node:net";
import { FRAME_HEADER_BYTES, FrameType, readFrameHeader } from "../channel/frame.ts";
import { decodeWorkerMessage, type Hello } from "../channel/messages.ts";
import { TunicornError } from "../errors.ts";
import type { Deadlines, DeadlineSeat, Waiting } from "../system/deadlines.ts";

/** Time between dialling and HELLO. */
const GREETING_MS = 10_000;
const HELLO_LIMIT_BYTES = 4096;

export interface WorkerGreetingOptions {
  readonly socket: Socket;
  readonly deadlines: Deadlines;
  /** The worker has said who it is; its HELLO is still to be read from the socket. */
  readonly onHello: (hello: Hello) => void;
  /** It has dialled for one request, which it names by the number of a tunnel; no frame follows. */
  readonly onJoin: (number: number) => void;
  readonly onProtocolError: (error: TunicornError) => void;
}

/** Waits for the first frame of a worker that has dialled: it says what the connection is for. */
export class WorkerGreeting implements Waiting {
  readonly deadlineAt = performance.now() + GREETING_MS;
  readonly #deadlineSeat: DeadlineSeat;
  readonly #options: WorkerGreetingOptions;
  #bytes = Buffer.alloc(0);

  constructor(options: WorkerGreetingOptions) {
    this.#options = options;
    const { socket, deadlines } = options;
    socket.on("data", this.#onData);
    socket.on("error", this.#onLost);
    socket.on("close", this.#onLost);
    this.#deadlineSeat = deadlines.add(this);
  }

  onDeadline(): void {
    this.#options.socket.destroy();
  }

  readonly #onLost = (): void => {
    this.#options.socket.destroy();
    this.#leave();
  };

  readonly #onData = (bytes: Buffer): void => {
    const { socket, onHello, onJoin, onProtocolError } = this.#options;
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    try {
      const greeting = readGreeting(this.#bytes);
      if (greeting === null) return;
      this.#leave();
      socket.pause();
      if (greeting.type === "join") {
        const rest = this.#bytes.subarray(FRAME_HEADER_BYTES);
        if (rest.length > 0) socket.unshift(rest);
        onJoin(greeting.number);
        return;
      }
      // The channel reads the HELLO once more, as the first of its frames.
      socket.unshift(this.#bytes);
      onHello(greeting.hello);
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
    deadlines.remove(this.#deadlineSeat);
  }
}

type Greeting =
  | { readonly type: "hello"; readonly hello: Hello }
  | { readonly type: "join"; readonly number: number };

/** The frame that the bytes begin with, or null while it is not complete. */
function readGreeting(bytes: Buffer): Greeting | null {
  if (bytes.length < FRAME_HEADER_BYTES) return null;
  const header = readFrameHeader(bytes, 0);
  if (header.payloadBytes > HELLO_LIMIT_BYTES) {
    throw new TunicornError("ERR_PROTOCOL", `A worker began with a frame of ${header.payloadBytes} bytes`);
  }
  const end = FRAME_HEADER_BYTES + header.payloadBytes;
  if (bytes.length < end) return null;
  if (header.type === FrameType.join && header.payloadBytes === 0) {
    return { type: "join", number: header.stream };
  }
  const message = decodeWorkerMessage(header, bytes.subarray(FRAME_HEADER_BYTES, end));
  if (message.type === "hello") return message;
  throw new TunicornError("ERR_PROTOCOL", `A worker began with a frame of type ${header.type}`);
}
