import type { ExchangeHandler } from "../http/exchange-handler.ts";
import type { Exchange } from "../http/exchange.ts";
import type { HttpFault } from "../http/http-fault.ts";
import type { ProxyPreamble } from "../http/proxy-protocol.ts";
import { makeFaultRecord } from "./access-record.ts";
import { frontedClient, nameOfClient, relayedClient, type Client } from "./client.ts";
import type { ClientRequest } from "./client-request.ts";
import type { InheritedListener, RequestSummary } from "./messages.ts";
import { RoutedRequest } from "./routed-request.ts";
import { StreamedRequest } from "./streamed-request.ts";
import { isWebSocketHandshake } from "./websocket-handshake.ts";
import { WebSocketRequest } from "./websocket-request.ts";
import type { RouterContext } from "./router-context.ts";

/** Serves the exchanges of one client connection, one after another. */
export class ClientHandler implements ExchangeHandler {
  readonly #context: () => RouterContext;
  #client: Client;
  #exchange: Exchange | null = null;
  #request: ClientRequest | null = null;
  #leaving: { readonly isReplaced: boolean } | null = null;

  /** `context` is asked for each request, so that a reload reaches connections that are kept alive. */
  constructor(context: () => RouterContext, client: Client) {
    this.#context = context;
    this.#client = client;
  }

  /** Where the client connected. */
  get listener(): InheritedListener {
    return this.#client.listener;
  }

  /** Bytes of a request body that are in memory. */
  get memoryBytes(): number {
    return this.#request?.memoryBytes ?? 0;
  }

  /** The request that is not over yet, or null. */
  underWay(now: number): RequestSummary | null {
    if (this.#request === null || this.#exchange === null) return null;
    const { head, startedAt } = this.#exchange;
    return { method: head.method, target: head.target, ageMs: now - startedAt };
  }

  onPreamble(preamble: ProxyPreamble): void {
    this.#client = relayedClient(this.#client, preamble, this.#context().trustedPeers);
  }

  onHead(exchange: Exchange): void {
    const { variables } = exchange.head;
    const client = variables === null ? this.#client : frontedClient(this.#client, variables);
    const context = this.#context();
    const request = makeRequest(context, client, exchange);
    this.#exchange = exchange;
    this.#request = request;
    request.begin();
    if (this.#leaving !== null) request.leave(this.#leaving);
  }

  /** The server is leaving; `isReplaced`: another one serves in its place. */
  leave(isReplaced: boolean): void {
    this.#leaving = { isReplaced };
    this.#request?.leave(this.#leaving);
  }

  shed(): void {
    this.#request?.shed();
  }

  onBody(_exchange: Exchange, bytes: Buffer): void {
    this.#request?.addBody(bytes);
  }

  onEnd(): void {
    this.#request?.complete();
  }

  onDrain(): void {
    this.#request?.onDrain();
  }

  onClientDone(): void {
    this.#request?.onClientDone();
  }

  onFinish(): void {
    this.#request?.finish();
    this.#request = null;
  }

  onCutOff(): void {
    this.onFinish();
  }

  onClose(): void {
    this.#request?.onClientGone();
    this.#request = null;
  }

  onFault(fault: HttpFault, exchange: Exchange | null): void {
    const { errorLog, accessLog } = this.#context();
    errorLog.warning(`Invalid request from ${nameOfClient(this.#client)}: ${fault.message}`);
    if (exchange === null) accessLog()?.write(makeFaultRecord(this.#client, fault.status));
    else this.#request?.finish(fault.status);
    this.#request?.cancel();
    this.#request = null;
  }
}

function makeRequest(context: RouterContext, client: Client, exchange: Exchange): ClientRequest {
  if (context.settings.application.interface === "wsgi") return new RoutedRequest(context, client, exchange);
  if (isWebSocketHandshake(exchange.head)) return new WebSocketRequest(context, client, exchange);
  return new StreamedRequest(context, client, exchange);
}
