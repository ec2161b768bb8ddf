import { listMembers } from "../http/blanks.ts";
import type { Exchange } from "../http/exchange.ts";
import type { RequestHead } from "../http/request-head.ts";
import { Tunnel } from "./tunnel.ts";
import type { TunnelPlace, Tunnels } from "./tunnels.ts";

/**
 * Whether a request asks for another protocol (RFC 9110 section 7.8). One with a body is answered as any request:
 * where it would end and the other protocol begin, others could see elsewhere. A front server that speaks uwsgi passes
 * bytes on, too, when it is answered 101; it says in which version its client has asked.
 */
export function asksForUpgrade(head: RequestHead): boolean {
  const { names, values, method, version, protocol, framing, variables } = head;
  if (!names.some(({ lower }) => lower === "upgrade")) return false;
  const asked = variables === null ? version : protocol;
  if (method !== "GET" || asked !== "HTTP/1.1" || framing.type !== "none") return false;
  return values.some((value, index) => names[index]?.lower === "connection" && isUpgrade(value));
}

function isUpgrade(connection: string): boolean {
  return listMembers(connection).some((option) => option.toLowerCase() === "upgrade");
}

const WORKER_GONE = 502;

export interface UpgradeOptions {
  readonly exchange: Exchange;
  readonly tunnels: Tunnels;
  readonly isWebSocket: boolean;
  readonly writeStallMs: number;
  /** The connection of the client is gone. */
  readonly onClosed: () => void;
}

/** What becomes of a request that asks for an upgrade: a tunnel, if the application takes its connection over. */
export class Upgrade {
  readonly #options: UpgradeOptions;
  readonly #place: TunnelPlace;
  #tunnel: Tunnel | null = null;
  #timer: NodeJS.Timeout | null = null;
  #hasFailed = false;
  #leavingCode: number | null = null;

  constructor(options: UpgradeOptions) {
    this.#options = options;
    this.#place = options.tunnels.reserve();
  }

  /** By which a worker names the request when it dials. */
  get number(): number {
    return this.#place.number;
  }

  /** The application has the connection: nothing else is said about the request to its client. */
  get hasBegun(): boolean {
    return this.#tunnel !== null;
  }

  /** The worker has said that it dials for this request. */
  begin(): void {
    const { exchange, tunnels, isWebSocket, writeStallMs } = this.#options;
    if (exchange.isAnswered || exchange.isDone) {
      this.close();
      return;
    }
    const client = exchange.switchProtocols();
    const onClosed = (tunnel: Tunnel): void => this.#onClosed(tunnel);
    const tunnel = new Tunnel({ client, isWebSocket, writeStallMs, onClosed });
    this.#tunnel = tunnel;
    if (this.#leavingCode !== null) tunnel.leave(this.#leavingCode);
    tunnels.onOpened();
    this.#place.take((socket) => tunnel.attach(socket));
  }

  /** The application has returned. */
  finish(): void {
    this.#tunnel?.finish();
  }

  /** The application is there no more. */
  fail(status: number): void {
    const tunnel = this.#tunnel;
    if (tunnel === null || this.#hasFailed) return;
    this.#hasFailed = true;
    if (!tunnel.isLeft) this.#options.tunnels.onCut();
    this.#place.close();
    tunnel.fail(status);
  }

  /** The worker, or the server, leaves: a WebSocket is closed with this code. */
  leave(code: number): void {
    this.#leavingCode ??= code;
    this.#tunnel?.leave(this.#leavingCode);
  }

  /** Its worker leaves: a tunnel lasts no longer than this, so that none keeps the process for ever. */
  limit(timeoutMs: number): void {
    this.#timer ??= setTimeout(() => this.fail(WORKER_GONE), timeoutMs).unref();
  }

  /** The request is over, and the worker need not dial any more. */
  close(): void {
    this.#place.close();
  }

  #onClosed({ status, sentBytes }: Tunnel): void {
    const { exchange, tunnels, onClosed } = this.#options;
    if (this.#timer !== null) clearTimeout(this.#timer);
    tunnels.onClosed();
    exchange.status = status;
    exchange.bodyBytes = sentBytes;
    onClosed();
  }
}
