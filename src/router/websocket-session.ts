import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { MESSAGE_COST_BYTES, type MessagePart } from "../channel/stream-messages.ts";
import type { StreamWorker } from "./dispatcher.ts";
import {
  ABNORMAL,
  INTERNAL_ERROR,
  NORMAL,
  TRY_AGAIN_LATER,
  codeOfFault,
  isSendable,
} from "./websocket-codes.ts";
import { WebSocketPulse } from "./websocket-pulse.ts";
import type { WebSocketUpgrader } from "./websocket-upgrader.ts";

/** Bytes of an incomplete message above which it is given up when memory is short. */
const SHED_ABOVE_BYTES = 64 * 1024;

export interface WebSocketSessionOptions {
  readonly webSocket: WebSocket;
  readonly socket: Socket;
  readonly worker: StreamWorker;
  readonly upgrader: WebSocketUpgrader;
  readonly onClosed: () => void;
}

/** An open WebSocket: its client on one side, the application on the other. */
export class WebSocketSession {
  readonly #options: WebSocketSessionOptions;
  readonly #pulse: WebSocketPulse;
  /** The code that tells the application of an end without the client's word. */
  #ownCode = ABNORMAL;
  /** Bytes that had been read from the client when its last message was complete. */
  #bytesBefore: number;
  /** Bytes of messages that were sent to the client. */
  sentBytes = 0;

  constructor(options: WebSocketSessionOptions) {
    this.#options = options;
    const { webSocket, socket, upgrader } = options;
    const { settings, deadlines } = upgrader;
    this.#bytesBefore = socket.bytesRead;
    this.#pulse = new WebSocketPulse({ webSocket, socket, settings, deadlines });
    // A message is one buffer, unless the library is told otherwise.
    webSocket.on("message", (message, isBinary) => this.#onMessage(message as Buffer, isBinary));
    webSocket.on("error", (error) => this.#onFault(error));
    webSocket.on("close", (code, reason) => this.#onClose(code, reason));
  }

  /** Of a message that is not complete, or that waits for its turn to be decompressed. */
  get memoryBytes(): number {
    return Math.max(0, this.#options.socket.bytesRead - this.#bytesBefore);
  }

  /** A part of a message of the application. Its room is given back when the client has taken it. */
  send({ bytes, isText, isEnd }: MessagePart): void {
    const { webSocket, worker } = this.#options;
    const cost = bytes.length + (isEnd ? MESSAGE_COST_BYTES : 0);
    this.sentBytes += bytes.length;
    webSocket.send(bytes, { binary: !isText, fin: isEnd }, () => {
      this.#pulse.onTaken();
      worker.takeBack(cost);
    });
  }

  /** The closing handshake is begun; once it is, this changes nothing. */
  close(code: number, reason = ""): void {
    const { webSocket } = this.#options;
    if (webSocket.readyState !== webSocket.OPEN) return;
    const isFit = isSendable(code, reason);
    this.#ownCode = isFit ? code : INTERNAL_ERROR;
    webSocket.close(this.#ownCode, isFit ? reason : "");
    // The client's answer is behind what was not read.
    webSocket.resume();
  }

  /** Memory is short: a large message that comes slowly may take it for long. */
  shed(): void {
    if (this.memoryBytes <= SHED_ABOVE_BYTES) return;
    this.close(TRY_AGAIN_LATER);
    this.#options.socket.destroySoon();
  }

  /** The application has returned without closing. */
  end(): void {
    this.close(NORMAL);
  }

  /** The application has raised, or its worker is gone. */
  fail(): void {
    this.close(INTERNAL_ERROR);
  }

  /** The application takes more messages. */
  onWindow(): void {
    const { webSocket, worker } = this.#options;
    if (worker.room > 0 && webSocket.isPaused) webSocket.resume();
  }

  #onMessage(message: Buffer, isBinary: boolean): void {
    const { webSocket, socket, worker } = this.#options;
    this.#bytesBefore = socket.bytesRead;
    worker.sendMessage(message, !isBinary);
    if (worker.room <= 0 && webSocket.readyState === webSocket.OPEN) webSocket.pause();
  }

  /** The library has begun to close already, with a code of its own choice. */
  #onFault(error: Error): void {
    this.#ownCode = codeOfFault(error) ?? this.#ownCode;
  }

  #onClose(code: number, reason: Buffer): void {
    const { worker, onClosed } = this.#options;
    this.#pulse.stop();
    worker.sendClose(code === ABNORMAL ? this.#ownCode : code, reason.toString("utf8"));
    onClosed();
  }
}
