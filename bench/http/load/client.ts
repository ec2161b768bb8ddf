import { connect, type Socket } from "node:net";
import { AnswerReader } from "./answer-reader.ts";

/** Long enough that a dead server does not make the generator spin. */
const RETRY_MS = 10;

export interface PreparedRequest {
  readonly bytes: Buffer;
  readonly expectedBody: Buffer;
  readonly isSlow: boolean;
}

export interface LoadTally {
  readonly latenciesMs: number[];
  /** Of the requests that are not slow by themselves. */
  readonly fastLatenciesMs: number[];
  wrongAnswers: number;
  socketErrors: number;
  leastAnswerBytes: number;
  mostAnswerBytes: number;
}

/** One client: a request, its answer, the next request; connects again when the server closes. */
export class Client {
  readonly #port: number;
  readonly #next: () => PreparedRequest;
  readonly #tally: LoadTally;
  readonly #reader = new AnswerReader();
  #request: PreparedRequest | undefined;
  #socket: Socket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #sentMs = 0;

  constructor(port: number, next: () => PreparedRequest, tally: LoadTally) {
    this.#port = port;
    this.#next = next;
    this.#tally = tally;
    this.#connect();
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }

  /** How long the answer under way has been waited for. */
  waitedMs(nowMs: number): number {
    return nowMs - this.#sentMs;
  }

  #connect(): void {
    const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true });
    this.#socket = socket;
    this.#send(socket);
    socket.on("data", (chunk: Buffer) => {
      if (socket !== this.#socket) return;
      try {
        if (this.#reader.read(chunk)) this.#finish(socket);
      } catch {
        this.#fail(socket);
      }
    });
    socket.on("error", () => this.#fail(socket));
    socket.on("close", () => {
      if (socket !== this.#socket) return;
      if (this.#reader.readEnd()) this.#finish(socket);
      else this.#fail(socket);
    });
  }

  #send(socket: Socket): void {
    const request = this.#next();
    this.#request = request;
    this.#reader.reset(request.expectedBody);
    this.#sentMs = performance.now();
    socket.write(request.bytes);
  }

  #finish(socket: Socket): void {
    const tally = this.#tally;
    const latencyMs = performance.now() - this.#sentMs;
    tally.latenciesMs.push(latencyMs);
    if (this.#request?.isSlow !== true) tally.fastLatenciesMs.push(latencyMs);
    if (!this.#reader.isRight) tally.wrongAnswers += 1;
    tally.leastAnswerBytes = Math.min(tally.leastAnswerBytes, this.#reader.bytes);
    tally.mostAnswerBytes = Math.max(tally.mostAnswerBytes, this.#reader.bytes);
    if (!this.#reader.closes) return this.#send(socket);
    this.close();
    this.#connect();
  }

  #fail(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#tally.socketErrors += 1;
    this.close();
    this.#retry = setTimeout(() => this.#connect(), RETRY_MS);
  }
}
