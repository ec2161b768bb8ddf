import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Deadlines, DeadlineSeat, Waiting } from "../system/deadlines.ts";
import type { WebSocketSettings } from "./messages.ts";

export interface WebSocketPulseOptions {
  readonly webSocket: WebSocket;
  readonly socket: Socket;
  readonly settings: WebSocketSettings;
  readonly deadlines: Deadlines;
}

/**
 * Asks the client of a WebSocket from time to time whether it is there, and cuts off one that does not answer.
 * Whatever it sends is an answer. While it takes what was sent before the ping, its time to answer has not begun.
 */
export class WebSocketPulse implements Waiting {
  deadlineAt = Infinity;
  readonly #deadlineSeat: DeadlineSeat;
  readonly #options: WebSocketPulseOptions;
  /** resting: the next ping is not due. sending: it waits behind what is unsent. asking: it was sent. */
  #state: "resting" | "sending" | "asking" = "resting";
  #askedAt = 0;
  /** Bytes that had come from the client when it was asked. */
  #bytesBefore = 0;

  constructor(options: WebSocketPulseOptions) {
    this.#options = options;
    this.#rest(performance.now());
    options.webSocket.on("pong", () => {
      if (this.#state === "asking") this.#rest(this.#askedAt);
    });
    this.#deadlineSeat = options.deadlines.add(this);
  }

  stop(): void {
    this.deadlineAt = Infinity;
    this.#options.deadlines.remove(this.#deadlineSeat);
  }

  /** The client has taken some of what was sent. */
  onTaken(): void {
    if (this.#state === "sending") this.#allow();
  }

  onDeadline(): void {
    const { webSocket, socket } = this.#options;
    if (webSocket.readyState !== webSocket.OPEN) {
      // The close has a time limit of its own.
      this.deadlineAt = Infinity;
      return;
    }
    switch (this.#state) {
      case "resting":
        this.#ask();
        break;
      case "sending":
        webSocket.terminate();
        break;
      case "asking":
        // One that is not read from cannot be heard.
        if (socket.bytesRead > this.#bytesBefore || webSocket.isPaused) this.#rest(this.#askedAt);
        else webSocket.terminate();
        break;
      default:
        this.#state satisfies never;
    }
  }

  /** Until it is time for the next ping after one of then. */
  #rest(askedAt: number): void {
    this.#state = "resting";
    this.deadlineAt = askedAt + this.#options.settings.pingMs;
  }

  #ask(): void {
    const { webSocket, socket } = this.#options;
    this.#state = "sending";
    this.#askedAt = performance.now();
    this.#bytesBefore = socket.bytesRead;
    this.#allow();
    webSocket.ping(undefined, undefined, () => {
      this.#state = "asking";
      this.#allow();
    });
  }

  #allow(): void {
    this.deadlineAt = performance.now() + this.#options.settings.pongMs;
  }
}
