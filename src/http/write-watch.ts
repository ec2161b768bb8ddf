import type { Socket } from "node:net";
import { TIMER_LIMIT_MS } from "../system/timer-limit.ts";

/** Cuts off a client that takes no byte of what is unsent for too long. */
export class WriteWatch {
  readonly #socket: Socket;
  readonly #stallMs: number;
  #isOn = false;

  /** Infinity as `stallMs`, or more than a timer can hold, means no limit. */
  constructor(socket: Socket, stallMs: number) {
    this.#socket = socket;
    this.#stallMs = stallMs > TIMER_LIMIT_MS ? 0 : stallMs;
    socket.on("timeout", () => {
      if (socket.writableLength > 0) socket.destroy();
      else this.stop();
    });
  }

  /** To be called when something is unsent. The socket's own timer starts anew with every byte that leaves. */
  start(): void {
    if (this.#isOn) return;
    this.#isOn = true;
    this.#socket.setTimeout(this.#stallMs);
  }

  stop(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#socket.setTimeout(0);
  }
}
