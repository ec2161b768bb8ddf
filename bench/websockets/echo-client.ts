import { once } from "node:events";
import { connect, type Socket } from "node:net";

const HANDSHAKE =
  "GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nUser-Agent: tunicorn-bench\r\n";

/** "Hello", masked with zeros, and its echo (RFC 6455 section 5.7). */
const PLAIN = {
  message: Buffer.concat([Buffer.from([0x81, 0x85, 0, 0, 0, 0]), Buffer.from("Hello")]),
  echo: Buffer.concat([Buffer.from([0x81, 0x05]), Buffer.from("Hello")]),
};

/** 2,000 times the same letter, deflated by itself: enough for the server to deflate its echo too. */
const LETTERS = 2000;

export interface EchoMessage {
  readonly message: Buffer;
  /** What comes back; null: any frame that is deflated. */
  readonly echo: Buffer | null;
}

export const plainMessage: EchoMessage = PLAIN;

export function deflatedMessage(deflate: (letters: Buffer) => Buffer): EchoMessage {
  const payload = deflate(Buffer.alloc(LETTERS, "a"));
  return {
    message: Buffer.concat([Buffer.from([0xc1, 0x80 | payload.length, 0, 0, 0, 0]), payload]),
    echo: null,
  };
}

const PING = Buffer.from([0x89, 0]);
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/** One WebSocket that mostly waits, and answers pings. */
export class EchoClient {
  readonly #socket: Socket;
  #arrived: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};
  #failure: Error | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.#arrived = Buffer.concat([this.#arrived, bytes]);
      while (this.#arrived.subarray(0, PING.length).equals(PING)) {
        this.#arrived = this.#arrived.subarray(PING.length);
        socket.write(PONG);
      }
      this.#wake();
    });
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("The server has closed a WebSocket")));
  }

  static async open(port: number): Promise<EchoClient> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    const client = new EchoClient(socket);
    socket.write(`${HANDSHAKE}\r\n`);
    await client.#until(() => client.#arrived.includes("\r\n\r\n"));
    const head = client.#arrived.toString("latin1");
    if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`The WebSocket was denied: ${head}`);
    client.#arrived = Buffer.alloc(0);
    return client;
  }

  /** Sends a message and awaits its echo. */
  async ask({ message, echo }: EchoMessage): Promise<void> {
    this.#socket.write(message);
    const size = echo?.length ?? 2;
    await this.#until(() => this.#arrived.length >= Math.max(size, 2 + ((this.#arrived[1] ?? 0) & 0x7f)));
    const isRight = echo === null ? this.#arrived[0] === 0xc1 : this.#arrived.equals(echo);
    if (!isRight) throw new Error(`Wrong echo: ${this.#arrived.toString("hex")}`);
    this.#arrived = Buffer.alloc(0);
  }

  leave(): void {
    this.#socket.destroy();
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }
}
