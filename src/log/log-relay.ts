import { connect, type Socket } from "node:net";
import type { AccessRecord } from "./access-format.ts";
import type { AccessSink } from "./access-sink.ts";
import type { ErrorRecord } from "./error-format.ts";

/** What is said to the log process, one JSON object a line. The other end is python/tunicorn/log_process.py. */
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

/** An access record as it travels. Texts hold one latin-1 octet a character. */
interface RelayedAccess {
  /** When the answer was complete, in milliseconds since 1970. */
  readonly time: number;
  readonly durationMs: number;
  readonly pid: number;
  readonly remoteAddress: string;
  readonly method: string;
  readonly target: string;
  readonly path: string;
  readonly query: string;
  readonly protocol: string;
  readonly status: number;
  readonly bodyBytes: number;
  readonly requestFields: readonly string[];
  readonly responseLines: string;
  readonly environ: string;
}

/** Characters that may wait while the log process is slow or gone; beyond it the newest messages are dropped. */
const WAITING_LIMIT = 16 * 1024 * 1024;
/** What is handed to the socket at once: what it holds is lost if the log process dies. */
const WRITE_LIMIT = 256 * 1024;
/** Pause before a log process that is gone is dialled again; the mold starts another. */
const REDIAL_MS = 250;
/** For the log process to take what waits, at the end. */
const CLOSE_MS = 2000;

/** Sends log records to the log process, in batches, without ever waiting for it. */
export class LogRelay {
  readonly #path: string;
  #socket: Socket | null = null;
  #isConnected = false;
  #lines: string[] = [];
  #waiting = 0;
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

  /** Waits until the log process has taken everything. Returns the error records that it did not take. */
  close(): Promise<readonly ErrorRecord[]> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  #send(message: LogMessage): void {
    const line = `${JSON.stringify(message)}\n`;
    if (this.#waiting + line.length > WAITING_LIMIT) {
      this.#lost += 1;
      return;
    }
    this.#lines.push(line);
    this.#waiting += line.length;
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
    socket.on("connect", () => {
      this.#isConnected = true;
      this.#pump();
    });
    socket.on("drain", () => this.#pump());
    // It says nothing, but its end is only seen when somebody reads.
    socket.resume();
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#isConnected = false;
      this.#socket = null;
      if (this.#closed === null) this.#redialTimer = setTimeout(() => this.#dial(), REDIAL_MS).unref();
      this.#onIdle?.();
    });
  }

  #pump(): void {
    const socket = this.#socket;
    if (socket === null || !this.#isConnected || socket.writableNeedDrain) return;
    if (this.#lost > 0 && this.#waiting < WAITING_LIMIT / 2) this.#tellLost();
    while (this.#lines.length > 0 && !socket.writableNeedDrain) socket.write(this.#takeBatch());
    if (this.#lines.length === 0) this.#onIdle?.();
  }

  #takeBatch(): string {
    let size = 0;
    let count = 0;
    while (count < this.#lines.length && size < WRITE_LIMIT) {
      size += this.#lines[count]?.length ?? 0;
      count += 1;
    }
    this.#waiting -= size;
    return this.#lines.splice(0, count).join("");
  }

  #tellLost(): void {
    const message = `${this.#lost} log records are lost: the log process did not keep up`;
    this.#lost = 0;
    this.sendError({ time: Date.now(), pid: process.pid, level: "warning", message });
  }

  async #close(): Promise<readonly ErrorRecord[]> {
    if (this.#redialTimer !== null) clearTimeout(this.#redialTimer);
    const socket = this.#socket;
    if (socket !== null) {
      socket.ref();
      await this.#finish(socket);
      socket.destroy();
    }
    return this.#lines.flatMap((line) => errorRecordOf(line));
  }

  /** Resolves when the log process has closed its side, which it does after the last record. */
  #finish(socket: Socket): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CLOSE_MS);
      this.#onIdle = () => {
        if (this.#socket === null) {
          clearTimeout(timer);
          resolve();
        } else if (this.#lines.length === 0) {
          socket.end();
        }
      };
      this.#pump();
    });
  }
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
