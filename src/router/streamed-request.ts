import { FrameFlag } from "../channel/frame.ts";
import type { FilePart, WorkerMessage } from "../channel/messages.ts";
import { WINDOW_BYTES } from "../channel/stream-messages.ts";
import type { ErrorCode } from "../errors.ts";
import { HttpFault } from "../http/http-fault.ts";
import { AsgiRequest } from "./asgi-request.ts";
import type { ClientRequest } from "./client-request.ts";
import { nameOfClient } from "./client.ts";
import type { Opening, RequestFailure, StreamWorker, StreamingRequest, WorkerRequest } from "./dispatcher.ts";
import { cookEnviron } from "./environ.ts";

const EMPTY = Buffer.alloc(0);

/** Bytes of a response that its client has not taken, above which the worker is given no new room. */
const UNSENT_LIMIT_BYTES = 64 * 1024;

/** Bytes of a body that wait for the worker, above which the client is held back. */
const PENDING_LIMIT_BYTES = WINDOW_BYTES / 2;

/** When this many pieces wait, they are joined into one, if they are small. */
const PIECES_TO_JOIN = 256;
/** Pieces that are smaller on average are joined: a buffer and a frame for each would cost more than the copy. */
const SMALL_PIECE_BYTES = 4 * 1024;

/**
 * One HTTP request on its way to an ASGI application. It is given to a worker as soon as its head is there; its body
 * follows as it comes, and as the application takes it.
 */
export class StreamedRequest extends AsgiRequest implements WorkerRequest, StreamingRequest, ClientRequest {
  readonly isWebSocket = false;
  /** It was given to the dispatcher. */
  #isSubmitted = false;
  #head = "";
  /** Nothing more goes to a worker: the response has ended, or the client is gone. */
  #isOver = false;
  #awaitsContinue = false;
  /** The client has sent all of its body. */
  #isBodyComplete = false;
  /** The worker has been sent all of it. */
  #isBodySent = false;
  #bodyBytes = 0;
  /** Body for which the worker has no room yet. */
  #pieces: Buffer[] = [];
  #pendingBytes = 0;
  #isClientPaused = false;
  /** What has come is sent as soon as all that came with it is there, too. */
  #isSendingDue = false;
  #isClientDone = false;
  /** The response has begun, and does not say where it ends. */
  #isEndless = false;

  get method(): string {
    return this.exchange.head.method;
  }

  get keepsBytes(): boolean {
    return this.relay.keepsBytes;
  }

  get memoryBytes(): number {
    return this.#pendingBytes;
  }

