import { FrameFlag } from "../channel/frame.ts";
import type { WorkerMessage } from "../channel/messages.ts";
import type { MessagePart } from "../channel/stream-messages.ts";
import { errorKinds, reasonOf } from "../errors.ts";
import { errorPage } from "../http/error-page.ts";
import { HttpFault } from "../http/http-fault.ts";
import { AsgiRequest } from "./asgi-request.ts";
import type { ClientRequest } from "./client-request.ts";
import { nameOfClient } from "./client.ts";
import type {
  AcceptMessage,
  Opening,
  RequestFailure,
  StreamingRequest,
  WorkerRequest,
} from "./dispatcher.ts";
import { WEBSOCKET_VERSION, checkHandshake } from "./websocket-handshake.ts";
import { GOING_AWAY, SERVICE_RESTART } from "./websocket-codes.ts";
import { WebSocketSession } from "./websocket-session.ts";

/**
 * The opening handshake of a WebSocket on its way to an ASGI application, which opens it or denies it; then the
 * WebSocket itself, which takes as long as it lives.
 */
export class WebSocketRequest extends AsgiRequest implements WorkerRequest, StreamingRequest, ClientRequest {
  readonly isWebSocket = true;
  readonly keepsBytes = false;
  readonly environ = "";
  #head = "";
  #session: WebSocketSession | null = null;
  /** Code with which it is closed as soon as it is open: its worker, or the server, is leaving. */
  #leavingCode: number | null = null;
  /** Nothing more goes to a worker. */
  #isOver = false;

  get method(): string {
    return "WebSocket";
  }

  get memoryBytes(): number {
    return this.#session?.memoryBytes ?? 0;
  }

  begin(): void {
    const { errorLog, budget } = this.context;
    const { head } = this.exchange;
    if (budget.isExhausted) {
      this.#isOver = true;
      this.relay.giveUp("ERR_OVERLOADED");
      return;
    }
    try {
      checkHandshake(head);
      this.#head = this.cookHead();
    } catch (error) {
      if (!(error instanceof HttpFault)) throw error;
      errorLog.warning(`Invalid request from ${nameOfClient(this.client)}: ${error.message}`);
      this.#isOver = true;
      this.#refuse(error);
    }
  }

  #refuse({ code }: HttpFault): void {
    const extraLines =
      code === "ERR_WEBSOCKET_VERSION" ? `Sec-WebSocket-Version: ${WEBSOCKET_VERSION}\r\n` : "";
    const { head, body } = errorPage(errorKinds[code].httpStatus ?? 400, extraLines);
    this.exchange.respond(head, body, true);
  }

  addBody(): void {}

  complete(): void {
    void this.#submit();
  }

  async #submit(): Promise<void> {
    const { webSockets, errorLog } = this.context;
    try {
      await webSockets.load();
    } catch (error) {
      errorLog.error(`Cannot load the library for WebSockets: ${reasonOf(error)}`);
      this.#isOver = true;
      this.relay.fail("raised");
    }
    if (this.#isOver) return;
    this.submittedAt = performance.now();
    this.context.dispatcher.submit(this);
  }

  /** The connection is gone. An open WebSocket tells of it by itself. */
  cancel(): void {
    if (this.#session !== null || this.#isOver) return;
    const worker = this.worker;
    this.#release();
    if (worker === null) this.context.dispatcher.cancel(this);
    else worker.cancel();
    this.relay.close();
  }

  onClientGone(): void {
    this.cancel();
    if (this.#session === null) this.finish();
  }

  /** A client that sends no more cannot open a WebSocket. */
  onClientDone(): void {
    if (this.exchange.isAnswered) return;
    this.cancel();
    this.exchange.abort();
  }

  leave({ isReplaced }: { readonly isReplaced: boolean }): void {
    this.#leave(isReplaced ? SERVICE_RESTART : GOING_AWAY);
  }

  shed(): void {
    this.#session?.shed();
  }

  onRetire(): void {
    this.#leave(SERVICE_RESTART);
  }

  #leave(code: number): void {
    this.#leavingCode ??= code;
    this.#session?.close(code);
  }

  takeOpening(): Opening {
    const head = this.#head;
    // A WebSocket may last for long.
    this.#head = "";
    return { head, body: this.body, flags: FrameFlag.end | FrameFlag.webSocket };
  }

  onWindow(): void {
    this.#session?.onWindow();
  }

  onAccept({ subprotocol, fieldLines, hearsControl }: AcceptMessage): void {
    const worker = this.worker;
    if (worker === null || this.exchange.isAnswered) return;
    const { webSockets: upgrader } = this.context;
    const connection = this.exchange.switchProtocols();
    const { head } = this.exchange;
    const webSocket = upgrader.upgrade({ head, connection, subprotocol, fieldLines });
    // Without one the client is gone, which is told next.
    if (webSocket === null) return;
    worker.onOpened();
    const { socket } = connection;
    this.#session = new WebSocketSession({
      webSocket,
      socket,
      worker,
      upgrader,
      hearsControl,
      onFlood: () => this.#onFlood(),
      onClosed: () => this.#onClosed(),
    });
    if (this.#leavingCode !== null) this.#session.close(this.#leavingCode);
  }

  #onFlood(): void {
    const { errorLog, webSockets } = this.context;
    const { maxMessagesPerSecond } = webSockets.settings;
    errorLog.warning(
      `${this.method} ${this.target} of ${nameOfClient(this.client)} is closed with 1008: its client sends ` +
        `more than ${maxMessagesPerSecond} messages a second (websocket_max_message_rate)`,
    );
  }

  #onClosed(): void {
    this.exchange.bodyBytes = this.#session?.sentBytes ?? 0;
    this.relay.finish();
  }

  onMessage(part: MessagePart): void {
    this.#session?.send(part);
  }

  onPing(data: Buffer): void {
    this.#session?.ping(data);
  }

  onClose(code: number, reason: string): void {
    this.#session?.close(code, reason);
  }

  /** The denial, as any response. */
  onResponse(message: Extract<WorkerMessage, { type: "response" }>): void {
    const { isEnd } = message.after;
    if (isEnd) this.#release();
    this.relay.respond(message);
    this.#holdBack();
  }

  /** More of the denial; or, of an open WebSocket, that the application has returned. */
  onBody(bytes: Buffer, isEnd: boolean): void {
    if (isEnd) this.#release();
    if (this.#session !== null) {
      this.#session.end();
      return;
    }
    this.relay.write(bytes);
    if (isEnd) this.relay.end();
    else this.#holdBack();
  }

  #holdBack(): void {
    if (this.relay.isFull) this.worker?.pause();
  }

  onTrailers(): void {
    this.onBody(Buffer.alloc(0), true);
  }

  onFile(): Promise<boolean> {
    return Promise.resolve(false);
  }

  onFailure(failure: RequestFailure): void {
    this.#release();
    if (this.#session === null) this.relay.fail(failure);
    else this.#session.fail();
  }

  onGivenUp(): void {
    this.cancel();
  }

  /** Of a client that has left before the answer there is nothing to tell. */
  finish(status?: number): void {
    if (this.exchange.isAnswered || status !== undefined) this.relay.finish(status);
  }

  #release(): void {
    this.#isOver = true;
    this.worker = null;
  }
}
