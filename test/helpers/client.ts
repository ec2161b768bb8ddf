import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";

import { ANSWER_DEADLINE_MS, withDeadline } from "./deadlines.ts";
import { onTeardown } from "./teardown.ts";

export interface Answer {
  readonly version: string;
  readonly status: number;
  readonly reason: string;
  /** Names in lower case; a repeated field's values joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** The body as UTF-8. */
  readonly text: string;
}

export interface ReadOptions {
  /** The method of the request that is answered: the answer to HEAD has no body. */
  readonly method?: string;
  readonly deadlineMs?: number;
}

export interface RequestOptions extends ReadOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent under a Content-Length, which is added. */
  readonly body?: Buffer | string;
}

/** A TCP port of 127.0.0.1, or the path of a Unix socket. */
export type Address = number | string;

/** The connection ended before the answer was whole. `received` is what had come of the answer's body. */
export class ConnectionCut extends Error {
  override readonly name = "ConnectionCut";
  readonly received: Buffer;
  /** The system's code, such as ECONNRESET, when the connection did not simply end. */
  readonly code: string | undefined;

  constructor(received: Buffer, code: string | undefined) {
    super(`The connection was cut ${received.length} bytes into the body (${code ?? "ended"})`);
    this.received = received;
    this.code = code;
  }
}

const LINE_END = Buffer.from("\r\n");

