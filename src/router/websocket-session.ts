import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { MESSAGE_COST_BYTES, Opcode, type MessagePart } from "../channel/stream-messages.ts";
import type { StreamWorker } from "./dispatcher.ts";
import { MessageRate } from "./message-rate.ts";
import {
  ABNORMAL,
  INTERNAL_ERROR,
  NORMAL,
  POLICY_VIOLATION,
  TRY_AGAIN_LATER,
  codeOfFault,
  isSendable,
} from "./websocket-codes.ts";
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
  /** The application wants to hear of the client's pings and pongs. */
  readonly hearsControl: boolean;
  /** The client has sent more messages than it may in the time; it is closed. */
  readonly onFlood: () => void;
  readonly onClosed: () => void;
}

/** An open WebSocket: its client on one side, the application on the other. */
export class WebSocketSession {
  readonly #options: WebSocketSessionOptions;
  readonly #pulse: WebSocketPulse;
  /** Null: any number of messages may come. */
  readonly #rate: MessageRate | null;
  /** The client has sent too many: nothing of it is heard any more. */
  #isFlooded = false;
  /** The code that tells the application of an end without the client's word. */
  #ownCode = ABNORMAL;
  /** Bytes that were read from the client and are not of a message that is incomplete. */
  #bytesBefore: number;
  /** Messages may be compressed. */
  readonly #isCompressed: boolean;
  /** Bytes of messages that were sent to the client. */
  sentBytes = 0;

  constructor(options: WebSocketSessionOptions) {
    this.#options = options;
    const { webSocket, socket, upgrader } = options;
    const { settings, deadlines } = upgrader;
    const { maxMessagesPerSecond } = settings;
    this.#rate = maxMessagesPerSecond > 0 ? new MessageRate(maxMessagesPerSecond, performance.now()) : null;
    this.#bytesBefore = socket.bytesRead;
    this.#isCompressed = webSocket.extensions !== "";
    this.#pulse = new WebSocketPulse({ webSocket, socket, settings, deadlines });
    // A message is one buffer, unless the library is told otherwise.
    webSocket.on("message", (message, isBinary) => this.#onMessage(message as Buffer, isBinary));
    for (const event of ["ping", "pong"] as const)
      webSocket.on(event, (data) => this.#onControl(Opcode[event], data));
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
      this.#onUsed();
      worker.takeBack(cost);
    });
  }

  /** A ping of the application, in its order among the messages. */
  ping(data: Buffer): void {
    const { webSocket, worker } = this.#options;
    webSocket.ping(data, undefined, () => worker.takeBack(data.length + MESSAGE_COST_BYTES));
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
    if (worker.room <= 0 || !webSocket.isPaused) return;
    this.#rate?.resume(performance.now());
    webSocket.resume();
  }

  #onMessage(message: Buffer, isBinary: boolean): void {
    const { socket, worker } = this.#options;
    this.#bytesBefore = socket.bytesRead;
    if (!this.#isWithinRate()) return;
    this.#onUsed();
    worker.sendMessage(message, !isBinary);
    this.#holdBack();
  }

  /** Until the application takes more. */
  #holdBack(): void {
    const { webSocket, worker } = this.#options;
    if (worker.room > 0 || webSocket.readyState !== webSocket.OPEN) return;
    this.#rate?.pause(performance.now());
    webSocket.pause();
  }

  #isWithinRate(): boolean {
    const { webSocket, onFlood } = this.#options;
    if (this.#rate === null) return true;
    this.#isFlooded ||= !this.#rate.take(performance.now());
    if (this.#isFlooded && webSocket.readyState === webSocket.OPEN) {
      onFlood();
      this.close(POLICY_VIOLATION, `more than ${this.#rate.perSecond} messages a second`);
    }
    return !this.#isFlooded;
  }

  #onControl(opcode: number, data: Buffer): void {
    const { socket, worker, hearsControl } = this.#options;
    this.#bytesBefore = Math.min(socket.bytesRead, this.#bytesBefore + CONTROL_HEAD_BYTES + data.length);
    if (!this.#isWithinRate() || !hearsControl) return;
    worker.sendControl(opcode, data);
    this.#holdBack();
  }

  #onUsed(): void {
    const { webSocket, upgrader } = this.#options;
    const isOpen = webSocket.readyState === webSocket.OPEN;
    if (this.#isCompressed && isOpen) upgrader.compression.onUsed(webSocket);
  }

  /** The library has begun to close already, with a code of its own choice. */
  #onFault(error: Error): void {
    this.#ownCode = codeOfFault(error) ?? this.#ownCode;
  }

  #onClose(code: number, reason: Buffer): void {
    const { webSocket, worker, upgrader, onClosed } = this.#options;
    this.#pulse.stop();
    upgrader.compression.forget(webSocket);
    worker.sendClose(code === ABNORMAL ? this.#ownCode : code, reason.toString("utf8"));
    onClosed();
  }
}
