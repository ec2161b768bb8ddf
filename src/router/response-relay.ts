import type { FilePart, ResponseMessage } from "../channel/messages.ts";
import { errorKinds, type ErrorCode } from "../errors.ts";
import { errorPage } from "../http/error-page.ts";
import type { Exchange, LentResponse } from "../http/exchange.ts";
import { makeAccessRecord, type KeptResponseHead, type LoggedRequest } from "./access-record.ts";
import { openBodyFile, type BodyFile } from "./body-file.ts";
import { BufferedResponse } from "./buffered-response.ts";
import type { Client } from "./client.ts";
import type { RequestFailure } from "./dispatcher.ts";
import type { RouterContext } from "./router-context.ts";

/** Logged for a request whose client left before it was answered, as nginx does. */
const CLIENT_GONE_STATUS = 499;

const failureCodes: Readonly<Record<RequestFailure, ErrorCode>> = {
  raised: "ERR_APPLICATION_RAISED",
  "worker-died": "ERR_WORKER_DIED",
  "worker-timeout": "ERR_WORKER_TIMEOUT",
  overloaded: "ERR_OVERLOADED",
};

/** What a client is answered when its request has failed. */
export function failureStatus(failure: RequestFailure): number {
  return errorKinds[failureCodes[failure]].httpStatus ?? 500;
}

/** The request whose response is relayed. */
export interface RelayedRequest extends LoggedRequest {
  /** The worker may go on after `isFull`. */
  onRoom(): void;
  /** The response was given up because it could not be stored. */
  onGivenUp(): void;
}

export interface ResponseRelayOptions {
  readonly context: RouterContext;
  readonly client: Client;
  readonly exchange: Exchange;
  readonly request: RelayedRequest;
}

/** Brings what a worker answers to the client of the request, and at the end to the access log. */
export class ResponseRelay {
  /** Pid of the worker that answers, or of the router. */
  workerPid = process.pid;
  readonly #options: ResponseRelayOptions;
  /** Made when a response does not come whole. */
  #response: BufferedResponse | null = null;
  /** Kept when the access log may ask for it. */
  #responseHead: KeptResponseHead | null = null;

  constructor(options: ResponseRelayOptions) {
    this.#options = options;
  }

  /** The worker must wait: neither memory nor disk has room. */
  get isFull(): boolean {
    return this.#response?.isFull === true;
  }

  /** Body bytes that it was given are still on their way to the client, or to a file. */
  get keepsBytes(): boolean {
    return this.#options.exchange.unsentBytes > 0 || this.#response?.isStoring === true;
  }

  /** More of the response than its head has begun to come. */
  get isStreaming(): boolean {
    return this.#response !== null;
  }

  respond(message: ResponseMessage): void {
    const { context, exchange } = this.#options;
    const { isEnd } = message.after;
    if (context.needsResponseFields) this.#responseHead = keptHead(message);
    exchange.respond(message, message.body, isEnd);
    if (!isEnd) this.#response = this.#makeResponse();
  }

  /** Lets the worker write the response to the client itself. Null: it cannot; nothing has happened. */
  lend(message: ResponseMessage): LentResponse | null {
    const { context, exchange } = this.#options;
    const lent = exchange.lend(message);
    if (lent === null) return null;
    if (context.needsResponseFields) this.#responseHead = keptHead(message);
    this.#response = this.#makeResponse();
    return lent;
  }

  /** The worker has written so much, the head included; what is left comes. */
  takeBack(writtenBytes: number): void {
    this.#options.exchange.takeBack(writtenBytes);
  }

  write(bytes: Buffer): void {
    this.#response?.write(bytes);
  }

  end(): void {
    this.#response?.end();
  }

  endWithTrailers(fieldLines: Buffer): void {
    this.#response?.close();
    this.#options.exchange.end(fieldLines);
  }

  /** The rest of the body is in a file. False: it cannot be taken from there, and the worker has to send it. */
  async takeFile(part: FilePart): Promise<boolean> {
    const response = this.#response;
    if (response === null) return false;
    let file: BodyFile;
    try {
      file = await openBodyFile(part.path);
    } catch {
      return false;
    }
    if (response.feedFrom(file, part.start, part.bytes)) return true;
    await file.dispose();
    return false;
  }

  /** The client has taken everything that was written. */
  onDrain(): void {
    this.#response?.onDrain();
  }

  /** There will be no response, or no end of it. */
  fail(failure: RequestFailure): void {
    this.giveUp(failureCodes[failure]);
  }

  /** Answers with an error; where the response has begun already, it is cut off. */
  giveUp(code: ErrorCode): void {
    if (this.#options.exchange.isAnswered) this.#cutOff();
    else this.answerError(code);
  }

  answerError(code: ErrorCode): void {
    const status = errorKinds[code].httpStatus ?? 500;
    const { head, body } = errorPage(status);
    const { context, exchange } = this.#options;
    if (code === "ERR_OVERLOADED")
      context.overload.requestRefused(exchange.head.method, exchange.head.target);
    if (context.needsResponseFields) this.#responseHead = head;
    exchange.respond(head, body, true);
  }

  /** The client is gone: what is stored is thrown away. */
  close(): void {
    this.#response?.close();
  }

  /** Everything is sent, or given up: the access line is written. `status`: what was answered instead. */
  finish(status = this.#options.exchange.status): void {
    const { context, client, exchange, request } = this.#options;
    const { lengthMismatch, head } = exchange;
    if (lengthMismatch !== null) {
      const what = lengthMismatch === "short" ? "fewer bytes than" : "more bytes than";
      context.errorLog.warning(
        `${head.method} ${head.target}: the application sent ${what} its Content-Length`,
      );
    }
    context.accessLog()?.write(
      makeAccessRecord({
        client,
        exchange,
        status,
        pid: this.workerPid,
        response: this.#responseHead,
        request,
      }),
    );
  }

  /** The client is gone: the access line says what it was answered, and how much of that was sent. */
  finishWithoutClient(): void {
    const { exchange } = this.#options;
    this.finish(exchange.isAnswered ? exchange.status : CLIENT_GONE_STATUS);
  }

  /** The response cannot be completed, and the client must be able to tell. */
  #cutOff(): void {
    this.#response?.close();
    this.#options.exchange.abort();
  }

  #makeResponse(): BufferedResponse {
    const { context, exchange, request } = this.#options;
    return new BufferedResponse({
      exchange,
      budget: context.budget,
      directory: context.bodyDirectory,
      onRoom: () => request.onRoom(),
      onError: (error) => {
        const { method, target } = exchange.head;
        context.errorLog.error(`Cannot store the response to ${method} ${target}: ${error.message}`);
        request.onGivenUp();
        this.#cutOff();
      },
    });
  }
}

/** The length of a body that came whole is sent too, although the application did not say it. */
function keptHead({ fieldLines, contentLength, body, after }: ResponseMessage): KeptResponseHead {
  // The worker's channel reads over what is not kept.
  const kept = Buffer.from(fieldLines);
  return { fieldLines: kept, contentLength: contentLength ?? (after.isEnd ? body.length : null) };
}
