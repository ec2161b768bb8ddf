/** The settings of Gunicorn 26.2.0, as its documentation and its source have them. */
export interface GunicornSetting {
  readonly name: string;
  readonly flags: readonly string[];
  /** As this project writes it; not looked at while the setting has no effect yet. */
  readonly defaultValue: unknown;
  readonly isRepeatable?: boolean;
}

function row(name: string, flags: string, defaultValue: unknown, isRepeatable = false): GunicornSetting {
  return { name, flags: flags.split(" ").filter(Boolean), defaultValue, isRepeatable };
}

const LOOPBACK = ["127.0.0.1", "::1"];

export const gunicornSettings: readonly GunicornSetting[] = [
  // Config File
  row("config", "-c --config", "./gunicorn.conf.py"),
  row("wsgi_app", "", null),
  // Server Socket
  row("bind", "-b --bind", ["127.0.0.1:8000"], true),
  row("backlog", "--backlog", 2048),
  // Worker Processes
  row("workers", "-w --workers", 1),
  row("worker_class", "-k --worker-class", "sync"),
  row("threads", "--threads", 1),
  row("worker_connections", "--worker-connections", 1000),
  row("max_requests", "--max-requests", 0),
  row("max_requests_jitter", "--max-requests-jitter", 0),
  row("timeout", "-t --timeout", 30),
  row("graceful_timeout", "--graceful-timeout", 30),
  row("keepalive", "--keep-alive", 2),
  row("asgi_loop", "--asgi-loop", "auto"),
  row("asgi_lifespan", "--asgi-lifespan", "auto"),
  row("asgi_disconnect_grace_period", "--asgi-disconnect-grace-period", 3),
  row("http_parser", "--http-parser", "auto"),
  // Security
  row("limit_request_line", "--limit-request-line", 4094),
  row("limit_request_fields", "--limit-request-fields", 100),
  row("limit_request_field_size", "--limit-request-field_size", 8190),
  // Debugging
  row("reload", "--reload", false),
  row("reload_engine", "--reload-engine", "auto"),
  row("reload_extra_files", "--reload-extra-file", [], true),
  row("spew", "--spew", false),
  row("check_config", "--check-config", false),
  row("print_config", "--print-config", false),
  // Server Mechanics
  row("preload_app", "--preload", false),
  row("sendfile", "--no-sendfile", null),
  row("reuse_port", "--reuse-port", false),
  row("chdir", "--chdir", process.cwd()),
  row("daemon", "-D --daemon", false),
  row("raw_env", "-e --env", [], true),
  row("pidfile", "-p --pid", null),
  row("worker_tmp_dir", "--worker-tmp-dir", null),
  row("user", "-u --user", null),
  row("group", "-g --group", null),
  row("umask", "-m --umask", 0),
  row("initgroups", "--initgroups", false),
  row("tmp_upload_dir", "", null),
  row("secure_scheme_headers", "", {
    "X-FORWARDED-PROTOCOL": "ssl",
    "X-FORWARDED-PROTO": "https",
    "X-FORWARDED-SSL": "on",
  }),
  row("forwarded_allow_ips", "--forwarded-allow-ips", LOOPBACK),
  row("pythonpath", "--pythonpath", null),
  row("paste", "--paste --paster", null),
  row("proxy_protocol", "--proxy-protocol", "off"),
  row("proxy_allow_ips", "--proxy-allow-from", LOOPBACK),
  row("protocol", "--protocol", "http"),
  row("uwsgi_allow_ips", "--uwsgi-allow-from", LOOPBACK),
  row("raw_paste_global_conf", "--paste-global", [], true),
  row("permit_obsolete_folding", "--permit-obsolete-folding", false),
  row("strip_header_spaces", "--strip-header-spaces", false),
  row("permit_unconventional_http_method", "--permit-unconventional-http-method", false),
  row("permit_unconventional_http_version", "--permit-unconventional-http-version", false),
  row("casefold_http_method", "--casefold-http-method", false),
  row("forwarder_headers", "--forwarder-headers", ["SCRIPT_NAME", "PATH_INFO"]),
  row("header_map", "--header-map", "drop"),
  row("root_path", "--root-path", ""),
  // Logging
  row("accesslog", "--access-logfile", null),
  row("disable_redirect_access_to_syslog", "--disable-redirect-access-to-syslog", false),
  row(
    "access_log_format",
    "--access-logformat",
    `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`,
  ),
  row("errorlog", "--error-logfile --log-file", "-"),
  row("loglevel", "--log-level", "info"),
  row("capture_output", "--capture-output", false),
  row("logger_class", "--logger-class", "gunicorn.glogging.Logger"),
  row("logconfig", "--log-config", null),
  row("logconfig_dict", "", {}),
  row("logconfig_json", "--log-config-json", null),
  row("syslog_addr", "--log-syslog-to", "udp://localhost:514"),
  row("syslog", "--log-syslog", false),
  row("syslog_prefix", "--log-syslog-prefix", null),
  row("syslog_facility", "--log-syslog-facility", "user"),
  row("enable_stdio_inheritance", "-R --enable-stdio-inheritance", false),
  row("statsd_host", "--statsd-host", null),
  row("dogstatsd_tags", "--dogstatsd-tags", ""),
  row("statsd_prefix", "--statsd-prefix", ""),
  row("enable_backlog_metric", "--enable-backlog-metric", false),
  // Process Naming
  row("proc_name", "-n --name", null),
  row("default_proc_name", "", "gunicorn"),
  // SSL
  row("keyfile", "--keyfile", null),
  row("certfile", "--certfile", null),
  row("ssl_version", "--ssl-version", null),
  row("cert_reqs", "--cert-reqs", 0),
  row("ca_certs", "--ca-certs", null),
  row("suppress_ragged_eofs", "--suppress-ragged-eofs", true),
  row("do_handshake_on_connect", "--do-handshake-on-connect", false),
  row("ciphers", "--ciphers", null),
  // HTTP/2
  row("http_protocols", "--http-protocols", "h1"),
  row("http2_cleartext", "--http2-cleartext", "off"),
  row("http2_max_concurrent_streams", "--http2-max-concurrent-streams", 100),
  row("http2_initial_window_size", "--http2-initial-window-size", 65535),
  row("http2_max_frame_size", "--http2-max-frame-size", 16384),
  row("http2_max_header_list_size", "--http2-max-header-list-size", 65536),
  // Dirty Arbiters and Control
  row("dirty_apps", "--dirty-app", [], true),
  row("dirty_workers", "--dirty-workers", 0),
  row("dirty_timeout", "--dirty-timeout", 300),
  row("dirty_threads", "--dirty-threads", 1),
  row("dirty_graceful_timeout", "--dirty-graceful-timeout", 30),
  row("control_socket", "--control-socket", null),
  row("control_socket_mode", "--control-socket-mode", 0o600),
  row("control_socket_disable", "--no-control-socket", false),
];

export const gunicornHooks: readonly string[] = [
  "nworkers_changed",
  "on_starting",
  "when_ready",
  "pre_fork",
  "post_fork",
  "post_worker_init",
  "pre_request",
  "post_request",
  "worker_int",
  "worker_abort",
  "worker_exit",
  "child_exit",
  "on_reload",
  "pre_exec",
  "on_exit",
  "ssl_context",
  "on_dirty_starting",
  "dirty_post_fork",
  "dirty_worker_init",
  "dirty_worker_exit",
];
