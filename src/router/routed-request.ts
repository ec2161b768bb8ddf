import type { FilePart, RequestBody, ResponseMessage } from "../channel/messages.ts";
import type { Exchange, LentResponse } from "../http/exchange.ts";
import { HttpFault } from "../http/http-fault.ts";
import { fieldValue } from "../http/request-head.ts";
import { SLOT_BYTES, SLOTS_LIMIT } from "../queue/ring-layout.ts";
import type { BodyCollector } from "./body-collector.ts";
import type { ClientRequest } from "./client-request.ts";
import { nameOfClient, type Client } from "./client.ts";
import type { RequestFailure, RequestWorker, WorkerRequest } from "./dispatcher.ts";
import { cookEnviron } from "./environ.ts";
import { PlacedBody } from "./placed-body.ts";
import { RequestBodyCollector } from "./request-body.ts";
import { ResponseRelay, failureStatus, type RelayedRequest } from "./response-relay.ts";
import type { RouterContext } from "./router-context.ts";
import { Upgrade, asksForUpgrade } from "./upgrade.ts";
import { GOING_AWAY, SERVICE_RESTART } from "./websocket-codes.ts";
import { isOfVersion13 } from "./websocket-handshake.ts";

/** Bodies above this size do not fit into the slots of a request. */
const PLACED_FROM_BYTES = SLOTS_LIMIT * SLOT_BYTES;

/** One request on its way: from its client, complete, to a worker, and the response back. */
export class RoutedRequest implements WorkerRequest, ClientRequest, RelayedRequest {
  environ = "";
  environChanges = "";
  body: RequestBody = { type: "memory", pieces: [], bytes: 0 };
  isCancelled = false;
  submittedAt = 0;
  readonly #context: RouterContext;
  readonly #client: Client;
  readonly #exchange: Exchange;
  readonly #relay: ResponseRelay;
  #collector: BodyCollector | null = null;
  #worker: RequestWorker | null = null;
  #isWithWorker = false;
  /** Of a request that asks for another protocol. */
  #upgrade: Upgrade | null = null;
  /** With which a WebSocket of the application's own is closed: its worker, or the server, is leaving. */
  #leavingCode: number | null = null;
  /** Its worker writes to the client, and alone knows how much. */
  #isLent = false;
  /** The client is gone, and the access line waits for that number. */
  #isLineDue = false;

  constructor(context: RouterContext, client: Client, exchange: Exchange) {
    this.#context = context;
    this.#client = client;
    this.#exchange = exchange;
    this.#relay = new ResponseRelay({ context, client, exchange, request: this });
  }

  /** Gets ready for the body, or refuses the request by what its head announces. */
  begin(): void {
    const { framing } = this.#exchange.head;
    if (this.#context.budget.isExhausted) {
      this.#relay.answerError("ERR_OVERLOADED");
      return;
    }
    if (framing.type === "none") return;
    if (framing.type === "length" && framing.bytes > this.#context.settings.capacity.bodyBytes) {
      this.#refuseBody();
      return;
    }
    this.#collector = framing.type === "length" ? this.#findPlace(framing.bytes) : null;
    this.#collector ??= this.#makeCollector();
  }

  get method(): string {
    return this.#exchange.head.method;
  }

  get target(): string {
    return this.#exchange.head.target;
  }

  get keepsBytes(): boolean {
    return this.#relay.keepsBytes;
  }

  addBody(bytes: Buffer): void {
    const collector = this.#collector;
    if (collector === null || this.isCancelled) return;
    if (collector.bytes + bytes.length > this.#context.settings.capacity.bodyBytes) this.#refuseBody();
    else collector.add(bytes);
  }

  /** The body is larger than allowed: the answer comes at once, and the connection closes after it. */
  #refuseBody(): void {
    this.cancel();
    this.#relay.answerError("ERR_HTTP_BODY_TOO_LARGE");
  }

