import type { Exchange } from "./exchange.ts";
import type { HttpFault } from "./http-fault.ts";
import type { ProxyPreamble } from "./proxy-protocol.ts";

/** Serves the exchanges of a connection, one at a time. */
export interface ExchangeHandler {
  /** A proxy named the client of the connection, before its first request. */
  onPreamble(preamble: ProxyPreamble): void;
  /** A complete and valid head has come. */
  onHead(exchange: Exchange): void;
  onBody(exchange: Exchange, bytes: Buffer): void;
  /** The request is complete. */
  onEnd(exchange: Exchange): void;
  /** The request is complete, and the client has closed its side. */
  onClientDone(exchange: Exchange): void;
  /** The client has taken what was written: `unsentBytes` is small again. */
  onDrain(exchange: Exchange): void;
  /** The response was written completely. */
  onFinish(exchange: Exchange): void;
  /** The response cannot be completed: the connection is cut, so that the client can tell. */
  onCutOff(exchange: Exchange): void;
  /** The connection is gone before the response was complete. */
  onClose(exchange: Exchange): void;
  /** A request was refused by the engine; `exchange` is null when it had no valid head. */
  onFault(fault: HttpFault, exchange: Exchange | null): void;
}
