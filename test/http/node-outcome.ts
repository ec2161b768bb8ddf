import { createServer, type IncomingMessage, type Server } from "node:http";
import { Duplex } from "node:stream";

/** A request as Node's own server gave it to its application. */
export interface NodeRequest {
  readonly method: string;
  readonly target: string;
  /** Lower-case names with their values, in the order sent, in latin-1. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** In latin-1. */
  readonly body: string;
}

export interface NodeOutcome {
  /** The requests that were complete, and answered. */
  readonly requests: readonly NodeRequest[];
  /** What ended them: the parser's code and reason, or the status of an answer of the server's own. */
  readonly refusal: string;
}

/** Nothing was refused: the server waits for more, or has closed after an answer. */
const NO_REFUSAL = "nothing";

/** Turns of the event loop without a sign of life, after which an input is taken to be done with. */
const QUIET_TURNS = 2;

/** Node's own HTTP server with the checks and limits that it has by default, given octets without a socket. */
export class NodeParser {
  readonly #server: Server;
  #requests: ReceivedRequest[] = [];
  #parserError: string | undefined;
  #events = 0;

  constructor() {
    this.#server = createServer({ insecureHTTPParser: false }, (request, response) => {
      this.#requests.push(new ReceivedRequest(request));
      request.on("end", () => {
        this.#events += 1;
        // Without it the answer to HTTP/1.0 ends with the connection.
        response.setHeader("Content-Length", 0).end();
      });
    });
    // Without a listener the connection is cut, and with it what was answered before.
    this.#server.on("connect", () => (this.#parserError ??= "CONNECT"));
    this.#server.on("clientError", (error: NodeJS.ErrnoException & { readonly reason?: string }) => {
      this.#parserError ??= [error.code, error.reason].filter(Boolean).join(": ");
    });
  }

  /** What it makes of the octets of one connection. */
  async parse(input: Buffer): Promise<NodeOutcome> {
    this.#requests = [];
    this.#parserError = undefined;
    const connection = new MemoryConnection(() => (this.#events += 1));
    this.#server.emit("connection", connection);
    connection.push(input);
    await this.#untilQuiet();
    const complete = this.#requests.filter((request) => request.isComplete).map((request) => request.read());
    // After an answer of its own, such as 400, it still calls its application for what was parsed with it.
    const { count, refusal } = connection.answered;
    connection.destroy();
    await this.#untilQuiet();
    return { requests: complete.slice(0, count), refusal: refusal ?? this.#parserError ?? NO_REFUSAL };
  }

  async #untilQuiet(): Promise<void> {
    let before = -1;
    for (let quiet = 0; quiet < QUIET_TURNS; quiet = before === this.#events ? quiet + 1 : 0) {
      before = this.#events;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

class ReceivedRequest {
  readonly #request: IncomingMessage;
  readonly #pieces: Buffer[] = [];

  constructor(request: IncomingMessage) {
    this.#request = request;
    request.on("data", (piece: Buffer) => this.#pieces.push(piece));
    // It tells that the connection went away before the request was complete.
    request.on("error", () => {});
  }

  get isComplete(): boolean {
    return this.#request.complete;
  }

  read(): NodeRequest {
    const { method = "", url = "", rawHeaders } = this.#request;
    const fields: (readonly [string, string])[] = [];
    for (let index = 0; index < rawHeaders.length; index += 2) {
      fields.push([(rawHeaders[index] ?? "").toLowerCase(), rawHeaders[index + 1] ?? ""]);
    }
    return { method, target: url, fields, body: Buffer.concat(this.#pieces).toString("latin1") };
  }
}

/** The server's side of a connection whose other side is this program. */
class MemoryConnection extends Duplex {
  #written = "";
  readonly #onWrite: () => void;

  constructor(onWrite: () => void) {
    super();
    this.#onWrite = onWrite;
    this.on("error", () => {});
  }

  /** How many requests were answered by the application before the server's own first answer, and what that was. */
  get answered(): { readonly count: number; readonly refusal: string | undefined } {
    const statuses = [...this.#written.matchAll(/^HTTP\/1\.1 ([2-5]\d\d)/gm)].map(([, status]) => status);
    const own = statuses.findIndex((status) => status !== "200");
    return own === -1
      ? { count: statuses.length, refusal: undefined }
      : { count: own, refusal: statuses[own] };
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#written += bytes.toString("latin1");
    this.#onWrite();
    callback();
  }

  /** A server asks it of its sockets; here nothing is waited for. */
  setTimeout(): this {
    return this;
  }
}
