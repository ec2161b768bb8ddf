import type { LogLevel } from "./log-level.ts";

/** What a process needs of the settings to write its logs. */
export interface LogSettings {
  /** Null: no access log in a file. `-`: standard output. */
  readonly accessLog: string | null;
  readonly accessLogFormat: string;
  readonly isAccessLogJson: boolean;
  readonly errorLog: string;
  readonly isErrorLogJson: boolean;
  readonly logLevel: LogLevel;
  readonly logProcess: LogProcessUse | null;
}

/** What goes to the log process, which has the handlers of the user's logging configuration, beside metrics. */
export interface LogProcessUse {
  /** Where it listens. */
  readonly socketPath: string;
  /** All records of the error log. */
  readonly takesErrors: boolean;
  readonly takesAccess: boolean;
}
