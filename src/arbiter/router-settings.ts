import { processTitle } from "../config/process-title.ts";
import { findWorkerClass } from "../config/worker-class.ts";
import type { Settings } from "../config/settings/all.ts";
import { defaultHttpLimits } from "../http/limits.ts";
import type { LogProcessUse } from "../log/log-settings.ts";
import type { TlsSettings } from "../http/tls-settings.ts";
import { timerMs } from "../system/timer-limit.ts";
import { makeLogSettings, makeMetricsSettings } from "./log-settings.ts";
import type { RouterSettings } from "../router/messages.ts";
import { toScriptName } from "../router/script-name.ts";

/**
 * What a router needs of the settings, in its own units. `logProcess`: what goes there, if there is one. `tls`: what
 * was read of the files that the settings name.
 */
export function makeRouterSettings(
  settings: Settings,
  environment: NodeJS.ProcessEnv,
  logProcess: LogProcessUse | null = null,
  tls: TlsSettings | null = null,
): RouterSettings {
  const workerClass = findWorkerClass(settings.worker_class);
  return {
    processTitle: processTitle("router", settings),
    bodyDirectory: settings.tmp_upload_dir,
    application: {
      interface: workerClass.interface,
      multiplexes: workerClass.multiplexes,
      rootPath: workerClass.takesRootPath ? Buffer.from(settings.root_path).toString("latin1") : "",
      takesForwardedClient: workerClass.takesForwardedClient ?? false,
    },
    webSockets: {
      maxMessageBytes: settings.websocket_max_message_size,
      maxMessagesPerSecond: settings.websocket_max_message_rate,
      compresses: settings.websocket_compression,
      pingMs: milliseconds(settings.websocket_ping_interval),
      pongMs: milliseconds(settings.websocket_ping_timeout),
    },
    limits: {
      requestLineBytes: settings.limit_request_line,
      fieldCount: settings.limit_request_fields,
      fieldBytes: settings.limit_request_field_size,
      headBytes: defaultHttpLimits.headBytes,
    },
    timeouts: {
      keepAliveMs: settings.keepalive * 1000,
      headMs: milliseconds(settings.header_timeout),
      bodyStallMs: milliseconds(settings.body_timeout),
      bodyBytesPerSecond: settings.body_min_rate,
      writeStallMs: milliseconds(settings.write_timeout),
    },
    tls,
    policy: {
      permitUnconventionalMethod: settings.permit_unconventional_http_method,
      permitUnconventionalVersion: settings.permit_unconventional_http_version,
      casefoldMethod: settings.casefold_http_method,
      permitObsoleteFolding: settings.permit_obsolete_folding,
      stripHeaderSpaces: settings.strip_header_spaces,
    },
    capacity: {
      bodyBytes: unlimitedIfZero(settings.limit_request_body),
      connections: unlimitedIfZero(settings.max_connections),
      queuedRequests: unlimitedIfZero(settings.queue_size),
      queueMs: milliseconds(settings.queue_timeout),
      memoryBytes: unlimitedIfZero(settings.buffer_memory),
      diskBytes: settings.buffer_disk,
    },
    workerTimeoutMs: settings.timeout * 1000,
    gracefulTimeoutMs: timerMs(settings.graceful_timeout),
    forwardedAllowIps: settings.forwarded_allow_ips,
    forwarderHeaders: settings.forwarder_headers,
    headerMap: settings.header_map,
    serverHeader: settings.server_header,
    proxyProtocol: settings.proxy_protocol,
    proxyAllowIps: settings.proxy_allow_ips,
    protocol: settings.protocol,
    uwsgiAllowIps: settings.uwsgi_allow_ips,
    secureSchemeHeaders: Object.fromEntries(
      Object.entries(settings.secure_scheme_headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    scriptName: toScriptName(scriptNameOf(settings, environment)),
    ...makeLogSettings(settings, logProcess),
    metrics: makeMetricsSettings(settings),
  };
}

/** The largest number that survives JSON, on which messages to the router travel: Infinity does not. */
const UNLIMITED = Number.MAX_SAFE_INTEGER;

function unlimitedIfZero(value: number): number {
  return value === 0 ? UNLIMITED : value;
}

/** A time in seconds, of which 0 means no limit. */
function milliseconds(seconds: number): number {
  return seconds === 0 ? UNLIMITED : seconds * 1000;
}

/** Where the application is mounted, as its environment says it. */
function scriptNameOf(settings: Settings, environment: NodeJS.ProcessEnv): string {
  const prefix = "SCRIPT_NAME=";
  const entry = settings.raw_env.findLast((pair) => pair.startsWith(prefix));
  return entry?.slice(prefix.length) ?? environment["SCRIPT_NAME"] ?? "";
}
