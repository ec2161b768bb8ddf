import { describeError } from "../errors.ts";
import { AccessLog } from "../log/access-log.ts";
import { joinSinks, type AccessSink } from "../log/access-sink.ts";
import { ErrorLog, type ErrorLogOptions } from "../log/error-log.ts";
import { LogRelay } from "../log/log-relay.ts";
import { countUnaccepted } from "../metrics/accept-queue.ts";
import { countRecord, openMetrics, type MetricsSender } from "../metrics/metrics-settings.ts";
import { makeRequestMetrics } from "../metrics/request-metrics.ts";
import type { RouterSettings } from "./messages.ts";
import { OverloadNotice } from "./overload-notice.ts";

const BACKLOG_INTERVAL_MS = 1000;

/** Whom the backlog metric counts. */
export interface BacklogSource {
  /** TCP ports on which the router listens. */
  readonly ports: () => ReadonlySet<number>;
  /** Requests that no worker has begun. */
  readonly waiting: () => number;
}

/** Everything that a router writes logs and metrics to. */
export class RouterLogs {
  readonly errorLog: ErrorLog;
  readonly overload: OverloadNotice;
  /** Null when nobody wants to hear of requests. */
  access: AccessSink | null;
  readonly #backlog: BacklogSource;
  #backlogTimer: NodeJS.Timeout | null = null;
  #settings: RouterSettings;
  #relay: LogRelay | null;
  #metrics: MetricsSender | null;

  /** Throws ERR_LOG_FILE when a log cannot be opened. */
  constructor(settings: RouterSettings, backlog: BacklogSource) {
    this.#settings = settings;
    this.#backlog = backlog;
    this.#relay = makeRelay(settings);
    this.#metrics = this.#makeMetrics(settings);
    this.errorLog = new ErrorLog(settings.errorLog, settings.logLevel, this.#errorLogOptions(settings));
    this.overload = new OverloadNotice(this.errorLog);
    this.access = this.#makeAccess(settings);
    this.#watchBacklog();
  }

  /** Takes over changed settings. What they do not change stays open, as does a log whose next file cannot be opened. */
  configure(settings: RouterSettings): void {
    const before = this.#settings;
    this.#settings = settings;
    if (textOf(settings) === textOf(before)) return;
    const [relay, metrics] = [this.#relay, this.#metrics];
    if (settings.logProcess?.socketPath !== before.logProcess?.socketPath) this.#relay = makeRelay(settings);
    this.#metrics = this.#makeMetrics(settings);
    // Before the relay is closed on which its last metrics may go.
    const closing = [metrics?.close() ?? Promise.resolve()];
    this.#attempt(() =>
      this.errorLog.configure(settings.errorLog, settings.logLevel, this.#errorLogOptions(settings)),
    );
    this.#attempt(() => {
      const access = this.access;
      this.access = this.#makeAccess(settings);
      if (access !== null) closing.push(access.close());
    });
    this.#watchBacklog();
    void Promise.all(closing).then(() => (relay === this.#relay ? undefined : relay?.close()));
  }

  #attempt(change: () => void): void {
    try {
      change();
    } catch (error) {
      this.errorLog.error(`${describeError(error)}\n  The old log stays`);
    }
  }

  reopen(): void {
    this.errorLog.reopen();
    this.access?.reopen();
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    if (this.#backlogTimer !== null) clearInterval(this.#backlogTimer);
    // What these still have to say goes on the relay that the error log closes.
    const closing = Promise.all([this.access?.close(), this.#metrics?.close()]);
    await Promise.all([closing, this.errorLog.close()]);
    await this.#relay?.close();
  }

  #makeMetrics({ metrics }: RouterSettings): MetricsSender | null {
    return metrics === null ? null : openMetrics(metrics, this.#relay);
  }

  #errorLogOptions({ isErrorLogJson, logProcess }: RouterSettings): ErrorLogOptions {
    const relay = logProcess?.takesErrors === true ? this.#relay : null;
    const metrics = this.#metrics?.metrics;
    // The log process counts what it is told.
    const isCounted = relay === null && metrics !== undefined;
    return {
      isJson: isErrorLogJson,
      relay,
      ...(isCounted ? { onRecord: (level) => countRecord(metrics, level) } : {}),
    };
  }

  #makeAccess(settings: RouterSettings): AccessSink | null {
    const { accessLog, accessLogFormat, isAccessLogJson, logProcess } = settings;
    const sinks: AccessSink[] = [];
    if (this.#metrics !== null) sinks.push(makeRequestMetrics(this.#metrics.metrics));
    if (logProcess?.takesAccess === true && this.#relay !== null) {
      sinks.push(this.#relay.accessSink);
    } else if (accessLog !== null) {
      const onTrouble = (message: string): void => this.errorLog.warning(message);
      sinks.push(new AccessLog(accessLog, accessLogFormat, { isJson: isAccessLogJson, onTrouble }));
    }
    return joinSinks(sinks);
  }

  #watchBacklog(): void {
    if (this.#backlogTimer !== null) clearInterval(this.#backlogTimer);
    if (this.#settings.metrics?.reportsBacklog !== true) return;
    this.#backlogTimer = setInterval(() => void this.#reportBacklog(), BACKLOG_INTERVAL_MS).unref();
  }

  async #reportBacklog(): Promise<void> {
    const { ports, waiting } = this.#backlog;
    const unaccepted = await countUnaccepted(ports());
    this.#metrics?.metrics.histogram("gunicorn.backlog", unaccepted + waiting());
  }
}

function makeRelay({ logProcess }: RouterSettings): LogRelay | null {
  return logProcess === null ? null : new LogRelay(logProcess.socketPath);
}

/** What of the settings is about logs. */
function textOf({
  accessLog,
  accessLogFormat,
  isAccessLogJson,
  errorLog,
  isErrorLogJson,
  logLevel,
  logProcess,
  metrics,
}: RouterSettings): string {
  return JSON.stringify([
    [accessLog, accessLogFormat, isAccessLogJson, errorLog, isErrorLogJson, logLevel],
    [logProcess, metrics],
  ]);
}
