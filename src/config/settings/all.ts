import { configFileSettings } from "./config-file.ts";
import { debuggingSettings } from "./debugging.ts";
import { loggingSettings } from "./logging.ts";
import { processNamingSettings } from "./process-naming.ts";
import { securitySettings } from "./security.ts";
import { serverMechanicsSettings } from "./server-mechanics.ts";
import { serverSocketSettings } from "./server-socket.ts";
import { workerProcessesSettings } from "./worker-processes.ts";

/** Every setting, in the order of `--help`. */
export const allSettings = [
  ...configFileSettings,
  ...serverSocketSettings,
  ...workerProcessesSettings,
  ...securitySettings,
  ...debuggingSettings,
  ...serverMechanicsSettings,
  ...loggingSettings,
  ...processNamingSettings,
] as const;

type SettingRecord = (typeof allSettings)[number];

export type SettingName = SettingRecord["name"];

/** All settings as they hold, by name, validated. */
export type Settings = {
  readonly [Record in SettingRecord as Record["name"]]: ReturnType<Record["parse"]>;
};

/** Settings of Gunicorn that are known by name and have no effect yet. */
export const settingsNotYet: readonly string[] = [
  "threads",
  "asgi_loop",
  "asgi_lifespan",
  "asgi_disconnect_grace_period",
  "http_parser",
  "reload",
  "reload_engine",
  "reload_extra_files",
  "spew",
  "sendfile",
  "reuse_port",
  "daemon",
  "user",
  "group",
  "umask",
  "initgroups",
  "tmp_upload_dir",
  "paste",
  "proxy_protocol",
  "proxy_allow_ips",
  "protocol",
  "uwsgi_allow_ips",
  "raw_paste_global_conf",
  "permit_obsolete_folding",
  "strip_header_spaces",
  "permit_unconventional_http_method",
  "permit_unconventional_http_version",
  "casefold_http_method",
  "forwarder_headers",
  "header_map",
  "root_path",
  "disable_redirect_access_to_syslog",
  "capture_output",
  "logger_class",
  "logconfig",
  "logconfig_dict",
  "logconfig_json",
  "syslog_addr",
  "syslog",
  "syslog_prefix",
  "syslog_facility",
  "enable_stdio_inheritance",
  "statsd_host",
  "dogstatsd_tags",
  "statsd_prefix",
  "enable_backlog_metric",
  "default_proc_name",
  "keyfile",
  "certfile",
  "ssl_version",
  "cert_reqs",
  "ca_certs",
  "suppress_ragged_eofs",
  "do_handshake_on_connect",
  "ciphers",
  "http_protocols",
  "http2_cleartext",
  "http2_max_concurrent_streams",
  "http2_initial_window_size",
  "http2_max_frame_size",
  "http2_max_header_list_size",
  "dirty_apps",
  "dirty_workers",
  "dirty_timeout",
  "dirty_threads",
  "dirty_graceful_timeout",
  "control_socket",
  "control_socket_mode",
  "control_socket_disable",
  "nworkers_changed",
  "pre_request",
  "post_request",
  "child_exit",
  "on_reload",
  "pre_exec",
  "ssl_context",
  "on_dirty_starting",
  "dirty_post_fork",
  "dirty_worker_init",
  "dirty_worker_exit",
];
