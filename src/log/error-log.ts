import type { SonicBoom } from "sonic-boom";
import { closeLogFile, openLogFile } from "./log-file.ts";
import { errorLogTime } from "./time.ts";

export type LogLevel = "debug" | "info" | "warning" | "error" | "critical";

/** Levels by weight, lightest first; the names are those of Gunicorn's `loglevel`. */
export const logLevels: readonly LogLevel[] = ["debug", "info", "warning", "error", "critical"];

export function isLogLevel(text: string): text is LogLevel {
  return (logLevels as readonly string[]).includes(text);
}

/** The error log in Gunicorn's format: `[time] [pid] [LEVEL] message`. */
export class ErrorLog {
  #file: SonicBoom;
  #path: string;
  #threshold: number;

  constructor(path: string, level: LogLevel) {
    this.#path = path;
    this.#file = openLogFile(path, 2);
    this.#threshold = logLevels.indexOf(level);
  }

  /** Takes over changed settings; the old target stays when the new one cannot be opened. */
  configure(path: string, level: LogLevel): void {
    this.#threshold = logLevels.indexOf(level);
    if (path === this.#path) return;
    const file = openLogFile(path, 2);
    void closeLogFile(this.#file);
    this.#file = file;
    this.#path = path;
  }

  reopen(): void {
    if (this.#path !== "-") this.#file.reopen();
  }

  /** Writes what is left, before the process ends. */
  async close(): Promise<void> {
    await closeLogFile(this.#file);
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

  #write(level: LogLevel, message: string): void {
    if (logLevels.indexOf(level) < this.#threshold) return;
    this.#file.write(`${errorLogTime(new Date())} [${process.pid}] [${level.toUpperCase()}] ${message}\n`);
  }
}
