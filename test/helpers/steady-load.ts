import { type Address, ClientConnection } from "./client.ts";

export interface LoadOptions {
  /** Clients that keep their connection, and clients that open one for each request. */
  readonly keepAlive: number;
  readonly fresh: number;
  readonly target: string;
  /** Throws when an answer is not as it should be. */
  readonly check: (answer: { readonly status: number; readonly text: string }) => void;
}

/** Clients that ask without a pause until they are told to stop. */
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
      ...Array.from({ length: options.keepAlive }, () => this.#keepAsking(true)),
      ...Array.from({ length: options.fresh }, () => this.#keepAsking(false)),
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

  async #keepAsking(isKept: boolean): Promise<void> {
    let connection: ClientConnection | null = null;
    while (!this.#isStopping) {
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
