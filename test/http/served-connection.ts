import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import type { TestContext } from "node:test";

import { Connection } from "../../src/http/connection.ts";
import type { ConnectionTimeouts } from "../../src/http/connection-options.ts";
import type { ExchangeHandler } from "../../src/http/exchange-handler.ts";
import { RequestParser } from "../../src/http/request-parser.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import type { HttpFault } from "../../src/http/http-fault.ts";
import { defaultHttpLimits } from "../../src/http/limits.ts";
import { strictPolicy } from "../../src/http/policy.ts";
import type { ResponseHead } from "../../src/http/response-head.ts";
import { takeConnection } from "../../src/system/accepting.ts";
import { Deadlines } from "../../src/system/deadlines.ts";
import { ClientConnection } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue, withDeadline } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";

/** No test waits for these. */
const PATIENT: ConnectionTimeouts = {
  keepAliveMs: 60_000,
  headMs: 60_000,
  bodyStallMs: 60_000,
  bodyBytesPerSecond: 0,
  writeStallMs: 60_000,
};
/** A timeout that a test waits for. */
export const SHORT_MS = 60;
export const SWEEP_MS = 10;

type CallName = "head" | "body" | "end" | "drain" | "finish" | "cut" | "close" | "client-done" | "fault";

/** Left out of the story: they come as often as they like. */
const QUIET: ReadonlySet<CallName> = new Set(["body", "drain", "client-done", "cut"]);

interface Call {
  readonly name: CallName;
  readonly exchange: Exchange | null;
  readonly fault?: HttpFault;
}

interface Script {
  readonly onHead?: (exchange: Exchange) => void;
  readonly onBody?: (exchange: Exchange) => void;
  readonly onEnd?: (exchange: Exchange, body: Buffer) => void;
}

/** Writes down what it hears and does what the test's script says. */
export class ScriptedHandler implements ExchangeHandler {
  readonly calls: Call[] = [];
  readonly #script: Script;
  readonly #bodies = new Map<Exchange, Buffer[]>();
  #wake: () => void = () => {};

  constructor(script: Script) {
    this.#script = script;
  }

  onPreamble(): void {}

  onHead(exchange: Exchange): void {
    this.#note({ name: "head", exchange });
    this.#bodies.set(exchange, []);
    this.#script.onHead?.(exchange);
  }

  onBody(exchange: Exchange, bytes: Buffer): void {
    this.#note({ name: "body", exchange });
    // What was said to be used at once is overwritten afterwards; anything else is kept as it came.
    this.#bodies.get(exchange)?.push(exchange.usesBodyAtOnce ? Buffer.from(bytes) : bytes);
    this.#script.onBody?.(exchange);
  }

  onEnd(exchange: Exchange): void {
    this.#note({ name: "end", exchange });
    this.#script.onEnd?.(exchange, this.bodyOf(exchange));
  }

  onDrain(exchange: Exchange): void {
    this.#note({ name: "drain", exchange });
  }

  onFinish(exchange: Exchange): void {
    this.#note({ name: "finish", exchange });
  }

  onCutOff(exchange: Exchange): void {
    this.#note({ name: "cut", exchange });
  }

  onClose(exchange: Exchange): void {
    this.#note({ name: "close", exchange });
  }

  onClientDone(exchange: Exchange): void {
    this.#note({ name: "client-done", exchange });
  }

  onFault(fault: HttpFault, exchange: Exchange | null): void {
    this.#note({ name: "fault", exchange, fault });
  }

