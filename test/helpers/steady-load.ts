import { setTimeout as delay } from "node:timers/promises";

import { type Address, ClientConnection } from "./client.ts";

export interface LoadOptions {
  /** Clients that keep their connection and ask at once again, and clients that open one for each request. */
  readonly keepAlive: number;
  readonly fresh: number;
  /** Clients that keep their connection and let it idle between two requests, as people's browsers do. */
  readonly idling: number;
  readonly target: string;
  /** Throws when an answer is not as it should be. */
  readonly check: (answer: { readonly status: number; readonly text: string }) => void;
}

/** How long a connection idles at most: less than the server's default for `keepalive`. */
const IDLE_MS = 500;

/** Clients that ask until they are told to stop. */
export class SteadyLoad {
  readonly #address: Address;
  readonly #options: LoadOptions;
  readonly #clients: readonly Promise<void>[];
  readonly failures: string[] = [];
  #answers = 0;
  #isStopping = false;

  constructor(address: Address, options: LoadOptions) {
    this.#address = address;
    this.#options = options;
    this.#clients = [
      ...Array.from({ length: options.keepAlive }, () => this.#keepAsking({ isKept: true, idleMs: 0 })),
      ...Array.from({ length: options.idling }, () => this.#keepAsking({ isKept: true, idleMs: IDLE_MS })),
      ...Array.from({ length: options.fresh }, () => this.#keepAsking({ isKept: false, idleMs: 0 })),
    ];
  }

  get answers(): number {
    return this.#answers;
  }

  /** Resolves when every client has its last answer. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#clients);
  }

  async #keepAsking({ isKept, idleMs }: { isKept: boolean; idleMs: number }): Promise<void> {
    let connection: ClientConnection | null = null;
    while (!this.#isStopping) {
      if (idleMs > 0) await delay(Math.random() * idleMs);
      try {
        connection ??= await ClientConnection.connect(this.#address);
        const headers: Record<string, string> = isKept ? {} : { Connection: "close" };
        const answer = await connection.request(this.#options.target, { headers });
        this.#options.check(answer);
        this.#answers += 1;
        if (isKept && answer.headers.get("connection") !== "close") continue;
      } catch (error) {
        const kind = isKept ? "a kept connection" : "a new connection";
        this.failures.push(`${kind}, after ${this.#answers} answers: ${String(error)}`);
      }
      connection?.destroy();
      connection = null;
    }
    connection?.destroy();
  }
}
