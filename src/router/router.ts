import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { Hello } from "../channel/messages.ts";
import { errorKinds, type TunicornError } from "../errors.ts";
import { Connection } from "../http/connection.ts";
import { ProxyPreambleReader } from "../http/proxy-protocol.ts";
import { RequestParser } from "../http/request-parser.ts";
import type { RequestSource } from "../http/request-source.ts";
import { UwsgiParser } from "../http/uwsgi-parser.ts";
import { errorAnswer, retryAfter } from "../http/error-page.ts";
import { setServerHeader } from "../http/response-head.ts";
import { Ring } from "../queue/ring.ts";
import type { AcceptedConnection } from "../system/accepting.ts";
import { Deadlines } from "../system/deadlines.ts";
import { connectionsWithin, readDescriptorLimit } from "../system/descriptor-limit.ts";
import { Roster, type Seat } from "../system/roster.ts";
import { makeDeferred } from "../system/deferred.ts";
import { BufferBudget } from "./buffer-budget.ts";
import { ClientHandler } from "./client-handler.ts";
import { ClientServers, listening } from "./client-servers.ts";
import { describeClient, isOnUnixSocket, TrustedPeers } from "./client.ts";
import type {
  InheritedListener,
  RequestSummary,
  RouterSettings,
  RouterStart,
  RouterToArbiter,
  WorkerSilence,
} from "./messages.ts";
import { MultiplexChannel } from "./multiplex-channel.ts";
import { MultiplexPool, type MultiplexPoolListener } from "./multiplex-pool.ts";
import type { RouterContext } from "./router-context.ts";
import { GenerationDispatcher } from "./generation-dispatcher.ts";
import { QueueChannel } from "./queue-channel.ts";
import { SharedQueue } from "./shared-queue.ts";
import { Tunnels } from "./tunnels.ts";
import { RouterLogs } from "./router-logs.ts";
import { WebSocketUpgrader } from "./websocket-upgrader.ts";
import { describeRequests } from "./wording.ts";
import { WorkerChannel } from "./worker-channel.ts";
import { WorkerGreeting } from "./worker-greeting.ts";
import { WorkerPool, type WorkerPoolListener } from "./worker-pool.ts";

/** Deadlines fire up to this late. */
const DEADLINE_INTERVAL_MS = 100;

/** For a client that is turned away to take its answer. */
const TURN_AWAY_MS = 1000;

type State = "serving" | "draining" | "stopped";

/** A connection of a client, and who answers on it. */
interface Served {
  readonly connection: Connection;
  readonly handler: ClientHandler;
}

/** The router: client connections on one side, workers on the other. */
export class Router implements WorkerPoolListener, MultiplexPoolListener {
  readonly #tell: (message: RouterToArbiter) => void;
  readonly #deadlines = new Deadlines(DEADLINE_INTERVAL_MS);
  readonly #connections = new Roster<Served>();
  /** Without a descriptor for it, a client would be closed by Node without an answer. */
  readonly #connectionRoom = connectionsWithin(readDescriptorLimit());
  readonly #budget: BufferBudget;
  readonly #servers: ClientServers;
  readonly #logs: RouterLogs;
  readonly #tunnels: Tunnels;
  readonly #pool: WorkerPool;
  readonly #multiplex: MultiplexPool;
  readonly #queue: SharedQueue | null;
  readonly #dispatcher: GenerationDispatcher;
  readonly #channelPath: string;
  #channelServer: Server | null = null;
  #context: RouterContext;
  #state: State = "serving";
  /** Of a drain: another server has the listeners too. */
  #isReplaced = false;

