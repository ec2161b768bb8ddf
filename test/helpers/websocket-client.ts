import type { IncomingMessage } from "node:http";
import type { TestContext } from "node:test";
import { WebSocket, type ClientOptions } from "ws";

import { ANSWER_DEADLINE_MS, withDeadline } from "./deadlines.ts";
import { onTeardown } from "./teardown.ts";

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export interface WebSocketOptions extends ClientOptions {
  readonly subprotocols?: readonly string[];
  readonly scheme?: "ws" | "wss";
}

/** What a server has answered that does not open the WebSocket. */
export class DeniedError extends Error {
  override readonly name = "DeniedError";
  readonly response: IncomingMessage;
  readonly text: string;

  constructor(response: IncomingMessage, text: string) {
    super(`The WebSocket was denied with ${response.statusCode}: ${text}`);
    this.response = response;
    this.text = text;
  }
}

/** A WebSocket of the library ws, whose messages and close are awaited under a deadline. */
export class WebSocketClient {
  readonly socket: WebSocket;
  /** Fields of the answer to the handshake, in lower case. */
  headers: IncomingMessage["headers"] = {};
  readonly closed: Promise<Closed>;
  readonly #messages: (string | Buffer)[] = [];
  #wake: () => void = () => {};

  /** Rejects with a DeniedError when the server does not open it. No compression is offered unless it is asked for. */
  static async open(
    t: TestContext,
    port: number,
    target: string,
    { subprotocols = [], perMessageDeflate = false, scheme = "ws", ...options }: WebSocketOptions = {},
  ): Promise<WebSocketClient> {
    const socket = new WebSocket(`${scheme}://127.0.0.1:${port}${target}`, [...subprotocols], {
      ...options,
      perMessageDeflate,
    });
    const client = new WebSocketClient(socket);
    onTeardown(t, () => socket.terminate());
    await withDeadline(client.#opened(), { deadlineMs: ANSWER_DEADLINE_MS, what: `WebSocket ${target}` });
    return client;
  }

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("upgrade", ({ headers }) => (this.headers = headers));
    socket.on("message", (data, isBinary) => {
      const bytes = data as Buffer;
      this.#messages.push(isBinary ? bytes : bytes.toString("utf8"));
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve({ code, reason: reason.toString("utf8") }));
    });
  }

  #opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.on("open", resolve);
      this.socket.on("error", reject);
      this.socket.on("unexpected-response", (_, response) => {
        const pieces: Buffer[] = [];
        response.on("data", (piece: Buffer) => pieces.push(piece));
        response.on("end", () => reject(new DeniedError(response, Buffer.concat(pieces).toString("utf8"))));
      });
    });
  }

  send(message: string | Buffer): void {
    this.socket.send(message);
  }

  /** The next message; text as a string. */
  async receive(): Promise<string | Buffer> {
    if (this.#messages.length === 0) {
      const arrived = new Promise<void>((resolve) => (this.#wake = resolve));
      await withDeadline(arrived, { deadlineMs: ANSWER_DEADLINE_MS, what: "a message of the WebSocket" });
    }
    const message = this.#messages.shift();
    if (message === undefined) throw new Error("Two receive() at a time");
    return message;
  }

  /** Code and reason with which it is closed. */
  waitUntilClosed(deadlineMs = ANSWER_DEADLINE_MS): Promise<Closed> {
    return withDeadline(this.closed, { deadlineMs, what: "the close of the WebSocket" });
  }
}
