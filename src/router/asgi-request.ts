import type { Exchange } from "../http/exchange.ts";
import { cookAsgiHead } from "./asgi-head.ts";
import type { Client } from "./client.ts";
import type { StreamWorker } from "./dispatcher.ts";
import { ResponseRelay, type RelayedRequest } from "./response-relay.ts";
import type { RouterContext } from "./router-context.ts";

const NO_BODY = { type: "memory", pieces: [], bytes: 0 } as const;

/** What requests to an ASGI application have in common, whether or not they become a WebSocket. */
export abstract class AsgiRequest implements RelayedRequest {
  readonly interface = "asgi";
  abstract readonly isWebSocket: boolean;
  /** What is sent with the request: a body follows as it comes. */
  readonly body = NO_BODY;
  /** For the access log alone: an ASGI application has no environ. */
  abstract readonly environ: string;
  readonly environChanges = "";
  submittedAt = 0;
  protected readonly context: RouterContext;
  protected readonly client: Client;
  protected readonly exchange: Exchange;
  protected readonly relay: ResponseRelay;
  /** The worker that has it, until the response has ended. */
  protected worker: StreamWorker | null = null;

  constructor(context: RouterContext, client: Client, exchange: Exchange) {
    this.context = context;
    this.client = client;
    this.exchange = exchange;
    this.relay = new ResponseRelay({ context, client, exchange, request: this });
  }

  get streaming(): this {
    return this;
  }

  get target(): string {
    return this.exchange.head.target;
  }

  /** Throws an HttpFault when the head cannot be told to an application. */
  protected cookHead(): string {
    const { exchange, client, isWebSocket } = this;
    const { settings, trustedPeers } = this.context;
    return cookAsgiHead({ head: exchange.head, client, settings, trustedPeers, isWebSocket });
  }

  onStream(worker: StreamWorker): void {
    this.worker = worker;
    this.relay.workerPid = worker.pid;
  }

  onDrain(): void {
    this.relay.onDrain();
    this.worker?.resume();
  }

  onRoom(): void {
    this.worker?.resume();
  }

  onInterim(status: number, fieldLines: Buffer): void {
    this.exchange.interim(status, fieldLines);
  }

  abstract onGivenUp(): void;

  // What only matters to a request that has a file for its body, or an environ.
  onIssued(): void {}

  onWithdrawn(): void {}

  onStart(): void {}

  onReleased(): void {}

  onEnviron(): void {}
}
