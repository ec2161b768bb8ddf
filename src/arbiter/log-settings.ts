import type { Settings } from "../config/settings/all.ts";
import type { LogSettings } from "../log/log-settings.ts";

/** What the settings say about logs. `socketPath`: where the log process listens, or null when there is none. */
export function makeLogSettings(settings: Settings, socketPath: string | null): LogSettings {
  return {
    accessLog: settings.accesslog,
    accessLogFormat: settings.access_log_format,
    isAccessLogJson: settings.access_log_json,
    errorLog: settings.errorlog,
    isErrorLogJson: settings.error_log_json,
    logLevel: settings.loglevel,
    logProcess: socketPath === null ? null : { socketPath, takesErrors: true, takesAccess: true },
  };
}
