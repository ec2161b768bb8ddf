import type { LogLevel } from "./log-level.ts";
import { errorLogTime } from "./time.ts";

/** What a line of the error log is made of. */
export interface ErrorRecord {
  /** In milliseconds since 1970. */
  readonly time: number;
  readonly pid: number;
  readonly level: LogLevel;
  readonly message: string;
}

/** Gunicorn's line: `[time] [pid] [LEVEL] message`. */
export function formatErrorLine({ time, pid, level, message }: ErrorRecord): string {
  return `${errorLogTime(new Date(time))} [${pid}] [${level.toUpperCase()}] ${message}\n`;
}

/** A JSON object a line (`error_log_json`), as python/tunicorn/log_json.py writes it too. */
export function formatErrorJson({ time, pid, level, message }: ErrorRecord): string {
  return `${JSON.stringify({ time: new Date(time).toISOString(), level, pid, message })}\n`;
}