/** One connection of an HTTP/1.1 client that sends any bytes and reads strict answers. No wait is without a deadline. */
export class ClientConnection {
  readonly #socket: Socket;
  #arrived: Buffer[] = [];
  #arrivedLength = 0;
  #ended = false;
  #errorCode: string | undefined;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      this.#arrived.push(bytes);
      this.#arrivedLength += bytes.length;
      this.#wake();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#errorCode = error.code;
    });
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  /** Opens a connection that is destroyed when the test ends. */
  static async open(t: TestContext, address: Address): Promise<ClientConnection> {
    const connection = await ClientConnection.connect(address);
    onTeardown(t, () => connection.destroy());
    return connection;
  }

  /** Opens a connection that the caller destroys. */
  static async connect(address: Address): Promise<ClientConnection> {
    const socket = typeof address === "number" ? connect(address, "127.0.0.1") : connect({ path: address });
    const connection = new ClientConnection(socket);
    const opened = new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    try {
      await withDeadline(opened, { deadlineMs: ANSWER_DEADLINE_MS, what: `connection to ${address}` });
    } catch (failure) {
      socket.destroy();
      throw failure;
    }
    return connection;
  }

  /** One request on a connection of its own. */
  static async request(address: Address, target: string, options: RequestOptions = {}): Promise<Answer> {
    const connection = await ClientConnection.connect(address);
    try {
      const headers = { ...options.headers, Connection: "close" };
      return await connection.request(target, { ...options, headers });
    } finally {
      connection.destroy();
    }
  }

  /** Sends bytes as they are; a text is sent in latin-1. */
  send(bytes: Buffer | string): void {
    this.#socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  /** Sends a body in the chunked coding, the head of its request having gone before. */
  sendChunks(body: Buffer, chunkBytes: number): void {
    for (let start = 0; start < body.length; start += chunkBytes) {
      const chunk = body.subarray(start, start + chunkBytes);
      this.send(`${chunk.length.toString(16)}\r\n`);
      this.send(chunk);
      this.send("\r\n");
    }
    this.send("0\r\n\r\n");
  }

  async request(target: string, options: RequestOptions = {}): Promise<Answer> {
    this.sendRequest(target, options);
    return this.readAnswer(options);
  }

  sendRequest(target: string, { method = "GET", headers = {}, body }: RequestOptions = {}): void {
    const fields: Record<string, string> = { Host: "127.0.0.1", ...headers };
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    if (bytes !== undefined) {
      fields["Content-Length"] = String(bytes.length);
    }
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    this.send(`${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`);
    if (bytes !== undefined) {
      this.send(bytes);
    }
  }

  /** Reads the next answer to its end; an interim one (1xx) is an answer too. */
  async readAnswer({ method = "GET", deadlineMs = ANSWER_DEADLINE_MS }: ReadOptions = {}): Promise<Answer> {
    return withDeadline(this.#readAnswer(method), {
      deadlineMs,
      what: () => `answer to ${method}, with ${this.#arrivedLength} bytes waiting`,
    });
  }

  /** Resolves when `text` has come, with everything that came and was not read; it stays to be read. */
  async readUntil(text: string, { deadlineMs = ANSWER_DEADLINE_MS }: ReadOptions = {}): Promise<string> {
    const search = async (): Promise<string> => {
      for (;;) {
        const waiting = this.#collect().toString("latin1");
        if (waiting.includes(text)) {
          return waiting;
        }
        await this.#moreAfter([]);
      }
    };
    return withDeadline(search(), { deadlineMs, what: () => `${JSON.stringify(text)} from the server` });
  }

  /** Resolves when the server has ended the connection. */
  async readEnd({ deadlineMs = ANSWER_DEADLINE_MS }: ReadOptions = {}): Promise<void> {
    const ended = async (): Promise<void> => {
      while (!this.#ended) {
        await this.#nextEvent();
      }
    };
    await withDeadline(ended(), { deadlineMs, what: "end of the connection" });
  }

  /** Whether the server has left the connection open as far as is known here. */
  get isOpen(): boolean {
    return !this.#ended;
  }

  /** How many bytes came that were not read. */
  get waitingBytes(): number {
    return this.#arrivedLength;
  }

  /** Takes nothing more from the server: its answer backs up. */
  stopReading(): void {
    this.#socket.pause();
  }

  /** Reads on. */
  goOnReading(): void {
    this.#socket.resume();
  }

  /** Sends no more; what the server says is still read. */
  endSending(): void {
    this.#socket.end();
  }

  /** Everything that comes until the server ends the connection. */
  async readRest(options: ReadOptions = {}): Promise<Buffer> {
    await this.readEnd(options);
    const rest = this.#collect();
    this.#keep(Buffer.alloc(0));
    return rest;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async #readAnswer(method: string): Promise<Answer> {
    const startLine = await this.#takeLine();
    const matched = /^(HTTP\/1\.[01]) (\d{3}) (.*)$/.exec(startLine);
    if (matched === null) {
      throw new Error(`Not a status line: ${JSON.stringify(startLine)}`);
    }
    const [, version = "", status = "", reason = ""] = matched;
    const headers = await this.#takeHeaders();
    const body = await this.#takeBody({ method, status: Number(status), headers });
    return { version, status: Number(status), reason, headers, body, text: body.toString("utf8") };
  }

  async #takeHeaders(): Promise<Map<string, string>> {
    const headers = new Map<string, string>();
    for (let line = await this.#takeLine(); line !== ""; line = await this.#takeLine()) {
      const matched = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line);
      if (matched === null) {
        throw new Error(`Not a header line: ${JSON.stringify(line)}`);
      }
      const [, name = "", value = ""] = matched;
      const known = headers.get(name.toLowerCase());
      headers.set(name.toLowerCase(), known === undefined ? value : `${known}, ${value}`);
    }
    return headers;
  }

  async #takeBody({
    method,
    status,
    headers,
  }: {
    method: string;
    status: number;
    headers: ReadonlyMap<string, string>;
  }): Promise<Buffer> {
    if (method === "HEAD" || status < 200 || status === 204 || status === 304) {
      return Buffer.alloc(0);
    }
    if (headers.get("transfer-encoding")?.toLowerCase() === "chunked") {
      return this.#takeChunks();
    }
    const length = headers.get("content-length");
    if (length !== undefined) {
      return this.#take(Number(length), []);
    }
    while (!this.#ended) {
      await this.#nextEvent();
    }
    if (this.#errorCode !== undefined) {
      throw new ConnectionCut(this.#collect(), this.#errorCode);
    }
    const body = this.#collect();
    this.#keep(Buffer.alloc(0));
    return body;
  }

  async #takeChunks(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for (;;) {
      const sizeLine = await this.#takeLine(chunks);
      if (!/^[0-9A-Fa-f]+$/.test(sizeLine)) {
        throw new Error(`Not a chunk size: ${JSON.stringify(sizeLine)}`);
      }
      const size = Number.parseInt(sizeLine, 16);
      if (size === 0) {
        const trailer = await this.#takeLine(chunks);
        if (trailer !== "") {
          throw new Error(`A trailer that nobody announced: ${JSON.stringify(trailer)}`);
        }
        return Buffer.concat(chunks);
      }
      const chunk = await this.#take(size + LINE_END.length, chunks);
      if (!chunk.subarray(size).equals(LINE_END)) {
        throw new Error(`A chunk of ${size} bytes did not end in CRLF`);
      }
      chunks.push(chunk.subarray(0, size));
    }
  }

  /** `before` is the part of the body already read, told when the connection is cut here. */
  async #takeLine(before: readonly Buffer[] = []): Promise<string> {
    for (;;) {
      const bytes = this.#collect();
      const end = bytes.indexOf(LINE_END);
      if (end !== -1) {
        this.#keep(bytes.subarray(end + LINE_END.length));
        return bytes.toString("latin1", 0, end);
      }
      await this.#moreAfter(before);
    }
  }

  async #take(length: number, before: readonly Buffer[]): Promise<Buffer> {
    while (this.#arrivedLength < length) {
      await this.#moreAfter(before);
    }
    const bytes = this.#collect();
    this.#keep(bytes.subarray(length));
    return bytes.subarray(0, length);
  }

  async #moreAfter(before: readonly Buffer[]): Promise<void> {
    if (this.#ended) {
      throw new ConnectionCut(Buffer.concat([...before, this.#collect()]), this.#errorCode);
    }
    await this.#nextEvent();
  }

  #collect(): Buffer {
    const [only] = this.#arrived;
    if (this.#arrived.length === 1 && only !== undefined) {
      return only;
    }
    const bytes = Buffer.concat(this.#arrived);
    this.#keep(bytes);
    return bytes;
  }

  #keep(bytes: Buffer): void {
    this.#arrived = [bytes];
    this.#arrivedLength = bytes.length;
  }

  #nextEvent(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** One request on a connection of its own: most tests need no more. */
export function request(address: Address, target: string, options: RequestOptions = {}): Promise<Answer> {
  return ClientConnection.request(address, target, options);
}