  constructor(start: RouterStart, tell: (message: RouterToArbiter) => void) {
    const { settings } = start;
    this.#tell = tell;
    this.#logs = new RouterLogs(settings, {
      ports: () => this.#servers.ports,
      waiting: () => this.#dispatcher.waiting,
    });
    this.#tunnels = new Tunnels(this.#logs.errorLog);
    const poolOptions = {
      generation: start.generation,
      listener: this,
      deadlines: this.#deadlines,
      limits: () => this.#context.settings.capacity,
    };
    this.#pool = new WorkerPool(poolOptions);
    this.#multiplex = new MultiplexPool(poolOptions);
    const ring = start.ringPath === null ? null : new Ring(start.ringPath);
    if (ring !== null) this.#deadlines.add(ring.places);
    this.#queue = ring === null ? null : this.#openQueue(ring, start.router);
    this.#dispatcher = new GenerationDispatcher({
      pool: this.#pool,
      queue: this.#queue,
      places: ring?.places ?? null,
      multiplex: this.#multiplex,
    });
    const { multiplexes } = settings.application;
    this.#dispatcher.activate(start.generation, { multiplexes, tokensPath: start.tokensPath });
    this.#budget = new BufferBudget({
      limits: () => this.#context.settings.capacity,
      measure: () => this.#measureMemory(),
      onExhausted: () => this.#shed(),
      deadlines: this.#deadlines,
    });
    this.#channelPath = start.channelPath;
    this.#servers = new ClientServers((accepted, listener) => this.#accept(accepted, listener));
    this.#context = this.#makeContext(settings);
    setServerHeader(settings.serverHeader);
  }

  /** Listens for workers. */
  async listen(): Promise<void> {
    this.#channelServer = createServer((socket) => this.#acceptWorker(socket));
    // A router that was killed has left its socket behind.
    rmSync(this.#channelPath, { force: true });
    await listening(this.#channelServer, () => this.#channelServer?.listen(this.#channelPath));
  }

  /** Listens for clients on a socket, whose handle came with a message. */
  async openListener(listener: InheritedListener, handle: object): Promise<void> {
    if (this.#state === "draining") this.#state = "serving";
    await this.#servers.open(listener, handle);
  }

  async widenListener(id: number, handle: object): Promise<void> {
    await this.#servers.widen(id, handle);
  }

  /**
   * Takes in what waits in the backlogs of these listeners, and closes them. Their connections serve what is
   * under way and one request more: none is closed under the hands of a client that is about to ask.
   */
  async closeListeners(ids: readonly number[]): Promise<void> {
    await this.#servers.drain(ids);
    this.#connections.forEach(({ connection, handler }) => {
      if (ids.includes(handler.listener.id)) connection.drain({ closesIdle: false });
    });
  }

  configure(settings: RouterSettings): void {
    this.#logs.configure(settings);
    this.#context = this.#makeContext(settings);
    setServerHeader(settings.serverHeader);
  }

  activate(generation: number, tokensPath: string | null): void {
    const { application, gracefulTimeoutMs } = this.#context.settings;
    this.#tunnels.announceEnd(gracefulTimeoutMs);
    this.#dispatcher.activate(generation, { multiplexes: application.multiplexes, tokensPath });
  }

  retireWorker(worker: number): void {
    this.#dispatcher.retireWorker(worker);
  }

  /** Lets all workers go. */
  retireWorkers(): void {
    this.#dispatcher.retireAll();
  }

  reopenLogs(): void {
    this.#logs.reopen();
  }

  /**
   * Closes the listeners, and lets every connection finish. Resolves when all is answered. At the end of the
   * server what waits in the backlogs is taken in first, and idle connections are closed; at a handover others
   * serve the backlogs, and idle connections have the time that they always have.
   */
  async drain({ isHandover }: { readonly isHandover: boolean }): Promise<void> {
    this.#state = "draining";
    this.#tunnels.announceEnd(this.#context.settings.gracefulTimeoutMs);
    if (isHandover) this.#servers.close();
    else await this.#servers.drain();
    this.#isReplaced = isHandover;
    this.#connections.forEach(({ connection, handler }) => {
      connection.drain({ closesIdle: !isHandover });
      handler.leave(isHandover);
    });
    await this.#allConnectionsClosed();
    if (this.#queue !== null)
      this.#logs.errorLog.debug(`Shared queue at the end: ${this.#queue.takeStock()}`);
  }

  /** Ends everything now; resolves when the access log is written. */
  async stop(): Promise<void> {
    this.#state = "stopped";
    this.#servers.close();
    this.#nameCutOff();
    this.#tunnels.cutAll();
    this.#connections.forEach(({ connection }) => connection.destroy());
    // Those of tunnels have an access line when they are closed.
    await this.#allConnectionsClosed();
    this.#dispatcher.destroy();
    this.#channelServer?.close();
    this.#deadlines.close();
    await this.#logs.close();
  }

  /** Also those whose workers can say it themselves: one that is stuck cannot. */
  #nameCutOff(): void {
    const now = performance.now();
    const requests: RequestSummary[] = [];
    this.#connections.forEach(({ handler }) => {
      const request = handler.underWay(now);
      if (request !== null) requests.push(request);
    });
    if (requests.length > 0) this.#logs.errorLog.warning(`Cutting off ${describeRequests(requests)}`);
  }

  onWorkerDialled(worker: number, pid: number): void {
    this.#logs.errorLog.debug(`Worker ${worker} (pid:${pid}) dialled`);
  }

  onWorkerReady(worker: number): void {
    this.#tell({ type: "worker-ready", worker });
  }

  onWorkerLeaving(worker: number): void {
    this.#tell({ type: "worker-leaving", worker });
  }

  onWorkerLost(worker: number, request: RequestSummary | null, others = 0): void {
    // What we have cut off ourselves is named already.
    const named = this.#state === "stopped" ? { request: null, others: 0 } : { request, others };
    this.#tell({ type: "worker-lost", worker, ...named });
  }

  onWorkerSilent(worker: number, silence: WorkerSilence): void {
    this.#tell({ type: "worker-silent", worker, silence });
  }

  onWorkerTimeout(worker: number, request: RequestSummary): void {
    this.#tell({ type: "worker-timeout", worker, request });
  }

  onProtocolError(worker: number, error: TunicornError): void {
    this.#logs.errorLog.error(
      `Worker ${worker} broke the channel's protocol and is disconnected: ${error.message}`,
    );
  }

  #makeContext(settings: RouterSettings): RouterContext {
    return {
      settings,
      trustedPeers: new TrustedPeers(settings.forwardedAllowIps),
      frontPeers: frontPeersOf(settings),
      dispatcher: this.#dispatcher,
      bodyPlaces: () => this.#dispatcher.bodyPlaces,
      tunnels: this.#tunnels,
      budget: this.#budget,
      errorLog: this.#logs.errorLog,
      overload: this.#logs.overload,
      accessLog: () => this.#logs.access,
      webSockets: new WebSocketUpgrader(settings.webSockets, this.#deadlines),
      needsResponseFields: this.#logs.access?.needsResponseFields === true,
      bodyDirectory: settings.bodyDirectory ?? dirname(this.#channelPath),
    };
  }

  #accept(accepted: AcceptedConnection, listener: InheritedListener): void {
    const { settings, trustedPeers, frontPeers } = this.#context;
    if (this.#connections.size >= Math.min(settings.capacity.connections, this.#connectionRoom)) {
      this.#logs.overload.connectionRefused(accepted.peer.remoteAddress ?? listener.url);
      this.#turnAway(accepted, 503);
      return;
    }
    // A peer that has reset its connection already has no address, and nobody to answer to.
    const { peer } = accepted;
    if (peer.remoteAddress === undefined && !isOnUnixSocket(listener)) {
      accepted.close();
      return;
    }
    const client = describeClient(peer, listener, trustedPeers);
    if (!isOnUnixSocket(listener) && frontPeers?.includes(client.address) === false) {
      this.#logs.errorLog.warning(
        `${client.address} may not speak for clients (proxy_allow_ips, uwsgi_allow_ips)`,
      );
      this.#turnAway(accepted, errorKinds.ERR_PROXY_PEER.httpStatus ?? 403);
      return;
    }
    const handler = new ClientHandler(() => this.#context, client);
    const connection = new Connection({
      accepted,
      source: makeSource(settings),
      preambleReader:
        settings.proxyProtocol === "off" ? null : new ProxyPreambleReader(settings.proxyProtocol),
      timeouts: settings.timeouts,
      deadlines: this.#deadlines,
      handler,
      onClosed: () => this.#forget(seat),
      onLargeHead: () => this.#budget.refresh(),
    });
    const seat = this.#connections.add({ connection, handler });
    if (this.#state !== "draining") return;
    connection.drain();
    handler.leave(this.#isReplaced);
  }

  /** A connection that is not wanted: it is told so, and not kept. */
  #turnAway(accepted: AcceptedConnection, status: number): void {
    const socket = accepted.open({ allowHalfOpen: true });
    socket.on("error", () => socket.destroy());
    const timer = setTimeout(() => socket.destroy(), TURN_AWAY_MS);
    socket.on("close", () => clearTimeout(timer));
    socket.resume();
    socket.end(errorAnswer(status, { extraLines: status === 503 ? retryAfter(TURN_AWAY_MS) : "" }));
  }

  #measureMemory(): number {
    let bytes = 0;
    this.#connections.forEach(({ connection, handler }) => {
      bytes += connection.memoryBytes + handler.memoryBytes;
    });
    return bytes;
  }

  #shed(): void {
    this.#connections.forEach(({ connection, handler }) => {
      connection.shed();
      handler.shed();
    });
  }

  #acceptWorker(socket: Socket): void {
    const greeting = new WorkerGreeting({
      socket,
      deadlines: this.#deadlines,
      onHello: (hello) => this.#addWorker(socket, hello),
      onJoin: (number) => this.#tunnels.join(number, socket),
      onProtocolError: (error) => this.onProtocolError(0, error),
    });
    void greeting;
  }

  #addWorker(socket: Socket, hello: Hello): void {
    const queue = this.#queue;
    if (hello.isPulling && queue !== null) {
      queue.add(new QueueChannel({ socket, hello, listener: queue }));
      return;
    }
    const options = {
      socket,
      deadlines: this.#deadlines,
      timeoutMs: () => this.#context.settings.workerTimeoutMs,
    };
    if (hello.multiplexing === undefined)
      this.#pool.add(new WorkerChannel({ ...options, listener: this.#pool }));
    else this.#multiplex.add(new MultiplexChannel({ ...options, listener: this.#multiplex }));
  }

  #openQueue(ring: Ring, router: number): SharedQueue {
    return new SharedQueue({
      ring,
      router,
      listener: this,
      deadlines: this.#deadlines,
      limits: () => this.#context.settings.capacity,
      timeoutMs: () => this.#context.settings.workerTimeoutMs,
    });
  }

  #emptied = makeDeferred();

  async #allConnectionsClosed(): Promise<void> {
    if (this.#connections.size > 0) await this.#emptied.promise;
  }

  #forget(seat: Seat<Served>): void {
    this.#connections.remove(seat);
    if (this.#connections.size > 0) return;
    this.#emptied.resolve();
    this.#emptied = makeDeferred();
  }
}

function makeSource({ protocol, limits, policy }: RouterSettings): RequestSource {
  return protocol === "uwsgi" ? new UwsgiParser(limits, policy) : new RequestParser(limits, policy);
}

/** Peers that may speak for clients, where only such may connect. */
function frontPeersOf(settings: RouterSettings): TrustedPeers | null {
  if (settings.protocol === "uwsgi") return new TrustedPeers(settings.uwsgiAllowIps);
  return settings.proxyProtocol === "off" ? null : new TrustedPeers(settings.proxyAllowIps);
}
