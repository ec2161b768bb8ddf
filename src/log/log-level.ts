export type LogLevel = "debug" | "info" | "warning" | "error" | "critical";

/** Levels by weight, lightest first; the names are those of Gunicorn's `loglevel`. */
export const logLevels: readonly LogLevel[] = ["debug", "info", "warning", "error", "critical"];

export function isLogLevel(text: string): text is LogLevel {
  return (logLevels as readonly string[]).includes(text);
}
