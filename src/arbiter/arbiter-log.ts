import type { Settings } from "../config/settings/all.ts";
import { ErrorLog } from "../log/error-log.ts";

/** Opens the arbiter's error log. Throws ERR_LOG_FILE. */
export function openArbiterLog(settings: Settings): ErrorLog {
  return new ErrorLog(settings.errorlog, settings.loglevel, { isJson: settings.error_log_json });
}

/** Takes over the settings of a next generation. Throws ERR_LOG_FILE; the log of before stays then. */
export function configureArbiterLog(log: ErrorLog, settings: Settings): void {
  log.configure(settings.errorlog, settings.loglevel, { isJson: settings.error_log_json });
}
