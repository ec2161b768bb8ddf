import { TunicornError } from "../errors.ts";
import type { Layer } from "./layers.ts";
import type { SettingName } from "./settings/all.ts";

/** What an option of uvicorn is here: a setting, with a value made of the option's. */
type Meaning = readonly [SettingName, (value: unknown) => unknown];

const same = (value: unknown): unknown => value;
/** uvicorn says null where a setting says 0. */
const zeroIfNone = (value: unknown): unknown => (typeof value === "number" ? Math.ceil(value) : (value ?? 0));

const meanings: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ["lifespan", ["asgi_lifespan", same]],
  ["root_path", ["root_path", same]],
  ["timeout_keep_alive", ["keepalive", zeroIfNone]],
  ["timeout_graceful_shutdown", ["graceful_timeout", zeroIfNone]],
  ["limit_max_requests", ["max_requests", zeroIfNone]],
  ["limit_max_requests_jitter", ["max_requests_jitter", zeroIfNone]],
  ["limit_concurrency", ["worker_connections", same]],
  ["backlog", ["backlog", same]],
  ["server_header", ["server_header", (value) => (value === false ? "" : "tunicorn")]],
  ["forwarded_allow_ips", ["forwarded_allow_ips", same]],
  ["ws_max_size", ["websocket_max_message_size", zeroIfNone]],
  ["ws_ping_interval", ["websocket_ping_interval", zeroIfNone]],
  ["ws_ping_timeout", ["websocket_ping_timeout", zeroIfNone]],
  ["ws_per_message_deflate", ["websocket_compression", same]],
  ["ssl_certfile", ["certfile", same]],
  ["ssl_keyfile", ["keyfile", same]],
  ["ssl_ca_certs", ["ca_certs", same]],
  ["ssl_cert_reqs", ["cert_reqs", zeroIfNone]],
  ["ssl_ciphers", ["ciphers", same]],
]);

/** Options that the worker itself reads (python/tunicorn/workers/uvicorn.py). */
const workerOptions: ReadonlySet<string> = new Set(["loop", "headers"]);

/** Serving as if they were not there would be less than what they ask for. */
const refusedOptions: ReadonlySet<string> = new Set(["ssl_keyfile_password", "ssl_context_factory"]);

const ROUTER = "the router does it";
const LOGGING = "the log settings say it";
const SERVER = "the server's own settings say it";

/** Why options have no effect. */
const reasons: Readonly<Record<string, string>> = {
  loop: "asyncio and uvloop are there",
  http: ROUTER,
  ws: ROUTER,
  ws_max_queue: ROUTER,
  date_header: ROUTER,
  h11_max_incomplete_event_size: ROUTER,
  timeout_notify: ROUTER,
  callback_notify: ROUTER,
  access_log: LOGGING,
  log_config: LOGGING,
  log_level: LOGGING,
  use_colors: LOGGING,
  ssl_version: "clients may use TLS 1.2 and 1.3",
  interface: "it is seen from the application",
  factory: "write module:factory() for the application",
};

/** Values that need no warning: they ask for what is done anyway. */
const harmlessValues: Readonly<Record<string, readonly unknown[]>> = {
  loop: ["auto", "asyncio", "uvloop"],
  http: ["auto", "httptools", "h11"],
  ws: ["auto", "websockets", "websockets-sansio", "wsproto"],
  proxy_headers: [true, false],
  interface: ["auto", "asgi3", "asgi2"],
  access_log: [true],
  factory: [false],
};

/** The settings that a worker class of the user's own makes of CONFIG_KWARGS, and what of it has no effect. */
export function readUvicornOptions(
  options: Readonly<Record<string, unknown>>,
  source: string,
): { readonly layer: Layer; readonly warnings: readonly string[] } {
  const values = new Map<SettingName, unknown>();
  const ignored: string[] = [];
  for (const [name, value] of Object.entries(options)) {
    const meaning = meanings.get(name);
    if (refusedOptions.has(name) && value !== null) {
      throw new TunicornError("ERR_NOT_YET", `${source}: ${name} is not possible yet`, {
        hint: "Give TLS a key without a password, and leave the rest to the server",
      });
    }
    if (meaning !== undefined) {
      // None means what holds without the option.
      if (value !== null || meaning[1] !== same) values.set(meaning[0], meaning[1](value));
    } else if (!(harmlessValues[name]?.includes(value) ?? (workerOptions.has(name) || value === null))) {
      ignored.push(`${name} (${reasons[name] ?? SERVER})`);
    }
  }
  // Then nobody is believed, whoever is in the list beside it.
  if (options["proxy_headers"] === false) values.set("forwarded_allow_ips", "");
  const warnings = ignored.length === 0 ? [] : [`${source} without effect: ${ignored.join(", ")}`];
  return { layer: { source, values }, warnings };
}
