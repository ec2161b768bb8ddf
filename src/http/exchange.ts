import type { Socket } from "node:net";
import { CONTINUE } from "./connection-limits.ts";
import type { HandedOver } from "./handed-over.ts";
import { reasonPhrases } from "./reason-phrases.ts";
import { fieldValue, type RequestHead } from "./request-head.ts";
import {
  decideFraming,
  serverHeadText,
  type Persistence,
  type ResponseFraming,
  type ResponseHead,
} from "./response-head.ts";

/** What an exchange needs of its connection. */
export interface ExchangeTransport {
  write(bytes: Buffer): void;
  /** Bytes written that the client has not taken yet. */
  readonly unsentBytes: number;
  /** The response is complete; the connection goes on or closes gracefully. */
  finish(exchange: Exchange, keepAlive: boolean): void;
  /** Cuts the connection, so that the client sees that the response is not complete. */
  cutOff(exchange: Exchange): void;
  /** Stops and resumes reading request bytes. */
  pauseReading(): void;
  resumeReading(): void;
  /** For a worker that writes to the client itself. Null: bytes are still on their way, or the client is gone. */
  lendSocket(): Socket | null;
  /** Gives the connection to another protocol. */
  handOver(): HandedOver;
  /** No further request is taken on this connection. */
  readonly closesAfterResponse: boolean;
}

/** A response that somebody else writes to the client. */
export interface LentResponse {
  readonly socket: Socket;
  /** What comes before the body. */
  readonly head: Buffer;
}

/** lent: somebody else writes to the client, and nothing may be written here. */
type State = "waiting" | "lent" | "streaming" | "done";

const CRLF = Buffer.from("\r\n");
const LAST_SIZE = Buffer.from("0\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");
const EMPTY = Buffer.alloc(0);

/** Every head begins so, whatever it says (RFC 9112 section 2.3). */
const HEAD_START = Buffer.from("HTTP/1.1 ");

/** Up to this size head and body are joined into one write; above it the copy costs more than a second write. */
const JOIN_LIMIT_BYTES = 64 * 1024;

/** A larger head would not be taken in one go by the connection on which it is sent. */
const LENT_HEAD_LIMIT_BYTES = 16 * 1024;

/** One request and its response. The response goes out in the order of its calls and ends exactly once. */
export class Exchange {
  readonly head: RequestHead;
  /** When the head was complete, in milliseconds of `performance.now()`. */
  readonly startedAt: number;
  /** Status that was sent, or 0 before the head went out. */
  status = 0;
  /** Body bytes sent, without chunk framing. */
  bodyBytes = 0;
  /** Whether the application gave more ("long") or fewer ("short") bytes than its Content-Length said. */
  lengthMismatch: "short" | "long" | null = null;
  /** Set by `useBodyAtOnce`. */
  usesBodyAtOnce = false;
  readonly #transport: ExchangeTransport;
  #isContinueDeferred = false;
  #state: State = "waiting";
  #framing: ResponseFraming = { type: "no-body" };
  #keepAlive = false;
  /** How many octets of the head were sent ahead, by `probe`. */
  #probedBytes = 0;
  /** The head that a worker writes, while the response is lent to it. */
  #lentHead = EMPTY;

  constructor(transport: ExchangeTransport, head: RequestHead) {
    this.#transport = transport;
    this.head = head;
    this.startedAt = performance.now();
  }

  /** The head went out: no other answer can take its place. */
  get isAnswered(): boolean {
    return this.status !== 0;
  }

  /** The response is over, completely sent or not. */
  get isDone(): boolean {
    return this.#state === "done";
  }

  /** The end of the connection is the end of the body: only a reset tells the client that it is not whole. */
  get endsWithConnection(): boolean {
    return this.#framing.type === "close";
  }

  /** The client gets the body; not so for HEAD, 204 and 304. Known once the head is sent. */
  get wantsBody(): boolean {
    return this.#framing.type !== "no-body";
  }

  /** Bytes written that the client has not taken yet: what to watch before giving more. */
  get unsentBytes(): number {
    return this.#transport.unsentBytes;
  }

