import type { IncomingMessage } from "node:http";
import type { WebSocket, WebSocketServer } from "ws";
import type { HandedOver } from "../http/handed-over.ts";
import type { RequestHead } from "../http/request-head.ts";
import type { Deadlines } from "../system/deadlines.ts";
import type { WebSocketSettings } from "./messages.ts";
import { KeptCompression } from "./websocket-compression.ts";
import { handshakeFields } from "./websocket-handshake.ts";

/** A message below this size is not worth compressing. */
const COMPRESSION_THRESHOLD_BYTES = 1024;

/** How long a client may take to answer a close before its connection is cut. */
const CLOSE_MS = 5_000;

export interface UpgradeInput {
  readonly head: RequestHead;
  readonly connection: HandedOver;
  /** What the application has chosen; "" for none. */
  readonly subprotocol: string;
  /** Further fields of the answer, each ending in CRLF. */
  readonly fieldLines: Buffer;
}

let library: Promise<typeof import("ws")> | null = null;

/** The library is large, so a router for WSGI applications does without it. */
function loadLibrary(): Promise<typeof import("ws")> {
  library ??= import("ws");
  return library;
}

/** What all WebSockets of a router share. */
export class WebSocketUpgrader {
  readonly settings: WebSocketSettings;
  readonly deadlines: Deadlines;
  readonly compression = new KeptCompression();
  #server: WebSocketServer | null = null;
  /** That which is being answered. */
  #current: UpgradeInput | null = null;

  constructor(settings: WebSocketSettings, deadlines: Deadlines) {
    this.settings = settings;
    this.deadlines = deadlines;
  }

  /** To be awaited before `upgrade`. */
  async load(): Promise<void> {
    if (this.#server !== null) return;
    const { WebSocketServer: Server } = await loadLibrary();
    this.#server ??= this.#makeServer(Server);
  }

  #makeServer(Server: typeof WebSocketServer): WebSocketServer {
    const { maxMessageBytes, compresses } = this.settings;
    const options = {
      noServer: true,
      clientTracking: false,
      maxPayload: maxMessageBytes,
      perMessageDeflate: compresses && {
        threshold: COMPRESSION_THRESHOLD_BYTES,
        // Zlib's own defaults take eight times the memory, for each WebSocket that has sent such a message.
        serverMaxWindowBits: 12,
        zlibDeflateOptions: { memLevel: 5, chunkSize: 4096 },
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
      },
      handleProtocols: () => this.#current?.subprotocol || false,
      closeTimeout: CLOSE_MS,
    };
    const server = new Server(options);
    server.on("headers", (headers) => headers.push(...this.#furtherFields()));
    // Without a listener the library would answer by itself.
    server.on("wsClientError", () => {});
    return server;
  }

  /** Answers 101 and opens the WebSocket; null when the client is gone. */
  upgrade(input: UpgradeInput): WebSocket | null {
    this.#current = input;
    const fields = handshakeFields(input.head);
    const { "sec-websocket-extensions": extensions, ...others } = fields;
    // An offer of extensions that makes no sense is declined (RFC 7692 section 5).
    const webSocket =
      this.#open(input, fields) ?? (extensions === undefined ? null : this.#open(input, others));
    this.#current = null;
    if (webSocket === null) input.connection.socket.destroy();
    // HTTP may have held back what comes behind a request.
    webSocket?.resume();
    return webSocket;
  }

  #open({ head, connection }: UpgradeInput, headers: Record<string, string>): WebSocket | null {
    // The library asks for a request of Node's own server, and reads no more of it than this.
    const request = { method: head.method, url: head.target, headers } as unknown as IncomingMessage;
    let opened: WebSocket | null = null;
    const { socket, bytes } = connection;
    // The library writes its answer as a string.
    socket.setDefaultEncoding("latin1");
    this.#server?.handleUpgrade(request, socket, bytes, (webSocket) => {
      opened = webSocket;
    });
    socket.setDefaultEncoding("utf8");
    return opened;
  }

  #furtherFields(): readonly string[] {
    return this.#current?.fieldLines.toString("latin1").split("\r\n").filter(Boolean) ?? [];
  }
}
