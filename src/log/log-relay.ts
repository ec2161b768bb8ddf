import { connect, type Socket } from "node:net";
import type { AccessRecord, AccessSource, AnsweredRequest } from "./access-format.ts";
import type { AccessSink } from "./access-sink.ts";
import type { ErrorRecord } from "./error-format.ts";

/** What is said to the log process, one JSON object a line. The other end is python/tunicorn/log_relay_reader.py. */
export type LogMessage =
  | ({ readonly type: "error" } & ErrorRecord & { readonly metric?: RecordMetric })
  | ({ readonly type: "access" } & RelayedAccess)
  /** Lines of statsd's protocol, to be sent as one datagram to its unix socket. */
  | { readonly type: "metrics"; readonly text: string };

/** What a record carries for loggers that send metrics: Gunicorn's `extra` of the same names. */
export interface RecordMetric {
  readonly metric: string;
  readonly value: number;
  readonly mtype: "gauge" | "counter" | "histogram" | "timer";
}

/** An access record as it travels. */
interface RelayedAccess extends AnsweredRequest, AccessSource {
  /** When the answer was complete, in milliseconds since 1970. */
  readonly time: number;
}

/** Characters that may wait while the log process is slow or gone; beyond it the newest messages are dropped. */
const WAITING_LIMIT = 16 * 1024 * 1024;
/** Of these, what may be on its way: it is sent again if the log process dies before it says that it is handled. */
const UNHANDLED_LIMIT = 1024 * 1024;
/** What is joined into one write. */
const WRITE_LIMIT = 64 * 1024;
/** After so many deaths in a row, what was on its way is dropped: one of these messages may be the cause. */
const DEATHS_LIMIT = 3;
/** Pause before a log process that is gone is dialled again; the mold starts another. */
const REDIAL_MS = 250;
/** For the log process to handle what waits, at the end. */
const CLOSE_MS = 2000;

/**
 * Sends log records to the log process, in batches, without ever waiting for it. The log process answers with
 * how many it has handled: none is lost when it dies, and some may come twice.
 */
export class LogRelay {
  readonly #path: string;
  #socket: Socket | null = null;
  #isConnected = false;
  /** Messages that wait to be sent, and those that were sent and are not handled yet. */
  #lines: string[] = [];
  #unhandled: string[] = [];
  /** Characters of both, and of the latter alone. */
  #waitingSize = 0;
  #unhandledSize = 0;
  #answer = "";
  /** How often in a row a log process has died without handling anything. */
  #deaths = 0;
  #lost = 0;
  #isPumpDue = false;
  #redialTimer: NodeJS.Timeout | null = null;
  #closed: Promise<readonly ErrorRecord[]> | null = null;
  #onIdle: (() => void) | null = null;

  constructor(path: string) {
    this.#path = path;
    this.#dial();
  }

  sendError(record: ErrorRecord, metric?: RecordMetric): void {
    this.#send({ type: "error", ...record, ...(metric === undefined ? {} : { metric }) });
  }

  /** Lines of statsd's protocol, for a server on a unix socket. */
  sendMetrics(text: string): void {
    this.#send({ type: "metrics", text });
  }

  /** What is told of every request and sent on as it is. */
  get accessSink(): AccessSink {
    return {
      needsResponseFields: true,
      write: (record) => this.#send(relayed(record)),
      // The log process opens its files anew when the mold tells it to.
      reopen: () => undefined,
      // Whoever made the relay closes it.
      close: () => Promise.resolve(),
    };
  }

