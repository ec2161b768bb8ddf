import { connect, type Socket } from "node:net";
import { inflateRawSync, constants } from "node:zlib";

import { CLOSE, takeFrame, type Frame } from "./frames.ts";

const HEAD_END = "\r\n\r\n";

/** A WebSocket client that sends any octets, and collects the frames that come. */
export class RawClient {
  readonly #socket: Socket;
  readonly frames: Frame[] = [];
  /** Head of the answer to the handshake. */
  head = "";
  #arrived: Buffer = Buffer.alloc(0);
  /** The server has ended the connection, in either way. */
  isEnded = false;
  failure: Error | null = null;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (bytes: Buffer) => {
      this.#arrived = Buffer.concat([this.#arrived, bytes]);
      try {
        this.#take();
      } catch (error) {
        this.failure = error instanceof Error ? error : new Error(String(error));
      }
      this.#wake();
    });
    this.#socket.on("error", () => this.#end());
    this.#socket.on("end", () => this.#end());
    this.#socket.on("close", () => this.#end());
  }

  shakeHands(offer: string | undefined): void {
    const extensions = offer === undefined ? "" : `Sec-WebSocket-Extensions: ${offer}\r\n`;
    this.send(
      Buffer.from(
        "GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
          `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${extensions}\r\n`,
      ),
    );
  }

  send(bytes: Buffer): void {
    if (!this.#socket.destroyed && !this.isEnded) this.#socket.write(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Until the condition holds or the connection is over; looked at with each arrival. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds() && !this.isEnded && this.failure === null)
      await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  get closeFrame(): Frame | undefined {
    return this.frames.find(({ opcode }) => opcode === CLOSE);
  }

  #end(): void {
    this.isEnded = true;
    this.#wake();
  }

  #take(): void {
    if (this.head === "") {
      const end = this.#arrived.indexOf(HEAD_END);
      if (end < 0) return;
      this.head = this.#arrived.toString("latin1", 0, end);
      this.#arrived = this.#arrived.subarray(end + HEAD_END.length);
    }
    for (let taken = takeFrame(this.#arrived); taken !== null; taken = takeFrame(this.#arrived)) {
      this.#arrived = taken.rest;
      this.frames.push(inflated(taken.frame));
    }
  }
}

/** A frame of the server that is compressed, as if it were not. */
function inflated(frame: Frame): Frame {
  if (frame.rsv !== 4 || frame.opcode >= CLOSE || !frame.fin) return frame;
  const deflated = Buffer.concat([frame.payload, Buffer.from([0, 0, 0xff, 0xff])]);
  return { ...frame, rsv: 0, payload: inflateRawSync(deflated, { finishFlush: constants.Z_SYNC_FLUSH }) };
}
