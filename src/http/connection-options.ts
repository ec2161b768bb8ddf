import type { AcceptedConnection } from "../system/accepting.ts";
import type { Deadlines } from "../system/deadlines.ts";
import type { ExchangeHandler } from "./exchange-handler.ts";
import type { ProxyPreambleReader } from "./proxy-protocol.ts";
import type { RequestSource } from "./request-source.ts";
import type { TlsEntrance } from "./tls-server.ts";

/** How long a connection may wait for its client, in milliseconds; Infinity: for ever. */
export interface ConnectionTimeouts {
  /** Idle between two requests (`keepalive`). */
  readonly keepAliveMs: number;
  /** From the first byte of a request, or from accepting, to a complete head. */
  readonly headMs: number;
  /** Between two pieces of a request body. */
  readonly bodyStallMs: number;
  /** Bytes a second that a request body must average after its first seconds; 0: any rate. */
  readonly bodyBytesPerSecond: number;
  /** Without the client taking any byte of a response. */
  readonly writeStallMs: number;
}

export interface ConnectionOptions {
  readonly accepted: AcceptedConnection;
  /** What the connection is encrypted by; null: it is not. */
  readonly tls: TlsEntrance | null;
  /** Reads requests out of the connection's bytes. */
  readonly source: RequestSource;
  /** Reads the PROXY preamble before the first request, if there has to be one. */
  readonly preambleReader: ProxyPreambleReader | null;
  readonly timeouts: ConnectionTimeouts;
  readonly deadlines: Deadlines;
  readonly handler: ExchangeHandler;
  readonly onClosed: () => void;
  /** A head is large and still incomplete. Whoever finds that memory is short calls `shed`. */
  readonly onLargeHead: () => void;
}