  /** The client waits for `100 Continue`, and it has not been deferred. */
  get wantsContinue(): boolean {
    return this.head.expectsContinue && !this.isAnswered && !this.#isContinueDeferred;
  }

  /** Leaves `100 Continue` to a later `sendContinue`; until then no body is expected. */
  deferContinue(): void {
    this.#isContinueDeferred = true;
    this.pauseBody();
  }

  /** The application wants the body. `isAsked`: the client has not begun to send it, so it is asked to. */
  sendContinue(isAsked: boolean): void {
    if (isAsked && this.#state === "waiting") this.#transport.write(CONTINUE);
    this.resumeBody();
  }

  /** Body bytes need not be copied: whoever gets them is done with them when the call returns. */
  useBodyAtOnce(): void {
    this.usesBodyAtOnce = true;
  }

  pauseBody(): void {
    this.#transport.pauseReading();
  }

  resumeBody(): void {
    this.#transport.resumeReading();
  }

  /**
   * Finds out whether a client that has closed its sending side still reads: the next octet of what every answer
   * begins with is sent ahead, and makes a client that is gone reset the connection.
   */
  probe(): void {
    if (this.#state !== "waiting" || this.#probedBytes === HEAD_START.length) return;
    this.#transport.write(HEAD_START.subarray(this.#probedBytes, this.#probedBytes + 1));
    this.#probedBytes += 1;
  }

  /** Sends an interim response (RFC 9110 section 15.2), which an HTTP/1.0 client would not understand. */
  interim(status: number, fieldLines: Buffer): void {
    if (this.#state !== "waiting" || this.head.version !== "HTTP/1.1") return;
    const line = Buffer.from(`HTTP/1.1 ${status} ${reasonPhrases[status] ?? "Interim"}\r\n`, "latin1");
    this.#writeHead(Buffer.concat([line, fieldLines, CRLF]));
  }

  /** The answer is 101, which the protocol that takes the connection over sends itself. */
  switchProtocols(): HandedOver {
    this.status = 101;
    this.#state = "done";
    return this.#transport.handOver();
  }

  /** Sends the head with the first body bytes; `isEnd`: they are the whole body. */
  respond(head: ResponseHead, body: Buffer, isEnd: boolean): void {
    if (this.#state !== "waiting") return;
    const headText = this.#begin(head, this.#decideFraming(head, isEnd ? body.length : null));
    this.#state = "streaming";
    this.#sendFirst(headText, head.fieldLines, this.#limitToLength(body), isEnd);
    if (isEnd) this.#finish();
  }

  /**
   * Lets somebody else write the response, until `takeBack`. Null: the client wants no body, its length is not known,
   * or bytes are still on their way to the client. Then nothing has happened.
   */
  lend(head: ResponseHead): LentResponse | null {
    const framing = this.#decideFraming(head, null);
    const isSmall = head.fieldLines.length <= LENT_HEAD_LIMIT_BYTES;
    const isLendable = framing.type === "length" && framing.bytes > 0 && isSmall;
    const socket = this.#state === "waiting" && isLendable ? this.#transport.lendSocket() : null;
    if (socket === null) return null;
    const lines = head.fieldLines.toString("latin1");
    const text = Buffer.from(`${this.#begin(head, framing)}${lines}\r\n`, "latin1");
    this.#state = "lent";
    this.#lentHead = text.subarray(this.#probedBytes);
    return { socket, head: this.#lentHead };
  }

  /** The borrower has written this many octets of head and body. The rest of the head is written here. */
  takeBack(writtenBytes: number): void {
    const head = this.#lentHead;
    this.#lentHead = EMPTY;
    this.bodyBytes = Math.max(0, writtenBytes - head.length);
    if (this.#state !== "lent") return;
    this.#state = "streaming";
    if (writtenBytes < head.length) this.#transport.write(head.subarray(writtenBytes));
  }

  #decideFraming({ status, contentLength }: ResponseHead, wholeBytes: number | null): ResponseFraming {
    const { method, version } = this.head;
    return decideFraming({ method, version, status, contentLength, wholeBytes });
  }

  /** The head is decided; returns its text without the application's fields. */
  #begin(head: ResponseHead, framing: ResponseFraming): string {
    this.status = head.status;
    this.#framing = framing;
    this.#keepAlive = this.head.keepAlive && framing.type !== "close" && !this.#transport.closesAfterResponse;
    return serverHeadText(head, framing, this.#persistence(this.head.version));
  }

  /** Sends further body bytes. */
  write(body: Buffer): void {
    if (this.#state !== "streaming") return;
    const allowed = this.#limitToLength(body);
    if (allowed.length > 0)
      this.#transport.write(this.#framing.type === "chunked" ? frameChunk(allowed) : allowed);
  }

  /** The body is complete. Trailers, lines ending in CRLF, are sent if the client takes such (RFC 9110 section 6.5.1). */
  end(trailers: Buffer = EMPTY): void {
    if (this.#state !== "streaming") return;
    if (this.#framing.type === "chunked") {
      const isSent = trailers.length > 0 && /\btrailers\b/i.test(fieldValue(this.head, "te") ?? "");
      this.#transport.write(isSent ? Buffer.concat([LAST_SIZE, trailers, CRLF]) : LAST_CHUNK);
    }
    this.#finish();
  }

  /** Ends a response that cannot be completed: the client must be able to tell. */
  abort(): void {
    if (this.#state === "done") return;
    this.#state = "done";
    this.#transport.cutOff(this);
  }

  /** The client is gone; nothing more is sent. */
  abandon(): void {
    this.#state = "done";
  }

  #persistence(version: "HTTP/1.0" | "HTTP/1.1"): Persistence {
    if (!this.#keepAlive) return "close";
    return version === "HTTP/1.0" ? "keep-alive-1.0" : "keep-alive";
  }

  #sendFirst(headText: string, fieldLines: Buffer, body: Buffer, isEnd: boolean): void {
    const isChunked = this.#framing.type === "chunked";
    const framed = isChunked && body.length > 0 ? frameChunk(body) : body;
    const tail = isChunked && isEnd ? LAST_CHUNK : EMPTY;
    const headBytes = headText.length + fieldLines.length + CRLF.length;
    const isJoined = framed.length <= JOIN_LIMIT_BYTES;
    const bytes = Buffer.allocUnsafe(headBytes + (isJoined ? framed.length + tail.length : 0));
    bytes.write(headText, 0, "latin1");
    fieldLines.copy(bytes, headText.length);
    CRLF.copy(bytes, headBytes - CRLF.length);
    if (isJoined) {
      framed.copy(bytes, headBytes);
      tail.copy(bytes, headBytes + framed.length);
      this.#writeHead(bytes);
      return;
    }
    this.#writeHead(bytes);
    this.#transport.write(framed);
    if (tail.length > 0) this.#transport.write(tail);
  }

  /** Writes bytes that begin with a head, without the octets of it that were sent ahead. */
  #writeHead(bytes: Buffer): void {
    this.#transport.write(this.#probedBytes === 0 ? bytes : bytes.subarray(this.#probedBytes));
    this.#probedBytes = 0;
  }

  /** The bytes that may still be sent: none without a body, and never more than the length announced. */
  #limitToLength(body: Buffer): Buffer {
    const framing = this.#framing;
    if (framing.type === "no-body") {
      return EMPTY;
    }
    let allowed = body;
    if (framing.type === "length" && this.bodyBytes + body.length > framing.bytes) {
      this.lengthMismatch = "long";
      allowed = body.subarray(0, framing.bytes - this.bodyBytes);
    }
    this.bodyBytes += allowed.length;
    return allowed;
  }

  #finish(): void {
    if (this.#framing.type === "length" && this.bodyBytes < this.#framing.bytes) {
      this.lengthMismatch = "short";
      this.abort();
      return;
    }
    this.#state = "done";
    this.#transport.finish(this, this.#keepAlive);
  }
}

function frameChunk(body: Buffer): Buffer {
  const size = `${body.length.toString(16)}\r\n`;
  const bytes = Buffer.allocUnsafe(size.length + body.length + CRLF.length);
  bytes.write(size, 0, "latin1");
  body.copy(bytes, size.length);
  CRLF.copy(bytes, size.length + body.length);
  return bytes;
}