  /** Waits until the log process has handled everything. Returns the error records that it has not. */
  close(): Promise<readonly ErrorRecord[]> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  #send(message: LogMessage): void {
    const line = `${JSON.stringify(message)}\n`;
    if (this.#waitingSize + line.length > WAITING_LIMIT) {
      this.#lost += 1;
      return;
    }
    this.#lines.push(line);
    this.#waitingSize += line.length;
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    setImmediate(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #dial(): void {
    const socket = connect({ path: this.#path });
    this.#socket = socket;
    socket.unref();
    socket.setEncoding("latin1");
    socket.on("connect", () => {
      this.#isConnected = true;
      this.#pump();
    });
    socket.on("drain", () => this.#pump());
    socket.on("data", (text: string) => this.#onAnswer(text));
    socket.on("error", () => undefined);
    socket.on("close", () => this.#onDisconnected());
  }

  /** Numbers of messages that were handled, a line each. */
  #onAnswer(text: string): void {
    const counts = (this.#answer + text).split("\n");
    this.#answer = counts.pop() ?? "";
    const count = counts.reduce((sum, each) => sum + Number(each), 0);
    this.#deaths = 0;
    const size = sizeOf(this.#unhandled.splice(0, count));
    this.#unhandledSize -= size;
    this.#waitingSize -= size;
    this.#pump();
  }

  #onDisconnected(): void {
    if (this.#unhandled.length > 0) this.#deaths += 1;
    if (this.#deaths === DEATHS_LIMIT) this.#dropUnhandled();
    this.#isConnected = false;
    this.#socket = null;
    this.#answer = "";
    this.#lines = [...this.#unhandled, ...this.#lines];
    this.#unhandled = [];
    this.#unhandledSize = 0;
    if (this.#closed === null) this.#redialTimer = setTimeout(() => this.#dial(), REDIAL_MS).unref();
    this.#onIdle?.();
  }

  #dropUnhandled(): void {
    this.#lost += this.#unhandled.length;
    this.#waitingSize -= this.#unhandledSize;
    this.#unhandled = [];
    this.#deaths = 0;
  }

  #pump(): void {
    const socket = this.#socket;
    if (socket === null || !this.#isConnected) return;
    if (this.#lost > 0 && this.#waitingSize < WAITING_LIMIT / 2) this.#tellLost();
    while (this.#lines.length > 0 && this.#unhandledSize < UNHANDLED_LIMIT && !socket.writableNeedDrain) {
      socket.write(this.#takeBatch());
    }
    if (this.#lines.length === 0 && this.#unhandled.length === 0) this.#onIdle?.();
  }

  #takeBatch(): string {
    let size = 0;
    let count = 0;
    while (count < this.#lines.length && size < WRITE_LIMIT) {
      size += this.#lines[count]?.length ?? 0;
      count += 1;
    }
    const batch = this.#lines.splice(0, count);
    this.#unhandled.push(...batch);
    this.#unhandledSize += size;
    return batch.join("");
  }

  #tellLost(): void {
    const message = `${this.#lost} log records are lost: the log process did not keep up with them, or died of them`;
    this.#lost = 0;
    this.sendError({ time: Date.now(), pid: process.pid, level: "warning", message });
  }

  async #close(): Promise<readonly ErrorRecord[]> {
    if (this.#redialTimer !== null) clearTimeout(this.#redialTimer);
    const socket = this.#socket;
    if (socket !== null) {
      socket.ref();
      await this.#finish();
      socket.destroy();
    }
    return [...this.#unhandled, ...this.#lines].flatMap((line) => errorRecordOf(line));
  }

  /** Resolves when everything is handled, or cannot be. */
  #finish(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CLOSE_MS);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#pump();
    });
  }
}

function sizeOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + line.length, 0);
}

function errorRecordOf(line: string): ErrorRecord[] {
  const message = JSON.parse(line) as LogMessage;
  return message.type === "error" ? [message] : [];
}

function relayed(record: AccessRecord): LogMessage {
  const { remoteAddress, method, target, path, query, protocol, status, bodyBytes, durationMs, pid } = record;
  return {
    type: "access",
    time: Date.now(),
    durationMs,
    pid,
    remoteAddress,
    method,
    target,
    path,
    query,
    protocol,
    status,
    bodyBytes,
    ...record.source(),
  };
}