  bodyOf(exchange: Exchange): Buffer {
    return Buffer.concat(this.#bodies.get(exchange) ?? []);
  }

  /** Such as "head /a", in the order heard, body pieces left out. */
  get story(): readonly string[] {
    const told = this.calls.filter(({ name }) => !QUIET.has(name));
    return told.map(({ name, exchange, fault }) =>
      [name, exchange?.head.target, fault?.code].filter((part) => part !== undefined).join(" "),
    );
  }

  /** The first (or `count`th) call of a name, past or future. */
  async heard(name: CallName, count = 1): Promise<Call> {
    const search = async (): Promise<Call> => {
      for (;;) {
        const found = this.calls.filter((call) => call.name === name)[count - 1];
        if (found !== undefined) {
          return found;
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    };
    return withDeadline(search(), {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: () => `${name} (${count} times), heard: ${this.story.join(", ")}`,
    });
  }

  #note(call: Call): void {
    this.calls.push(call);
    this.#wake();
  }
}

export interface Running {
  readonly port: number;
  readonly handler: ScriptedHandler;
  readonly connections: readonly Connection[];
  readonly deadlines: Deadlines;
  /** How often a connection said that it is closed. */
  readonly closedCount: () => number;
  readonly untilClosed: (count?: number) => Promise<void>;
}

interface ServeOptions extends Script {
  readonly timeouts?: Partial<ConnectionTimeouts>;
}

export async function serve(
  t: TestContext,
  { timeouts = {}, ...script }: ServeOptions = {},
): Promise<Running> {
  const handler = new ScriptedHandler(script);
  const deadlines = new Deadlines(SWEEP_MS);
  const connections: Connection[] = [];
  let closed = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const connection = new Connection({
      tls: null,
      accepted: takeConnection(socket),
      source: new RequestParser(defaultHttpLimits, strictPolicy),
      preambleReader: null,
      timeouts: { ...PATIENT, ...timeouts },
      deadlines,
      handler,
      onClosed: () => {
        closed += 1;
      },
      onLargeHead: () => {},
    });
    connections.push(connection);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTeardown(t, async () => {
    for (const connection of connections) connection.destroy();
    await new Promise((resolve) => server.close(resolve));
    deadlines.close();
  });
  const { port } = server.address() as AddressInfo;
  const untilClosed = (count = 1): Promise<void> =>
    untilTrue(() => closed >= count, {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: `end of ${count} connections on the server's side`,
    });
  return { port, handler, connections, deadlines, closedCount: () => closed, untilClosed };
}

/** A client whose socket is at hand, for half-closing and for not reading. */
export async function openHalf(
  t: TestContext,
  port: number,
): Promise<{ client: ClientConnection; socket: Socket }> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const client = new ClientConnection(socket);
  onTeardown(t, () => client.destroy());
  const connected = new Promise((resolve) => socket.once("connect", resolve));
  await withDeadline(connected, { deadlineMs: ANSWER_DEADLINE_MS, what: "connection" });
  return { client, socket };
}

export function answer(exchange: Exchange, body: string | Buffer, status = 200): void {
  exchange.respond(responseHead(status), Buffer.from(body), true);
}

/** The beginning of an answer without end. */
export function begin(exchange: Exchange, body: string | Buffer): void {
  exchange.respond(responseHead(), Buffer.from(body), false);
}

function responseHead(status = 200): ResponseHead {
  return { status, reason: "Said", fieldLines: Buffer.alloc(0), contentLength: null };
}

export const answerTarget = (exchange: Exchange): void => answer(exchange, exchange.head.target);
export const answerTargetLate = (exchange: Exchange): void => void setImmediate(answerTarget, exchange);
export const answerBody = (exchange: Exchange, body: Buffer): void => answer(exchange, body);
/** More than the kernel takes for a client that does not read. */
export const HUGE_BYTES = 32 * 1024 * 1024;
export const beginHuge = (exchange: Exchange): void => begin(exchange, Buffer.alloc(HUGE_BYTES));
export const get = (target: string, ...fields: string[]): string =>
  [`GET ${target} HTTP/1.1`, "Host: a", ...fields, "", ""].join("\r\n");
export const post = (target: string, ...fields: string[]): string =>
  [`POST ${target} HTTP/1.1`, "Host: a", ...fields, "", ""].join("\r\n");
