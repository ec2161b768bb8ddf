import { formatErrorJson, formatErrorLine, type ErrorRecord } from "./error-format.ts";
import { LogFile, tellOperator } from "./log-file.ts";
import { logLevels, type LogLevel } from "./log-level.ts";
import type { LogRelay } from "./log-relay.ts";

export interface ErrorLogOptions {
  /** Lines are JSON objects (`error_log_json`). */
  readonly isJson?: boolean;
  /** Records go to the log process instead, which decides by itself what is left out. */
  readonly relay?: LogRelay | null;
  /** Records are held until `configure` says where they go. */
  readonly isHeld?: boolean;
  /** Called with the level of each record that is not left out. */
  readonly onRecord?: (level: LogLevel) => void;
}

/** The error log in Gunicorn's format: `[time] [pid] [LEVEL] message`. */
export class ErrorLog {
  #path: string;
  #threshold: number;
  #options: ErrorLogOptions;
  #file: LogFile | null = null;
  #held: ErrorRecord[] = [];

  constructor(path: string, level: LogLevel, options: ErrorLogOptions = {}) {
    this.#path = path;
    this.#threshold = logLevels.indexOf(level);
    this.#options = options;
    if (!this.#isElsewhere) this.#file = openErrorFile(path);
  }

  /** Takes over changed settings; the old target stays when the new one cannot be opened. */
  configure(path: string, level: LogLevel, options: ErrorLogOptions = {}): void {
    const before = { file: this.#file, path: this.#path, relay: this.#options.relay };
    const isElsewhere = options.relay !== undefined && options.relay !== null;
    const isSameFile = !isElsewhere && before.file !== null && before.path === path;
    if (!isElsewhere && !isSameFile) this.#file = openErrorFile(path);
    if (isElsewhere) this.#file = null;
    this.#path = path;
    this.#threshold = logLevels.indexOf(level);
    this.#options = options;
    if (before.file !== this.#file) void before.file?.close();
    // What the former log process did not handle goes where all goes from now on.
    if (before.relay !== options.relay) void finish(before.relay, (record) => this.#put(record));
    const held = this.#held;
    this.#held = [];
    for (const record of held) this.#put(record);
  }

  reopen(): void {
    this.#file?.reopen();
  }

  /** Resolves when all records so far stand in the file, so that those of other processes come after them. */
  async written(): Promise<void> {
    await this.#file?.written();
  }

  /** Writes what is left, before the process ends; also what the log process did not handle. */
  async close(): Promise<void> {
    await finish(this.#options.relay, (record) => this.#writeHere(record));
    for (const record of this.#held) this.#writeHere(record);
    this.#held = [];
    await this.#file?.close();
  }

  debug(message: string): void {
    this.#write("debug", message);
  }

  info(message: string): void {
    this.#write("info", message);
  }

  warning(message: string): void {
    this.#write("warning", message);
  }

  error(message: string): void {
    this.#write("error", message);
  }

  critical(message: string): void {
    this.#write("critical", message);
  }

  get #isElsewhere(): boolean {
    const { isHeld = false, relay = null } = this.#options;
    return isHeld || relay !== null;
  }

  #write(level: LogLevel, message: string): void {
    if (!this.#isElsewhere && logLevels.indexOf(level) < this.#threshold) return;
    this.#options.onRecord?.(level);
    this.#put({ time: Date.now(), pid: process.pid, level, message });
  }

  #put(record: ErrorRecord): void {
    const { isHeld = false, relay = null } = this.#options;
    if (isHeld) this.#held.push(record);
    else if (relay === null) this.#writeHere(record);
    else relay.sendError(record);
  }

  #writeHere(record: ErrorRecord): void {
    if (logLevels.indexOf(record.level) < this.#threshold) return;
    this.#file ??= openErrorFile(this.#path, "-");
    this.#file.write(this.#options.isJson === true ? formatErrorJson(record) : formatErrorLine(record));
  }
}

/** Closes a relay; `put` gets what the log process did not handle. */
async function finish(relay: LogRelay | null | undefined, put: (record: ErrorRecord) => void): Promise<void> {
  for (const record of (await relay?.close()) ?? []) put(record);
}

/** Throws ERR_LOG_FILE when it cannot be opened, unless another path is given to fall back on. */
function openErrorFile(path: string, fallback: string | null = null): LogFile {
  try {
    return new LogFile({ path, standardFd: 2, onTrouble: path === "-" ? () => undefined : tellOperator });
  } catch (error) {
    if (fallback === null) throw error;
    return openErrorFile(fallback);
  }
}
