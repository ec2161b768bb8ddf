import type { Settings } from "../config/settings/all.ts";
import type { LogProcessUse, LogSettings } from "../log/log-settings.ts";
import type { MetricsSettings } from "../metrics/metrics-settings.ts";
import { parseStatsdAddress } from "../metrics/statsd-address.ts";

/** What the settings say about logs, for a process that writes them. */
export function makeLogSettings(settings: Settings, logProcess: LogProcessUse | null): LogSettings {
  return {
    accessLog: settings.accesslog,
    accessLogFormat: settings.access_log_format,
    isAccessLogJson: settings.access_log_json,
    errorLog: settings.errorlog,
    isErrorLogJson: settings.error_log_json,
    logLevel: settings.loglevel,
    logProcess,
  };
}

/** Names of the logger classes that tunicorn has itself; python/tunicorn/logger_class.py has them too. */
const tunicornsLoggerClasses: ReadonlySet<string> = new Set([
  "simple",
  "gunicorn.glogging.Logger",
  "gunicorn.instrument.statsd.Statsd",
  "tunicorn.log.Logger",
  "tunicorn.statsd.StatsdLogger",
]);

export function hasUsersLoggerClass(settings: Settings): boolean {
  return !tunicornsLoggerClasses.has(settings.logger_class);
}

/** What goes to a log process that listens at `socketPath`; null: nothing does, and there is none. */
export function planLogProcess(settings: Settings, socketPath: string): LogProcessUse | null {
  const hasUsersClass = hasUsersLoggerClass(settings);
  const hasConfiguration =
    settings.logconfig !== null ||
    settings.logconfig_json !== null ||
    Object.keys(settings.logconfig_dict).length > 0;
  const takesErrors = hasUsersClass || hasConfiguration || settings.syslog;
  const isAccessInSyslog = settings.syslog && !settings.disable_redirect_access_to_syslog;
  const takesAccess = hasUsersClass || hasConfiguration || isAccessInSyslog;
  // Node knows no datagrams on unix sockets.
  const takesMetrics = makeMetricsSettings(settings)?.address.type === "unix";
  return takesErrors || takesAccess || takesMetrics ? { socketPath, takesErrors, takesAccess } : null;
}

/** Null: no metrics are sent by arbiter and router. A logger class of the user's own sends them by itself. */
export function makeMetricsSettings(settings: Settings): MetricsSettings | null {
  const { statsd_host: host, statsd_prefix: prefix, dogstatsd_tags: tags } = settings;
  const address = host === null || hasUsersLoggerClass(settings) ? null : parseStatsdAddress(host);
  return address === null ? null : { address, prefix, tags, reportsBacklog: settings.enable_backlog_metric };
}
