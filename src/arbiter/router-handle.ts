import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
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
  readonly listeners: readonly Listener[];
  readonly backlog: number;
  readonly channelPath: string;
  readonly ringPath: string | null;
  readonly generation: number;
  readonly tokensPath: string | null;
  readonly leftovers: Leftovers;
  /** Whose rights it has: what it needs of more is handed over. */
  readonly identity: Identity;
  readonly listener: RouterListener;
}

/** Time for a router to start and listen. */
const LISTENING_MS = 15_000;

/** Descriptors 0 to 2 are the standard streams, 3 is the IPC channel. */
const FIRST_LISTENER_FD = 4;

/** In one file where there is a build (scripts/bundle.js). */
const ROUTER_FILE = import.meta.url.endsWith(".ts") ? "../router/main.ts" : "../bundle/router.cjs";
const ROUTER_PROGRAM = fileURLToPath(new URL(ROUTER_FILE, import.meta.url));

/** The arbiter's view of a router process. */
export class RouterHandle {
  readonly #process: ChildProcess;
  readonly #uid: number | null;
  #isGone = false;
  readonly exited: Promise<void>;

  private constructor(options: RouterOptions) {
    const { uid, gid } = options.identity;
    this.#uid = uid;
    this.#process = fork(ROUTER_PROGRAM, [], {
      stdio: ["ignore", "inherit", "inherit", "ipc", ...options.listeners.map((listener) => listener.fd)],
      ...(uid === null ? {} : { uid }),
      ...(gid === null ? {} : { gid }),
    });
    this.#process.on("message", (message: RouterToArbiter) => options.listener.onMessage(message));
    // Sending to a router that has just died fails; its exit is what counts.
    this.#process.on("error", () => undefined);
    this.exited = new Promise((resolve) => {
      this.#process.once("exit", (status, signal) => {
        this.#isGone = true;
        options.listener.onExit(status, signal);
        resolve();
      });
    });
  }

  /** Starts a router and waits until it listens. Throws ERR_ROUTER_LOST or what it failed with. */
  static async start(options: RouterOptions): Promise<RouterHandle> {
    const router = new RouterHandle(options);
    const listening = router.#waitUntilListening();
    router.send({
      type: "start",
      router: options.router,
      settings: options.settings,
      listeners: options.listeners.map((listener, index) =>
        describeListener(listener, FIRST_LISTENER_FD + index, options.backlog),
      ),
      channelPath: options.channelPath,
      ringPath: options.ringPath,
      generation: options.generation,
      tokensPath: options.tokensPath,
      leftovers: options.leftovers,
    });
    await listening;
    return router;
  }

  send(message: ArbiterToRouter): void {
    if (this.#process.connected) this.#process.send(message);
  }

  /** Hands a further socket over; the router answers with "listener-opened". */
  openListener(listener: Listener, backlog: number): void {
    if (!this.#process.connected) return;
    this.#process.send(
      { type: "open-listener", listener: describeListener(listener, -1, backlog) } satisfies ArbiterToRouter,
      listener.handle,
    );
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  /** A program in root's own folder is beyond the reach of other users. */
  get #whoIsIt(): string {
    return this.#uid === null
      ? ""
      : `; it runs as user ${this.#uid}, who must be able to read ${ROUTER_PROGRAM}`;
  }

  #waitUntilListening(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (message: string, address: string | null = null): void => {
        clearTimeout(timer);
        this.kill();
        reject(
          address === null ? new TunicornError("ERR_ROUTER_LOST", message) : listenError(address, message),
        );
      };
      const timer = setTimeout(() => fail("The router did not listen in time"), LISTENING_MS);
      this.#process.on("message", (message: RouterToArbiter) => {
        if (message.type === "failed") fail(`The router cannot listen: ${message.message}`, message.address);
        if (message.type !== "listening") return;
        clearTimeout(timer);
        resolve();
      });
      void this.exited.then(() => fail(`The router process ended while it started${this.#whoIsIt}`));
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

function describeListener(listener: Listener, fd: number, backlog: number): InheritedListener {
  const { url, serverName, serverPort } = listener;
  return { id: listener.fd, fd, url, serverName, serverPort, backlog };
}
