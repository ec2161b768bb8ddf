import { connect, type Socket } from "node:net";
import { AnswerReader } from "./answer-reader.ts";

/** Long enough that a dead server does not make the generator spin. */
const RETRY_MS = 10;

export interface LoadTally {
  readonly latenciesMs: number[];
  wrongStatuses: number;
  socketErrors: number;
}

/** One client: a request, its answer, the next request; connects again when the server closes. */
export class LoadConnection {
  readonly #port: number;
  readonly #request: string;
  readonly #tally: LoadTally;
  readonly #reader = new AnswerReader();
  #socket: Socket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #sentMs = 0;

  constructor(port: number, path: string, tally: LoadTally) {
    this.#port = port;
    this.#request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;
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
    this.#reader.reset();
    this.#sentMs = performance.now();
    socket.write(this.#request);
  }

  #finish(socket: Socket): void {
    this.#tally.latenciesMs.push(performance.now() - this.#sentMs);
    if (this.#reader.status !== 200) this.#tally.wrongStatuses += 1;
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
