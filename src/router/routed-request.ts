import type { FilePart, RequestBody, WorkerMessage } from "../channel/messages.ts";
import { errorKinds, type ErrorCode } from "../errors.ts";
import { errorPage, retryAfter } from "../http/error-page.ts";
import type { Exchange } from "../http/exchange.ts";
import { HttpFault } from "../http/http-fault.ts";
import { fieldValue } from "../http/request-head.ts";
import type { AccessRecord } from "../log/access-format.ts";
import { openBodyFile, type BodyFile } from "./body-file.ts";
import { BufferedResponse } from "./buffered-response.ts";
import type { Client } from "./client.ts";
import type { RequestFailure, RequestWorker, WorkerRequest } from "./dispatcher.ts";
import { cookEnviron } from "./environ.ts";
import { RequestBodyCollector } from "./request-body.ts";
import type { RouterContext } from "./router-context.ts";

/** When a client that found the queue full may come again. */
const RETRY_AFTER_MS = 5000;

const failureCodes: Readonly<Record<RequestFailure, ErrorCode>> = {
  raised: "ERR_APPLICATION_RAISED",
  "worker-died": "ERR_WORKER_DIED",
  "worker-timeout": "ERR_WORKER_TIMEOUT",
  overloaded: "ERR_OVERLOADED",
};

/** One request on its way: from its client, to a worker, and the response back. */
export class RoutedRequest implements WorkerRequest {
  environ = "";
  body: RequestBody = { type: "memory", pieces: [], bytes: 0 };
  isCancelled = false;
  submittedAt = 0;
  readonly #context: RouterContext;
  readonly #client: Client;
  readonly #exchange: Exchange;
  #collector: RequestBodyCollector | null = null;
  #worker: RequestWorker | null = null;
  /** Made when a response does not come whole. */
  #response: BufferedResponse | null = null;
  #fieldLines: Buffer | null = null;
  #workerPid = process.pid;
  #isWithWorker = false;

  constructor(context: RouterContext, client: Client, exchange: Exchange) {
    this.#context = context;
    this.#client = client;
    this.#exchange = exchange;
  }

  /** Gets ready for the body, or refuses the request by what its head announces. */
  begin(): void {
    const { framing } = this.#exchange.head;
    if (this.#context.budget.isExhausted) {
      this.#answerError("ERR_OVERLOADED");
      return;
    }
    if (framing.type === "none") return;
    if (framing.type === "length" && framing.bytes > this.#context.settings.capacity.bodyBytes) {
      this.#refuseBody();
      return;
    }
    this.#collector = this.#makeCollector();
  }

  get method(): string {
    return this.#exchange.head.method;
  }

  get target(): string {
    return this.#exchange.head.target;
  }

  /** A piece of the body has come. */
  addBody(bytes: Buffer): void {
    const collector = this.#collector;
    if (collector === null || this.isCancelled) return;
    if (collector.bytes + bytes.length > this.#context.settings.capacity.bodyBytes) this.#refuseBody();
    else collector.add(bytes);
  }

  /** The body is larger than allowed: the answer comes at once, and the connection closes after it. */
  #refuseBody(): void {
    this.cancel();
    this.#answerError("ERR_HTTP_BODY_TOO_LARGE");
  }

  /** The request is complete: the application may be called. */
  complete(): void {
    if (this.#exchange.isAnswered) return;
    const collector = this.#collector;
    if (collector === null) {
      this.#submit(this.body);
      return;
    }
    const body = collector.inMemory();
    if (body !== null) this.#submit(body);
    else void this.#submitFromFile(collector);
  }

  async #submitFromFile(collector: RequestBodyCollector): Promise<void> {
    const body = await collector.complete();
    if (body !== null && !this.isCancelled) this.#submit(body);
  }

  /** Bytes of the request body that are in memory. */
  get memoryBytes(): number {
    return this.#collector?.memoryBytes ?? 0;
  }