  /** The application may be called. */
  complete(): void {
    if (this.#exchange.isAnswered) return;
    const collector = this.#collector;
    if (collector === null) {
      this.#submit(this.body);
      return;
    }
    const body = collector.inMemory();
    if (body !== null) this.#submit(body);
    else void this.#submitFromFile(collector);
  }

  async #submitFromFile(collector: BodyCollector): Promise<void> {
    const body = await collector.complete();
    if (body !== null && !this.isCancelled) this.#submit(body);
  }

  get memoryBytes(): number {
    return this.#collector?.memoryBytes ?? 0;
  }

  cancel(): void {
    // A tunnel tells the application by itself that its client is gone.
    if (this.#upgrade?.hasBegun === true) return;
    this.#upgrade?.close();
    this.isCancelled = true;
    this.#relay.close();
    if (this.#worker === null) this.#context.dispatcher.cancel(this);
    else this.#worker.cancel();
    this.#discardBody();
  }

  onClientGone(): void {
    if (this.#upgrade?.hasBegun === true) return;
    this.cancel();
    if (this.#isLent) this.#isLineDue = true;
    else this.#relay.finishWithoutClient();
  }

  onClientDone(): void {
    // What answers an upgrade is written by the application, which knows nothing of an octet sent ahead.
    const mayProbe = this.#worker === null && !this.isCancelled && this.#upgrade === null;
    if (mayProbe) this.#exchange.probe();
  }

  onDrain(): void {
    if (this.#relay.isStreaming) this.#relay.onDrain();
    else this.#worker?.resume();
  }

  onIssued(): void {
    this.#isWithWorker = true;
  }

  onWithdrawn(): void {
    this.#isWithWorker = false;
  }

  onStart(worker: RequestWorker): void {
    this.#worker = worker;
    this.#relay.workerPid = worker.pid;
  }

  onResponse(message: ResponseMessage): void {
    if (this.#isTunnelled(message.after.isEnd)) return;
    this.#relay.respond(message);
    if (message.after.isEnd) this.#release();
  }

  onBorrow(message: ResponseMessage): LentResponse | null {
    const lent = this.#isTunnelled(false) ? null : this.#relay.lend(message);
    this.#isLent = lent !== null;
    return lent;
  }

  onReturned(writtenBytes: number, isEnd: boolean): void {
    this.#relay.takeBack(writtenBytes);
    this.#endLoan();
    if (!isEnd || this.isCancelled) return;
    this.#release();
    this.#relay.end();
  }

  onTunnel(): void {
    this.#upgrade?.begin();
  }

  onRetire(): void {
    this.#upgrade?.limit(this.#context.settings.gracefulTimeoutMs);
    this.#leave(SERVICE_RESTART);
  }

  /** Whether the application has the connection. What else is said about the request is not for its client. */
  #isTunnelled(isEnd: boolean): boolean {
    if (this.#upgrade === null) return false;
    if (!this.#upgrade.hasBegun) {
      this.#upgrade.close();
      return false;
    }
    if (isEnd) {
      this.#release();
      this.#upgrade.finish();
    }
    return true;
  }

  onBody(bytes: Buffer, isEnd: boolean): void {
    if (this.#isTunnelled(isEnd)) return;
    this.#relay.write(bytes);
    if (isEnd) {
      this.#release();
      this.#relay.end();
    } else if (this.#relay.isFull) {
      this.#worker?.pause();
    }
  }

  onEnviron(entries: string): void {
    this.environChanges = entries;
  }

  onInterim(status: number, fieldLines: Buffer): void {
    this.#exchange.interim(status, fieldLines);
  }

  async onFile(part: FilePart): Promise<boolean> {
    const isTaken = await this.#relay.takeFile(part);
    if (isTaken) this.#release();
    // Nobody wants the file of a client that is gone.
    return isTaken || this.isCancelled;
  }

  onFailure(failure: RequestFailure): void {
    if (failure === "raised" && this.#isTunnelled(true)) return;
    this.#release();
    if (this.#upgrade?.hasBegun === true) {
      this.#upgrade.fail(failureStatus(failure));
      return;
    }
    this.#upgrade?.close();
    this.#relay.fail(failure);
  }

  leave({ isReplaced }: { readonly isReplaced: boolean }): void {
    this.#leave(isReplaced ? SERVICE_RESTART : GOING_AWAY);
  }

  #leave(code: number): void {
    this.#leavingCode ??= code;
    this.#upgrade?.leave(this.#leavingCode);
  }

  shed(): void {}

  finish(status?: number): void {
    this.#relay.finish(status);
  }

  onRoom(): void {
    this.#worker?.resume();
  }

  onGivenUp(): void {
    this.#worker?.cancel();
  }

  /** A large body goes to a place in the ring as it comes. */
  #findPlace(bytes: number): BodyCollector | null {
    const { budget, bodyPlaces } = this.#context;
    if (bytes <= PLACED_FROM_BYTES || budget.isTight) return null;
    const places = bodyPlaces();
    const place = places?.take(bytes) ?? null;
    if (places === null || place === null) return null;
    this.#exchange.useBodyAtOnce();
    return new PlacedBody({ places, place, makeOther: () => this.#makeCollector() });
  }

  takeBodyOut(): void {
    if (this.body.type === "placed" && this.#collector instanceof PlacedBody)
      this.body = this.#collector.takeOut();
  }

  #makeCollector(): BodyCollector {
    return new RequestBodyCollector({
      directory: this.#context.bodyDirectory,
      memoryBytes: () => this.#context.budget.requestMemoryBytes,
      onPause: () => this.#exchange.pauseBody(),
      onResume: () => this.#exchange.resumeBody(),
      onError: (error) => {
        this.#context.errorLog.error(
          `Cannot store the body of ${this.method} ${this.target}: ${error.message}`,
        );
        this.isCancelled = true;
        this.#relay.answerError("ERR_BODY_STORAGE");
      },
    });
  }

  #submit(body: RequestBody): void {
    this.body = body;
    const { head } = this.#exchange;
    if (asksForUpgrade(head)) this.#upgrade = this.#makeUpgrade();
    try {
      this.environ = cookEnviron({
        head,
        client: this.#client,
        settings: this.#context.settings,
        bodyBytes: this.#collector?.bytes ?? this.#announcedBytes(),
        tunnel: this.#upgrade?.number ?? null,
      });
    } catch (error) {
      if (!(error instanceof HttpFault)) throw error;
      this.#context.errorLog.warning(`Invalid request from ${nameOfClient(this.#client)}: ${error.message}`);
      this.#discardBody();
      this.#upgrade?.close();
      this.#relay.answerError(error.code);
      return;
    }
    this.submittedAt = performance.now();
    this.#context.dispatcher.submit(this);
  }

  #makeUpgrade(): Upgrade {
    const { tunnels, settings } = this.#context;
    const upgrade = new Upgrade({
      exchange: this.#exchange,
      tunnels,
      isWebSocket: isOfVersion13(this.#exchange.head),
      writeStallMs: settings.timeouts.writeStallMs,
      onClosed: () => this.#relay.finish(),
    });
    if (this.#leavingCode !== null) upgrade.leave(this.#leavingCode);
    return upgrade;
  }

  /** `Content-Length: 0` is told to the application, a missing length is not. */
  #announcedBytes(): number | null {
    return fieldValue(this.#exchange.head, "content-length") === undefined ? null : 0;
  }

  #endLoan(): void {
    this.#isLent = false;
    if (this.#isLineDue) this.#relay.finishWithoutClient();
    this.#isLineDue = false;
  }

  /** The worker has given its response, or failed to. */
  #release(): void {
    this.#worker = null;
    this.#discardBody();
  }

  onReleased(): void {
    this.#isWithWorker = false;
    this.#endLoan();
    this.#discardBody();
  }

  /** Not while a worker may still open the body's file: its descriptor could be another's by then. */
  #discardBody(): void {
    if (!this.#isWithWorker) this.#collector?.discard();
  }
}
