import type { ChildProcess } from "node:child_process";
import { TunicornError } from "../errors.ts";
import type {
  ArbiterToRouter,
  InheritedListener,
  Leftovers,
  RouterSettings,
  RouterToArbiter,
} from "../router/messages.ts";
import type { Identity } from "./identity.ts";
import type { Listener } from "./listener.ts";
import { ROUTER_PROGRAM, spawnRouter, type EarlyRouter } from "./router-process.ts";

/** What a router tells without being asked. */
export interface RouterListener {
  onMessage(message: RouterToArbiter): void;
  /** The process is gone, for whatever reason. */
  onExit(status: number | null, signal: NodeJS.Signals | null): void;
}

export interface RouterOptions {
  /** Its number among those of the server. */
  readonly router: number;
  readonly settings: RouterSettings;
  /** What it is to listen on; asked again while it starts, since a reload may change it meanwhile. */
  readonly listeners: () => readonly Listener[];
  readonly backlog: number;
  readonly channelPath: string;
  readonly ringPath: string | null;
  readonly generation: number;
  readonly tokensPath: string | null;
  readonly leftovers: Leftovers;
  /** Whose rights it has: what it needs of more is handed over. */
  readonly identity: Identity;
  readonly listener: RouterListener;
  /** A process that may be there already. */
  readonly early: EarlyRouter | null;
}

/** Time for a router to start and listen. */
const LISTENING_MS = 15_000;

/** In one turn the event loop accepts one connection from each handle; those of one turn share its costs. */
const HANDLES_OF_LISTENER = 4;

/** The arbiter's view of a router process. */
export class RouterHandle {
  readonly #process: ChildProcess;
  readonly #uid: number | null;
  #isGone = false;
  readonly exited: Promise<void>;
  /** It listens. Rejects with ERR_ROUTER_LOST, or with what it failed with. */
  readonly opened: Promise<void>;

  /** Starts a router. */
  constructor(options: RouterOptions) {
    const { identity, early } = options;
    this.#uid = identity.uid;
    this.#process = early?.take(identity) ?? spawnRouter(identity);
    this.#process.on("message", (message: RouterToArbiter) => options.listener.onMessage(message));
    this.exited = new Promise((resolve) => {
      this.#process.once("exit", (status, signal) => {
        this.#isGone = true;
        options.listener.onExit(status, signal);
        resolve();
      });
    });
    this.opened = this.#waitUntilOpened(options);
    this.send({
      type: "start",
      router: options.router,
      settings: options.settings,
      workingFolder: process.cwd(),
      channelPath: options.channelPath,
      ringPath: options.ringPath,
      generation: options.generation,
      tokensPath: options.tokensPath,
      leftovers: options.leftovers,
    });
  }

  send(message: ArbiterToRouter): void {
    if (this.#process.connected) this.#process.send(message);
  }

  /** Hands a further socket over; the router answers with "listener-opened". */
  openListener(listener: Listener, backlog: number): void {
    if (!this.#process.connected) return;
    this.#process.send(
      { type: "open-listener", listener: describeListener(listener, backlog) } satisfies ArbiterToRouter,
      listener.handle,
    );
    for (let count = 1; count < HANDLES_OF_LISTENER; count += 1) {
      const message: ArbiterToRouter = { type: "widen-listener", id: listener.fd };
      // A socket that is closed meanwhile needs no further handle.
      this.#process.send(message, listener.handle, undefined, () => undefined);
    }
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  /** Names the user of the router, if it is another one: perhaps root's own folder is closed to it. */
  get #userHint(): string {
    return this.#uid === null
      ? ""
      : `; it runs as user ${this.#uid}, who must be able to read ${ROUTER_PROGRAM}`;
  }

  /** Opens one listener after another, so that the one that fails has a name. */
  #waitUntilOpened({ listeners, backlog }: RouterOptions): Promise<void> {
    const given = new Set<Listener>();
    let opening: Listener | undefined;
    return new Promise((resolve, reject) => {
      const end = (error: TunicornError | null): void => {
        clearTimeout(timer);
        this.#process.off("message", onMessage);
        if (error === null) resolve();
        else {
          this.kill();
          reject(error);
        }
      };
      const fail = (message: string): void => end(new TunicornError("ERR_ROUTER_LOST", message));
      const openNext = (): void => {
        opening = listeners().find((listener) => !given.has(listener));
        if (opening === undefined) {
          end(null);
          return;
        }
        given.add(opening);
        this.openListener(opening, backlog);
      };
      const onMessage = (message: RouterToArbiter): void => {
        if (message.type === "failed") fail(`The router cannot start: ${message.message}`);
        if (message.type === "listening") openNext();
        if (message.type !== "listener-opened") return;
        if (message.error !== null && opening !== undefined) end(listenError(opening.url, message.error));
        else openNext();
      };
      const timer = setTimeout(() => fail("The router did not listen in time"), LISTENING_MS);
      this.#process.on("message", onMessage);
      void this.exited.then(() => fail(`The router process ended while it started${this.#userHint}`));
    });
  }
}

/** Two may bind the same port, as long as only one of them listens. */
function listenError(address: string, message: string): TunicornError {
  const reason = message.includes("EADDRINUSE") ? "the address is in use" : message;
  return new TunicornError("ERR_BIND", `Cannot listen at ${address}: ${reason}`, {
    hint: "Look whether another address of bind has this port, or a server that was started at the same moment",
  });
}

function describeListener(listener: Listener, backlog: number): InheritedListener {
  const { url, serverName, serverPort } = listener;
  return { id: listener.fd, url, serverName, serverPort, backlog };
}