  begin(): void {
    const { framing, expectsContinue } = this.exchange.head;
    if (this.context.budget.isExhausted) {
      this.#refuse("ERR_OVERLOADED");
    } else if (framing.type === "none") {
      this.#isBodyComplete = true;
      this.#submit();
    } else if (framing.type === "length" && framing.bytes > this.context.settings.capacity.bodyBytes) {
      this.#refuse("ERR_HTTP_BODY_TOO_LARGE");
    } else {
      if (expectsContinue) {
        this.#awaitsContinue = true;
        this.exchange.deferContinue();
      }
      // What has come together with the head goes along with it.
      queueMicrotask(() => this.#submit());
    }
  }

  addBody(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#bodyBytes += bytes.length;
    if (this.#bodyBytes > this.context.settings.capacity.bodyBytes) {
      this.#refuse("ERR_HTTP_BODY_TOO_LARGE");
      return;
    }
    this.#pieces.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pieces.length >= PIECES_TO_JOIN) this.#joinSmall();
    if (this.#isSendingDue) return;
    this.#isSendingDue = true;
    // What comes together is sent together: a read of the socket may hold thousands of small chunks.
    queueMicrotask(() => {
      this.#isSendingDue = false;
      this.#sendBody();
      this.#holdClientBack();
    });
  }

  #holdClientBack(): void {
    if (this.#pendingBytes <= PENDING_LIMIT_BYTES || this.#isClientPaused) return;
    this.#isClientPaused = true;
    this.exchange.pauseBody();
  }

  complete(): void {
    this.#isBodyComplete = true;
    if (this.worker === null) this.#submit();
    else this.#sendBody();
  }

  cancel(): void {
    this.#abandon();
    this.relay.close();
  }

  onClientGone(): void {
    this.cancel();
    this.relay.finishWithoutClient();
  }

  /**
   * A client that has closed its side may still be waiting for its response, or for the rest of one. One that reads
   * a response without an end has most likely left.
   */
  onClientDone(): void {
    this.#isClientDone = true;
    if (this.#isEndless) this.worker?.closeSide();
    else if (!this.#isOver) this.exchange.probe();
  }

  takeOpening(): Opening {
    if (this.#awaitsContinue && !this.#isBodyComplete)
      return { head: this.#head, body: this.body, flags: FrameFlag.awaitsContinue };
    const pieces: Buffer[] = [];
    let bytes = 0;
    for (
      let piece = this.#takePiece(WINDOW_BYTES);
      piece !== null;
      piece = this.#takePiece(WINDOW_BYTES - bytes)
    ) {
      pieces.push(piece);
      bytes += piece.length;
    }
    this.#isBodySent = this.#isBodyComplete && this.#pendingBytes === 0;
    const flags = this.#isBodySent ? FrameFlag.end : 0;
    return { head: this.#head, body: { type: "memory", pieces, bytes }, flags };
  }

  override onStream(worker: StreamWorker): void {
    super.onStream(worker);
    this.#resumeClient();
  }

  /** The application has taken some of the body, or asks for its beginning. */
  onWindow(): void {
    if (this.#awaitsContinue) {
      this.#awaitsContinue = false;
      this.exchange.sendContinue(this.#bodyBytes === 0);
    }
    this.#sendBody();
  }

  onResponse(message: Extract<WorkerMessage, { type: "response" }>): void {
    const { isEnd } = message.after;
    if (isEnd) this.#release();
    this.relay.respond(message);
    if (isEnd) return;
    this.#isEndless = message.contentLength === null;
    if (this.#isEndless && this.#isClientDone) this.worker?.closeSide();
    this.#holdBack();
  }

  onBody(bytes: Buffer, isEnd: boolean): void {
    if (isEnd) this.#release();
    this.relay.write(bytes);
    if (isEnd) this.relay.end();
    else this.#holdBack();
  }

  onTrailers(fieldLines: Buffer): void {
    this.#release();
    this.relay.endWithTrailers(fieldLines);
  }

  async onFile(part: FilePart): Promise<boolean> {
    const isTaken = await this.relay.takeFile(part);
    // Nobody wants the file of a client that is gone.
    const isUnwanted = this.#isOver;
    if (isTaken) this.#release();
    return isTaken || isUnwanted;
  }

  onFailure(failure: RequestFailure): void {
    this.#release();
    this.relay.fail(failure);
  }

  onAccept(): void {}

  onPing(): void {}

  onMessage(): void {}

  onRetire(): void {}

  leave(): void {}

  shed(): void {}

  onClose(): void {}

  finish(status?: number): void {
    this.relay.finish(status);
  }

  onGivenUp(): void {
    this.#abandon();
  }

  /** Only the access log may ask for it, and seldom does. */
  get environ(): string {
    const { head } = this.exchange;
    const { settings } = this.context;
    if (this.#head === "") return "";
    try {
      return cookEnviron({ head, client: this.client, settings, bodyBytes: this.#bodyBytes });
    } catch (error) {
      // WSGI is stricter about where the application is mounted.
      if (error instanceof HttpFault) return "";
      throw error;
    }
  }

  #submit(): void {
    if (this.#isSubmitted || this.#isOver) return;
    this.#isSubmitted = true;
    const { dispatcher, errorLog } = this.context;
    try {
      this.#head = this.cookHead();
    } catch (error) {
      if (!(error instanceof HttpFault)) throw error;
      errorLog.warning(`Invalid request from ${nameOfClient(this.client)}: ${error.message}`);
      this.#refuse(error.code);
      return;
    }
    this.submittedAt = performance.now();
    dispatcher.submit(this);
  }

  /** As much as the worker has room for. */
  #sendBody(): void {
    const worker = this.worker;
    if (worker === null || this.#isBodySent || this.#awaitsContinue) return;
    for (let piece = this.#takePiece(worker.room); piece !== null; piece = this.#takePiece(worker.room)) {
      this.#isBodySent = this.#isBodyComplete && this.#pendingBytes === 0;
      worker.sendBody(piece, this.#isBodySent);
    }
    if (this.#isBodyComplete && this.#pendingBytes === 0 && !this.#isBodySent) {
      this.#isBodySent = true;
      worker.sendBody(EMPTY, true);
    }
    this.#resumeClient();
  }

  /** The next piece that waits, or so many bytes of it; null when there is none. */
  #takePiece(limitBytes: number): Buffer | null {
    if (limitBytes <= 0) return null;
    this.#joinSmall();
    const [piece] = this.#pieces;
    if (piece === undefined) return null;
    if (piece.length <= limitBytes) this.#pieces.shift();
    else this.#pieces[0] = piece.subarray(limitBytes);
    const taken = piece.subarray(0, limitBytes);
    this.#pendingBytes -= taken.length;
    return taken;
  }

  /** Large pieces stay what they are: each copy of a large body would be felt. */
  #joinSmall(): void {
    const { length } = this.#pieces;
    if (length > 1 && this.#pendingBytes < length * SMALL_PIECE_BYTES) {
      this.#pieces = [Buffer.concat(this.#pieces)];
    }
  }

  #resumeClient(): void {
    if (!this.#isClientPaused || this.#pendingBytes > 0) return;
    this.#isClientPaused = false;
    this.exchange.resumeBody();
  }

  /** The application may go on when the client has taken what is there. */
  #holdBack(): void {
    if (this.exchange.unsentBytes > UNSENT_LIMIT_BYTES) this.worker?.pause();
  }

  /** The answer comes at once, and the connection closes after it. */
  #refuse(code: ErrorCode): void {
    this.#abandon();
    this.relay.giveUp(code);
  }

  /** Whoever has the request is told that nobody waits for it. */
  #abandon(): void {
    const worker = this.worker;
    if (!this.#isOver && this.#isSubmitted) {
      if (worker === null) this.context.dispatcher.cancel(this);
      else worker.cancel();
    }
    this.#release();
  }

  #release(): void {
    this.#isOver = true;
    this.worker = null;
    this.#pieces = [];
    this.#pendingBytes = 0;
  }
}
