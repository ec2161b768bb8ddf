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
import { releaseCompression } from "./websocket-compression.ts";
import { WebSocketPulse } from "./websocket-pulse.ts";
import type { WebSocketUpgrader } from "./websocket-upgrader.ts";

/** Of a client's control frame: two octets and the mask. */
const CONTROL_HEAD_BYTES = 6;

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
  /** Bytes that were read from the client and are not of a message that is incomplete. */
  #bytesBefore: number;
  /** Parts of messages that were sent either way, and how many there were when it was last pinged. */
  #parts = 0;
  #partsBefore = 0;
  /** Bytes of messages that were sent to the client. */
  sentBytes = 0;

  constructor(options: WebSocketSessionOptions) {
    this.#options = options;
    const { webSocket, socket, upgrader } = options;
    const { settings, deadlines } = upgrader;
    this.#bytesBefore = socket.bytesRead;
    const onPing = (): void => this.#onPing();
    this.#pulse = new WebSocketPulse({ webSocket, socket, settings, deadlines, onPing });
    // A message is one buffer, unless the library is told otherwise.
    webSocket.on("message", (message, isBinary) => this.#onMessage(message as Buffer, isBinary));
    for (const event of ["ping", "pong"] as const) webSocket.on(event, (data) => this.#onControl(data));
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
    this.#parts += 1;
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
    this.#parts += 1;
    worker.sendMessage(message, !isBinary);
    if (worker.room <= 0 && webSocket.readyState === webSocket.OPEN) webSocket.pause();
  }

  #onControl(data: Buffer): void {
    const { socket } = this.#options;
    this.#bytesBefore = Math.min(socket.bytesRead, this.#bytesBefore + CONTROL_HEAD_BYTES + data.length);
  }

  /** A WebSocket that has been idle for so long may be so for hours. */
  #onPing(): void {
    const isIdle = this.#parts === this.#partsBefore;
    if (isIdle && this.#parts > 0) releaseCompression(this.#options.webSocket);
    this.#partsBefore = this.#parts;
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