  /** The client is gone. */
  cancel(): void {
    this.isCancelled = true;
    this.#response?.close();
    if (this.#worker === null) this.#context.dispatcher.cancel(this);
    else this.#worker.cancel();
    this.#discardBody();
  }

  /** The client has sent everything and closed its side; is it still there to read? */
  onClientDone(): void {
    if (this.#worker === null && !this.isCancelled) this.#exchange.probe();
  }

  /** The client has taken everything that was written. */
  onDrain(): void {
    if (this.#response === null) this.#worker?.resume();
    else this.#response.onDrain();
  }

  onStart(worker: RequestWorker): void {
    this.#isWithWorker = true;
    this.#worker = worker;
    this.#workerPid = worker.pid;
  }

  onResponse(message: Extract<WorkerMessage, { type: "response" }>): void {
    if (this.#context.needsResponseFields) this.#fieldLines = message.fieldLines;
    const { isEnd } = message.after;
    this.#exchange.respond(message, message.body, isEnd);
    if (isEnd) this.#release();
    else this.#response = this.#makeResponse();
  }

  onBody(bytes: Buffer, isEnd: boolean): void {
    const response = this.#response;
    if (response === null) return;
    response.write(bytes);
    if (isEnd) {
      this.#release();
      response.end();
    } else if (response.isFull) {
      this.#worker?.pause();
    }
  }

  onInterim(status: number, fieldLines: Buffer): void {
    this.#exchange.interim(status, fieldLines);
  }

  async onFile(part: FilePart): Promise<boolean> {
    const response = this.#response;
    if (response === null) return false;
    let file: BodyFile;
    try {
      file = await openBodyFile(part.path);
    } catch {
      return false;
    }
    if (this.isCancelled || !response.feedFrom(file, part.start, part.bytes)) {
      await file.dispose();
      return this.isCancelled;
    }
    this.#release();
    return true;
  }

  onFailure(failure: RequestFailure): void {
    this.#release();
    if (this.#exchange.isAnswered) this.#cutOff();
    else this.#answerError(failureCodes[failure]);
  }

  /** The response cannot be completed, and the client must be able to tell. */
  #cutOff(): void {
    this.#response?.close();
    this.#exchange.abort();
  }

  /** Everything is sent, or given up: the access line is written. `status`: what was answered instead. */
  finish(status = this.#exchange.status): void {
    const { lengthMismatch } = this.#exchange;
    if (lengthMismatch !== null) {
      const what = lengthMismatch === "short" ? "fewer bytes than" : "more bytes than";
      this.#context.errorLog.warning(
        `${this.method} ${this.target}: the application sent ${what} its Content-Length`,
      );
    }
    this.#context.accessLog?.write(this.#accessRecord(status));
  }

  #makeCollector(): RequestBodyCollector {
    return new RequestBodyCollector({
      directory: this.#context.bodyDirectory,
      memoryBytes: this.#context.budget.requestMemoryBytes,
      onPause: () => this.#exchange.pauseBody(),
      onResume: () => this.#exchange.resumeBody(),
      onError: (error) => {
        this.#context.errorLog.error(
          `Cannot store the body of ${this.method} ${this.target}: ${error.message}`,
        );
        this.isCancelled = true;
        this.#answerError("ERR_BODY_STORAGE");
      },
    });
  }

  #makeResponse(): BufferedResponse {
    return new BufferedResponse({
      exchange: this.#exchange,
      budget: this.#context.budget,
      directory: this.#context.bodyDirectory,
      onRoom: () => this.#worker?.resume(),
      onError: (error) => {
        this.#context.errorLog.error(
          `Cannot store the response to ${this.method} ${this.target}: ${error.message}`,
        );
        this.#worker?.cancel();
        this.#cutOff();
      },
    });
  }

  #submit(body: RequestBody): void {
    this.body = body;
    try {
      this.environ = cookEnviron({
        head: this.#exchange.head,
        client: this.#client,
        settings: this.#context.settings,
        bodyBytes: this.#collector?.bytes ?? this.#announcedBytes(),
      });
    } catch (error) {
      if (!(error instanceof HttpFault)) throw error;
      this.#context.errorLog.warning(`Invalid request from ip=${this.#client.address}: ${error.message}`);
      this.#discardBody();
      this.#answerError(error.code);
      return;
    }
    this.submittedAt = performance.now();
    this.#context.dispatcher.submit(this);
  }

  /** `Content-Length: 0` is told to the application, a missing length is not. */
  #announcedBytes(): number | null {
    return fieldValue(this.#exchange.head, "content-length") === undefined ? null : 0;
  }

  #answerError(code: ErrorCode): void {
    const status = errorKinds[code].httpStatus ?? 500;
    const { head, body } = errorPage(status, status === 503 ? retryAfter(RETRY_AFTER_MS) : "");
    this.#exchange.respond(head, body, true);
  }

  /** The worker has given its response, or failed to. */
  #release(): void {
    this.#worker = null;
    this.#discardBody();
  }

  onReleased(): void {
    this.#isWithWorker = false;
    this.#discardBody();
  }

  /** Not while a worker may still open the body's file: its descriptor could be another's by then. */
  #discardBody(): void {
    if (!this.#isWithWorker) this.#collector?.discard();
  }

  #accessRecord(status: number): AccessRecord {
    const { head, bodyBytes, startedAt } = this.#exchange;
    return {
      remoteAddress: this.#client.address,
      method: head.method,
      target: head.target,
      path: head.path,
      query: head.query,
      protocol: head.protocol,
      status,
      bodyBytes,
      durationMs: performance.now() - startedAt,
      pid: this.#workerPid,
      requestField: (lowerName) => fieldValue(head, lowerName),
      responseField: (lowerName) => responseField(this.#fieldLines, lowerName),
      environ: (name) => environValue(this.environ, name),
    };
  }
}

/** Last value of a response field, or undefined. */
function responseField(fieldLines: Buffer | null, lowerName: string): string | undefined {
  const lines = (fieldLines?.toString("latin1") ?? "").split("\r\n");
  const line = lines.findLast((text) => text.slice(0, text.indexOf(":")).toLowerCase() === lowerName);
  return line?.slice(lowerName.length + 1).trim();
}

function environValue(environ: string, name: string): string | undefined {
  const parts = environ.split("\0");
  for (let index = 0; index + 1 < parts.length; index += 2) {
    if (parts[index] === name) return parts[index + 1];
  }
  return undefined;
}
