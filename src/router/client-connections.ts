import { errorKinds } from "../errors.ts";
import { Connection } from "../http/connection.ts";
import { ProxyPreambleReader } from "../http/proxy-protocol.ts";
import { RequestParser } from "../http/request-parser.ts";
import type { RequestSource } from "../http/request-source.ts";
import { UwsgiParser } from "../http/uwsgi-parser.ts";
import type { AcceptedConnection } from "../system/accepting.ts";
import type { Deadlines } from "../system/deadlines.ts";
import { makeDeferred } from "../system/deferred.ts";
import { connectionsWithin, readDescriptorLimit } from "../system/descriptor-limit.ts";
import { Roster, type Seat } from "../system/roster.ts";
import { ClientHandler } from "./client-handler.ts";
import { describeClient, isOnUnixSocket, nameOfClient } from "./client.ts";
import type { InheritedListener, RequestSummary, RouterSettings } from "./messages.ts";
import type { RouterContext } from "./router-context.ts";
import { turnAway } from "./turn-away.ts";

/** A connection of a client, and who answers on it. */
interface Served {
  readonly connection: Connection;
  readonly handler: ClientHandler;
}

export interface ClientConnectionsOptions {
  /** Asked for each connection and each request, so that a reload reaches them. */
  readonly context: () => RouterContext;
  readonly deadlines: Deadlines;
}

/** The connections of a router's clients: each is served, or turned away, and has to end when the router does. */
export class ClientConnections {
  readonly #options: ClientConnectionsOptions;
  readonly #served = new Roster<Served>();
  /** Without a descriptor for it, a client would be closed by Node without an answer. */
  readonly #room = connectionsWithin(readDescriptorLimit());
  /** Null while nothing is about to end. */
  #leaving: { readonly isReplaced: boolean } | null = null;
  #emptied = makeDeferred();

  constructor(options: ClientConnectionsOptions) {
    this.#options = options;
  }

  /** Bytes of requests and responses that they hold in memory. */
  get memoryBytes(): number {
    let bytes = 0;
    this.#served.forEach(({ connection, handler }) => {
      bytes += connection.memoryBytes + handler.memoryBytes;
    });
    return bytes;
  }

  /** The requests that are not over yet. */
  underWay(now: number): RequestSummary[] {
    const requests: RequestSummary[] = [];
    this.#served.forEach(({ handler }) => {
      const request = handler.underWay(now);
      if (request !== null) requests.push(request);
    });
    return requests;
  }

  /** Serves a connection, if there is room for it and its peer may speak for clients. */
  accept(accepted: AcceptedConnection, listener: InheritedListener): void {
    const { settings, trustedPeers, frontPeers, tls, overload, errorLog } = this.#options.context();
    if (this.#served.size >= Math.min(settings.capacity.connections, this.#room)) {
      overload.connectionRefused(accepted.peer.remoteAddress ?? listener.url);
      turnAway(accepted, 503, tls !== null);
      return;
    }
    // A peer that has reset its connection already has no address, and nobody to answer to.
    const { peer } = accepted;
    if (peer.remoteAddress === undefined && !isOnUnixSocket(listener)) {
      accepted.close();
      return;
    }
    const client = describeClient(peer, listener, trustedPeers, tls !== null);
    if (!isOnUnixSocket(listener) && frontPeers?.includes(client.address) === false) {
      errorLog.warning(`${client.address} may not speak for clients (proxy_allow_ips, uwsgi_allow_ips)`);
      turnAway(accepted, errorKinds.ERR_PROXY_PEER.httpStatus ?? 403, tls !== null);
      return;
    }
    const { context, deadlines } = this.#options;
    const handler = new ClientHandler(context, client);
    const onRefused = (reason: string): void => {
      context().errorLog.warning(`No TLS connection with ${nameOfClient(client)}: ${reason}`);
    };
    const connection = new Connection({
      accepted,
      tls: tls?.entranceFor(onRefused) ?? null,
      source: makeSource(settings),
      preambleReader:
        settings.proxyProtocol === "off" ? null : new ProxyPreambleReader(settings.proxyProtocol),
      timeouts: settings.timeouts,
      deadlines,
      handler,
      onClosed: () => this.#forget(seat),
      onLargeHead: () => context().budget.refresh(),
    });
    const seat = this.#served.add({ connection, handler });
    if (this.#leaving === null) return;
    connection.drain();
    handler.leave(this.#leaving.isReplaced);
  }

  /** The router is leaving: whoever comes from now on is served once. `isReplaced`: another one has the listeners. */
  beginLeaving(isReplaced: boolean): void {
    this.#leaving = { isReplaced };
  }

  /** Whoever comes from now on is served as usual. */
  endLeaving(): void {
    this.#leaving = null;
  }

  /** Lets every connection finish, once leaving has begun. `closesIdle`: those without a request close now. */
  drain({ closesIdle }: { readonly closesIdle: boolean }): void {
    const isReplaced = this.#leaving?.isReplaced === true;
    this.#served.forEach(({ connection, handler }) => {
      connection.drain({ closesIdle });
      handler.leave(isReplaced);
    });
  }

  /** Connections of these listeners serve what is under way, and one request more. */
  drainListeners(ids: readonly number[]): void {
    this.#served.forEach(({ connection, handler }) => {
      if (ids.includes(handler.listener.id)) connection.drain({ closesIdle: false });
    });
  }

  /** Memory is short: what takes much of it without a limit of time is given up. */
  shed(): void {
    this.#served.forEach(({ connection, handler }) => {
      connection.shed();
      handler.shed();
    });
  }

  /** Closes all, without waiting. */
  destroy(): void {
    this.#served.forEach(({ connection }) => connection.destroy());
  }

  /** Resolves when none is left. */
  async allClosed(): Promise<void> {
    if (this.#served.size > 0) await this.#emptied.promise;
  }

  #forget(seat: Seat<Served>): void {
    this.#served.remove(seat);
    if (this.#served.size > 0) return;
    this.#emptied.resolve();
    this.#emptied = makeDeferred();
  }
}

function makeSource({ protocol, limits, policy }: RouterSettings): RequestSource {
  return protocol === "uwsgi" ? new UwsgiParser(limits, policy) : new RequestParser(limits, policy);
}
