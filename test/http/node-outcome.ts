import { createServer, type IncomingMessage, type Server } from "node:http";
import { Duplex } from "node:stream";

/** A request that Node's own server gave to its application, and that came to its end. */
export interface NodeRequest {
  readonly method: string;
  readonly target: string;
  /** Lower-case names with their values, in the order sent, in latin-1. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** In latin-1. */
  readonly body: string;
}

export interface NodeOutcome {
  readonly requests: readonly NodeRequest[];
  /** Why it took no more: the parser's code and reason, or the status of its own refusal. Undefined: it waits for more. */
  readonly refusal: string | undefined;
}

/** Turns of the event loop without a sign of life after which an input is taken to be done with. */
const QUIET_TURNS = 2;

/** Node's own HTTP server with the checks and limits that it has by default, given octets without a socket. */
export class NodeParser {
  readonly #server: Server;
  #requests: ReceivedRequest[] = [];
  #parserError: string | undefined;
  #events = 0;

  constructor() {
    this.#server = createServer({ insecureHTTPParser: false }, (request, response) => {
      const received = new ReceivedRequest(request);
      this.#requests.push(received);
      request.on("end", () => {
        this.#events += 1;
        response.end();
      });
    });
    this.#server.on("connect", () => (this.#parserError ??= "CONNECT has no listener"));
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
    const complete = this.#requests.filter((request) => request.isComplete).map((request) => request.told);
    const { answeredBefore, status } = connection.firstRefusal;
    const outcome = {
      requests: status === undefined ? complete : complete.slice(0, answeredBefore),
      refusal: status ?? this.#parserError,
    };
    connection.destroy();
    await this.#untilQuiet();
    return outcome;
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
    // It tells that the connection was given up before the request was complete.
    request.on("error", () => {});
  }

  get isComplete(): boolean {
    return this.#request.complete;
  }

  get told(): NodeRequest {
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

  /** A request may be refused by the server itself, which then goes on with what follows it. */
  get firstRefusal(): { readonly answeredBefore: number; readonly status: string | undefined } {
    const statuses = [...this.#written.matchAll(/^HTTP\/1\.1 ([2-5]\d\d)/gm)].map(([, status]) => status);
    const index = statuses.findIndex((status) => status !== "200");
    return { answeredBefore: index, status: statuses[index] };
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#written += bytes.toString("latin1");
    this.#onWrite();
    callback();
  }

  /** The server asks it of its sockets; here nothing is waited for. */
  setTimeout(): this {
    return this;
  }
}
