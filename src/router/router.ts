import type { Socket } from "node:net";
import { dirname } from "node:path";
import type { Hello } from "../channel/messages.ts";
import type { TunicornError } from "../errors.ts";
import { setServerHeader } from "../http/response-head.ts";
import { TlsServer } from "../http/tls-server.ts";
import { Ring } from "../queue/ring.ts";
import { Deadlines } from "../system/deadlines.ts";
import { BufferBudget } from "./buffer-budget.ts";
import { ClientConnections } from "./client-connections.ts";
import { ClientServers } from "./client-servers.ts";
import { TrustedPeers } from "./client.ts";
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
import { WorkerServer } from "./worker-server.ts";

/** Deadlines fire up to this late. */
const DEADLINE_INTERVAL_MS = 100;

/** The router: client connections on one side, workers on the other. */
export class Router implements WorkerPoolListener, MultiplexPoolListener {
  readonly #tell: (message: RouterToArbiter) => void;
  readonly #deadlines = new Deadlines(DEADLINE_INTERVAL_MS);
  readonly #connections: ClientConnections;
  readonly #budget: BufferBudget;
  readonly #servers: ClientServers;
  readonly #logs: RouterLogs;
  readonly #tunnels: Tunnels;
  readonly #pool: WorkerPool;
  readonly #multiplex: MultiplexPool;
  readonly #queue: SharedQueue | null;
  readonly #dispatcher: GenerationDispatcher;
  readonly #channelPath: string;
  readonly #workerServer: WorkerServer;
  #context: RouterContext;
  /** Everything is being ended: what was cut off is named already. */
  #isStopped = false;

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
      measure: () => this.#connections.memoryBytes,
      onExhausted: () => this.#connections.shed(),
      deadlines: this.#deadlines,
    });
    this.#channelPath = start.channelPath;
    this.#workerServer = new WorkerServer(
      start.channelPath,
      (socket) => this.#acceptWorker(socket),
      this.#logs.errorLog,
    );
    this.#connections = new ClientConnections({ context: () => this.#context, deadlines: this.#deadlines });
    this.#servers = new ClientServers((accepted, listener) => this.#connections.accept(accepted, listener));
    this.#context = this.#makeContext(settings);
    setServerHeader(settings.serverHeader);
  }

  /** Listens for workers. */
  async listen(): Promise<void> {
    await this.#workerServer.listen();
  }

  /** Listens for clients on a socket, whose handle came with a message. */
  async openListener(listener: InheritedListener, handle: object): Promise<void> {
    this.#connections.endLeaving();
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
    this.#connections.drainListeners(ids);
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
    this.#connections.beginLeaving(isHandover);
    this.#tunnels.announceEnd(this.#context.settings.gracefulTimeoutMs);
    if (isHandover) this.#servers.close();
    else await this.#servers.drain();
    this.#connections.drain({ closesIdle: !isHandover });
    await this.#connections.allClosed();
    if (this.#queue !== null)
      this.#logs.errorLog.debug(`Shared queue at the end: ${this.#queue.takeStock()}`);
  }

  /** Ends everything now; resolves when the access log is written. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#servers.close();
    this.#nameCutOff();
    this.#tunnels.cutAll();
    this.#connections.destroy();
    // Those of tunnels have an access line when they are closed.
    await this.#connections.allClosed();
    this.#dispatcher.destroy();
    this.#workerServer.close();
    this.#deadlines.close();
    await this.#logs.close();
  }

  /** Also those whose workers can say it themselves: one that is stuck cannot. */
  #nameCutOff(): void {
    const requests = this.#connections.underWay(performance.now());
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
    const named = this.#isStopped ? { request: null, others: 0 } : { request, others };
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
      tls: settings.tls === null ? null : new TlsServer(settings.tls),
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
}

/** Peers that may speak for clients, where only such may connect. */
function frontPeersOf(settings: RouterSettings): TrustedPeers | null {
  if (settings.protocol === "uwsgi") return new TrustedPeers(settings.uwsgiAllowIps);
  return settings.proxyProtocol === "off" ? null : new TrustedPeers(settings.proxyAllowIps);
}
