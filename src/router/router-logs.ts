import { AccessLog } from "../log/access-log.ts";
import { joinSinks, type AccessSink } from "../log/access-sink.ts";
import { ErrorLog } from "../log/error-log.ts";
import { LogRelay } from "../log/log-relay.ts";
import type { LogSettings } from "../log/log-settings.ts";

/** Everything that a router writes logs to. */
export class RouterLogs {
  readonly errorLog: ErrorLog;
  /** Null when nobody wants to hear of requests. */
  access: AccessSink | null;
  #settings: LogSettings;
  #relay: LogRelay | null;

  /** Throws ERR_LOG_FILE when a log cannot be opened. */
  constructor(settings: LogSettings) {
    this.#settings = settings;
    this.#relay = makeRelay(settings);
    this.errorLog = new ErrorLog(settings.errorLog, settings.logLevel, this.#errorLogOptions(settings));
    this.access = this.#makeAccess(settings);
  }

  /** Takes over changed settings. What is the same stays open. */
  configure(settings: LogSettings): void {
    const before = this.#settings;
    if (JSON.stringify(settings) === JSON.stringify(before)) return;
    this.#settings = settings;
    if (settings.logProcess?.socketPath !== before.logProcess?.socketPath) this.#relay = makeRelay(settings);
    this.errorLog.configure(settings.errorLog, settings.logLevel, this.#errorLogOptions(settings));
    const access = this.access;
    this.access = this.#makeAccess(settings);
    void access?.close();
  }

  reopen(): void {
    this.errorLog.reopen();
    this.access?.reopen();
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    await Promise.all([this.access?.close(), this.errorLog.close()]);
  }

  #errorLogOptions({ isErrorLogJson, logProcess }: LogSettings) {
    return { isJson: isErrorLogJson, relay: logProcess?.takesErrors === true ? this.#relay : null };
  }

  #makeAccess(settings: LogSettings): AccessSink | null {
    const { accessLog, accessLogFormat, isAccessLogJson, logProcess } = settings;
    const sinks: AccessSink[] = [];
    if (logProcess?.takesAccess === true && this.#relay !== null) {
      sinks.push(this.#relay.accessSink);
    } else if (accessLog !== null) {
      const onTrouble = (message: string): void => this.errorLog.warning(message);
      sinks.push(new AccessLog(accessLog, accessLogFormat, { isJson: isAccessLogJson, onTrouble }));
    }
    return joinSinks(sinks);
  }
}

function makeRelay({ logProcess }: LogSettings): LogRelay | null {
  return logProcess === null ? null : new LogRelay(logProcess.socketPath);
}
