import type { Settings } from "../config/settings/all.ts";
import { defaultHttpLimits } from "../http/limits.ts";
import type { RouterSettings } from "../router/messages.ts";

/** From accepting, or from its first byte, to a complete head. */
const HEAD_MS = 30_000;
/** Between two pieces of a request body. */
const BODY_STALL_MS = 30_000;
/** Without the client taking any byte of its response. */
const WRITE_STALL_MS = 60_000;

/** What a router needs of the settings, in its own units. */
export function makeRouterSettings(settings: Settings, environment: NodeJS.ProcessEnv): RouterSettings {
  return {
    limits: {
      requestLineBytes: settings.limit_request_line,
      fieldCount: settings.limit_request_fields,
      fieldBytes: settings.limit_request_field_size,
      headBytes: defaultHttpLimits.headBytes,
    },
    timeouts: {
      keepAliveMs: settings.keepalive * 1000,
      headMs: HEAD_MS,
      bodyStallMs: BODY_STALL_MS,
      writeStallMs: WRITE_STALL_MS,
    },
    workerTimeoutMs: settings.timeout * 1000,
    gracefulTimeoutMs: settings.graceful_timeout * 1000,
    forwardedAllowIps: settings.forwarded_allow_ips,
    secureSchemeHeaders: Object.fromEntries(
      Object.entries(settings.secure_scheme_headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    scriptName: (environment["SCRIPT_NAME"] ?? "").replace(/\/+$/, ""),
    accessLog: settings.accesslog,
    accessLogFormat: settings.access_log_format,
    errorLog: settings.errorlog,
    logLevel: settings.loglevel,
  };
}
