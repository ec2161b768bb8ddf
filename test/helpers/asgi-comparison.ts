import { connect, type Socket } from "node:net";

import { readAnswers, type RawAnswer } from "./answer-text.ts";
import { request, type Address } from "./client.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "./deadlines.ts";

/** A step of a case's client, as test/fixtures/apps/asgi_cases.py describes it. */
type ClientStep =
  | string
  | { readonly do: "read-continue" | "leave" | "half-close" | "go-on" }
  | { readonly do: "taken"; readonly count: number };

export type Cases = Readonly<Record<string, readonly ClientStep[]>>;

/** What a server has made of a case: each fact by its name. */
export type Outcome = ReadonlyMap<string, string>;

const PROBE = "GET / HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n";
const PROBED = '"nothing was asked"';

/** Asks the application something that is about no case. */
export async function ask(address: Address, what: string, name = ""): Promise<unknown> {
  const answer = await request(address, "/", { headers: { "X-Tell": what, "X-Name": name } });
  return JSON.parse(answer.text);
}

/** Plays a case to its end, and on the same connection a further request, which shows whether it goes on. */
export async function playCase(
  address: Address,
  name: string,
  steps: readonly ClientStep[],
): Promise<Outcome> {
  const client = await Client.connect(address, methodsOf(steps));
  try {
    const hasLeft = await client.play(address, name, steps);
    const answered = hasLeft ? [] : await client.finish();
    const seen = (await ask(address, "seen", name)) as {
      readonly scope: Readonly<Record<string, string>>;
      readonly events: readonly string[];
    };
    const scope = Object.entries(seen.scope).map(([key, value]) => [`scope ${key}`, value] as const);
    const call: readonly (readonly [string, string])[] =
      scope.length === 0
        ? [["application", "not called"]]
        : [["application", "called"], ...scope, ["events", seen.events.join("; ")]];
    return new Map([...call, ...answered]);
  } finally {
    client.destroy();
  }
}

function methodsOf(steps: readonly ClientStep[]): string[] {
  const text = steps.filter((step) => typeof step === "string").join("");
  return [...text.matchAll(/^([A-Z]+) \S+ HTTP\/1\.[01]\r$/gm)].map(([, method = ""]) => method);
}

class Client {
  readonly #socket: Socket;
  readonly #methods: readonly string[];
  #text = "";
  #isEnded = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket, methods: readonly string[]) {
    this.#socket = socket;
    this.#methods = methods;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.#text += text;
      this.#wake();
    });
    // A server that has closed resets when more is sent to it.
    socket.on("error", () => this.#onEnd());
    socket.on("end", () => this.#onEnd());
  }

  static async connect(address: Address, methods: readonly string[]): Promise<Client> {
    const where = typeof address === "number" ? { port: address, host: "127.0.0.1" } : { path: address };
    const socket = connect({ ...where, allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new Client(socket, methods);
  }

  /** Whether the client has left. */
  async play(address: Address, name: string, steps: readonly ClientStep[]): Promise<boolean> {
    for (const step of steps) {
      if (typeof step === "string") {
        this.#socket.write(step.replaceAll("X-Case: @", `X-Case: ${name}`), "latin1");
        continue;
      }
      switch (step.do) {
        case "taken":
          await ask(address, String(step.count), name);
          break;
        case "go-on":
          await ask(address, step.do, name);
          break;
        case "read-continue":
          await this.#until(() => this.#text.includes("\r\n\r\n"), "100 Continue");
          break;
        case "half-close":
          this.#socket.end();
          break;
        case "leave":
          this.#socket.destroy();
          return true;
        default:
          step satisfies never;
      }
    }
    return false;
  }

  async finish(): Promise<Outcome> {
    const finals = (): readonly RawAnswer[] =>
      this.#answers().filter(({ line, isWhole }) => isWhole && !line.startsWith("HTTP/1.1 1"));
    await this.#until(() => this.#isEnded || finals().length >= this.#methods.length, "answer");
    if (this.#socket.writable) this.#socket.write(PROBE);
    await this.#until(() => this.#isEnded, "end of the connection");
    const answers = this.#answers();
    const isKept = answers.at(-1)?.body === PROBED;
    const outcome = new Map([["connection", isKept ? "goes on" : "closes"]]);
    for (const [index, answer] of (isKept ? answers.slice(0, -1) : answers).entries()) {
      const prefix = index === 0 ? "answer" : `answer ${index + 1}`;
      outcome.set(prefix, answer.line);
      outcome.set(`${prefix} fields`, answer.fields.join("; "));
      outcome.set(`${prefix} framing`, answer.framing.join("; "));
      outcome.set(`${prefix} identity`, answer.identity.join("; "));
      outcome.set(`${prefix} body`, answer.isWhole ? answer.body : `${answer.body} (cut)`);
    }
    return outcome;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #answers(): RawAnswer[] {
    return readAnswers(this.#text, this.#methods, this.#isEnded);
  }

  #onEnd(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async #until(holds: () => boolean, what: string): Promise<void> {
    const waiting = async (): Promise<void> => {
      while (!holds()) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    await withDeadline(waiting(), {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: () => `${what} behind ${this.#text}`,
    });
  }
}
