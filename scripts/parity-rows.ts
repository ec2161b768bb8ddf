/**
 * For each setting and hook of Gunicorn that works: the test that shows it, and where tunicorn goes further, how.
 * docs/parity.md is made of it. A new row: `row(NAME, FILE, the test's name or its beginning, what is better)`.
 */
export interface ParityRow {
  readonly name: string;
  /** Path below test/. */
  readonly file: string;
  readonly test: string;
  /** Null: it works as with Gunicorn. */
  readonly better: string | null;
}

function row(name: string, file: string, test: string, better: string | null = null): ParityRow {
  return { name, file, test, better };
}

const HEAD_LIMITS = "limits on the head";
const PERMISSIONS = "what may be permitted";
const SPOKEN = "ciphers says what is spoken with TLS 1.2";
const LIFE = "in the order of a server's life";
const HANDLERS = "A handler that is slow or stuck costs records, never requests";
const RAISES = "An exception in it is logged with the hook's name and a traceback, and has a defined effect";

export const parityRows: readonly ParityRow[] = [
  row(
    "websocket_max_message_size",
    "process/websocket.test.ts",
    "is closed with 1009 for a message above websocket_max_message_size",
    "It also applies to the decompressed message; there are pings, compression and flow control as well",
  ),
  row(
    "config",
    "process/entry-points.test.ts",
    "-c ${config} takes the settings from there",
    "A name that looks like a typing mistake gives a warning with the right one; a broken file never stops a running server",
  ),
  row(
    "wsgi_app",
    "process/boot.test.ts",
    "the application may stand in the settings file",
    "An error comes with a hint, and once for all workers",
  ),
  row(
    "bind",
    "process/sockets.test.ts",
    "IPv4, IPv6, unix and abstract addresses are served at once",
    "A bare number is a port, abstract names work, and HUP binds new addresses",
  ),
  row(
    "backlog",
    "process/stop.test.ts",
    "TERM answers what had connected and still waited for a worker",
    "Clients that wait in it at TERM are answered, not reset",
  ),
  row(
    "workers",
    "process/scale.test.ts",
    "TTIN adds a worker, TTOU takes the oldest away, and one always stays",
  ),
  row(
    "worker_class",
    "process/own-worker-classes.test.ts",
    "a class that derives from SyncWorker has its overrides called, in Gunicorn's order",
  ),
  row(
    "threads",
    "process/gthread.test.ts",
    "a gthread worker handles as many requests at once as it has threads",
  ),
  row(
    "max_requests",
    "process/recycling.test.ts",
    "max_requests: workers that are due together are replaced one at a time",
    "No request is lost, and never more than one worker is away",
  ),
  row(
    "max_requests_jitter",
    "process/recycling.test.ts",
    "max_requests_jitter: a worker serves up to so many requests more",
  ),
  row(
    "timeout",
    "process/crash.test.ts",
    "a worker silent past timeout costs 504, and the log tells where it hangs",
    "It limits each request with gthread too; the client gets 504, and the log has the request and its stack",
  ),
  row(
    "graceful_timeout",
    "process/stop.test.ts",
    "TERM waits no longer than graceful_timeout for a request that never ends",
  ),
  row(
    "keepalive",
    "process/clients.test.ts",
    "answers on one connection",
    "It works with sync workers too; an idle connection occupies no worker",
  ),
  row("limit_request_line", "process/size-limits.test.ts", HEAD_LIMITS, "No hidden cap of 8190"),
  row("limit_request_fields", "process/size-limits.test.ts", HEAD_LIMITS),
  row(
    "limit_request_field_size",
    "process/size-limits.test.ts",
    HEAD_LIMITS,
    "The flag may be written with hyphens as well",
  ),
  row(
    "reload",
    "process/code-watcher.test.ts",
    "--reload shows in the browser why the application cannot be loaded, until it can",
    "Any exception of the import is shown, not only SyntaxError; no request is lost; it works with preload_app",
  ),
  row(
    "reload_engine",
    "process/code-watcher.test.ts",
    "--reload-engine ${engine} takes over code that has changed",
    "inotify needs no package",
  ),
  row(
    "reload_extra_files",
    "process/code-watcher.test.ts",
    "and files that a pattern matches later are watched as well",
  ),
  row(
    "spew",
    "process/code-watcher.test.ts",
    "--spew writes the lines that the workers execute",
    "Threads too",
  ),
  row("check_config", "process/entry-points.test.ts", "--check-config and --print-config end with status 1"),
  row(
    "print_config",
    "process/settings.test.ts",
    "--print-config prints every setting in order and starts nothing",
  ),
  row(
    "preload_app",
    "process/reload.test.ts",
    "HUP brings changed code into effect when the application is preloaded",
    "HUP loads the code again",
  ),
  row("reuse_port", "process/sockets.test.ts", "--reuse-port lets two servers have the same port"),
  row("chdir", "process/settings.test.ts", "chdir is where the application is found and runs"),
  row(
    "daemon",
    "process/daemon.test.ts",
    "--daemon returns when the server answers",
    "The command returns when the server answers, and says why if it cannot start",
  ),
  row("raw_env", "process/settings.test.ts", "raw_env puts variables into the application's environment"),
  row(
    "pidfile",
    "process/settings.test.ts",
    "the pidfile holds the pid of the command and goes with it",
    "Removed on every way out, SIGKILL included",
  ),
  row("worker_tmp_dir", "process/full-disk.test.ts", "when the disk is full"),
  row("user", "process/rights.test.ts", "a worker has the user's ids for good"),
  row(
    "group",
    "process/rights.test.ts",
    "initgroups takes the further groups of the user, and a group may be given by number",
  ),
  row(
    "umask",
    "process/rights.test.ts",
    "umask takes rights on the unix socket away, and none from the application",
  ),
  row("initgroups", "process/rights.test.ts", "initgroups takes the further groups of the user"),
  row("secure_scheme_headers", "process/proxy-headers.test.ts", "what a proxy may say of a request"),
  row(
    "forwarded_allow_ips",
    "process/nginx.test.ts",
    "a client that is no trusted proxy cannot choose wsgi.url_scheme",
  ),
  row("pythonpath", "process/settings.test.ts", "pythonpath adds folders to look for the application in"),
  row(
    "paste",
    "process/entry-points.test.ts",
    "--paste serves the application of a PasteDeploy file",
    "A reload reads the file again; it can be set in the configuration file",
  ),
  row(
    "proxy_protocol",
    "process/proxy-protocol.test.ts",
    "--proxy-protocol ${mode} takes a preamble of ${what}",
  ),
  row(
    "proxy_allow_ips",
    "process/proxy-protocol.test.ts",
    "a peer that --proxy-allow-from does not name gets 403",
  ),
  row(
    "protocol",
    "process/uwsgi.test.ts",
    "the application sees the request and the client of nginx",
    "Unknown values are refused",
  ),
  row(
    "uwsgi_allow_ips",
    "process/uwsgi.test.ts",
    "--uwsgi-allow-from ${allowed} lets a front server on this machine in",
    "CIDR ranges",
  ),
  row(
    "raw_paste_global_conf",
    "process/entry-points.test.ts",
    "--paste serves the application of a PasteDeploy file",
  ),
  row("permit_obsolete_folding", "process/permissions.test.ts", PERMISSIONS),
  row("strip_header_spaces", "process/permissions.test.ts", PERMISSIONS),
  row("permit_unconventional_http_method", "process/permissions.test.ts", PERMISSIONS),
  row("permit_unconventional_http_version", "process/permissions.test.ts", PERMISSIONS),
  row("casefold_http_method", "process/permissions.test.ts", PERMISSIONS),
  row("forwarder_headers", "process/proxy-headers.test.ts", "what a proxy may say of a request"),
  row("header_map", "process/permissions.test.ts", "header_map"),
  row(
    "accesslog",
    "process/logging.test.ts",
    "a full disk costs log lines and no request",
    "A target that is full or gone costs lines, never requests",
  ),
  row("access_log_format", "process/logging.test.ts", "the access log's atoms are Gunicorn's"),
  row("errorlog", "process/settings.test.ts", "the error log goes to a file", "As accesslog"),
  row("loglevel", "process/guides.test.ts", "logs at the level of GUNICORN_LOG_LEVEL"),
  row(
    "disable_redirect_access_to_syslog",
    "process/syslog.test.ts",
    "syslog by TCP takes a prefix and a facility",
  ),
  row(
    "capture_output",
    "process/logging.test.ts",
    "the application's output goes to the error log when it is captured",
    "Whole lines at once, as JSON too",
  ),
  row(
    "logger_class",
    "process/logging-handlers.test.ts",
    "a logger_class of the user's own decides what is logged, and how",
    "Also where Gunicorn is not installed",
  ),
  row(
    "logconfig",
    "process/logging-handlers.test.ts",
    "logconfig takes an ini file and logconfig_json a JSON file",
    HANDLERS,
  ),
  row(
    "logconfig_dict",
    "process/logging-handlers.test.ts",
    "handlers of logconfig_dict get the records of arbiter, router and workers",
    HANDLERS,
  ),
  row(
    "logconfig_json",
    "process/logging-handlers.test.ts",
    "logconfig takes an ini file and logconfig_json a JSON file",
    `${HANDLERS}; a file that is not there is an error`,
  ),
  row(
    "syslog_addr",
    "process/syslog.test.ts",
    "syslog by a unix socket, also when its server comes back after it was gone",
    "TCP messages end as RFC 6587 says; a server that comes back is found again",
  ),
  row(
    "syslog",
    "process/syslog.test.ts",
    "a syslog server that is not there stops nothing, nor does one that does not read",
    "A server that is not there, or is stuck, stops nothing",
  ),
  row("syslog_prefix", "process/syslog.test.ts", "syslog by TCP takes a prefix and a facility"),
  row("syslog_facility", "process/syslog.test.ts", "syslog by TCP takes a prefix and a facility"),
  row(
    "statsd_host",
    "process/metrics.test.ts",
    "statsd gets Gunicorn's metrics by UDP",
    "Many metrics in a datagram; the log counters include what the server itself logs",
  ),
  row("dogstatsd_tags", "process/metrics.test.ts", "statsd by a unix socket has prefix and tags"),
  row("statsd_prefix", "process/metrics.test.ts", "statsd by a unix socket has prefix and tags"),
  row(
    "enable_backlog_metric",
    "process/metrics.test.ts",
    "the backlog metric counts requests that wait for a worker",
    "It counts requests that wait for a worker as well as connections that are not accepted yet",
  ),
  row(
    "enable_stdio_inheritance",
    "process/daemon.test.ts",
    "daemon = True in the configuration file is the same; -R keeps the output of the command",
  ),
  row("proc_name", "process/naming.test.ts", "proc_name comes first", "Works without setproctitle"),
  row("default_proc_name", "process/naming.test.ts", "default_proc_name stands in for the application's"),
  row(
    "sendfile",
    "process/files.test.ts",
    "sendfile: the router reads a wrapped file itself, unless it is told not to",
    "True means on",
  ),
  row(
    "tmp_upload_dir",
    "process/files.test.ts",
    "tmp_upload_dir holds the bodies that are too large for memory",
    "It has the effect that its documentation promises",
  ),
  // TLS
  row(
    "certfile",
    "process/tls.test.ts",
    "answers one request after another on a connection, and the application sees https",
    "The router does it, so no worker waits for a handshake; HUP reads a renewed certificate, and keeps the old one if the new one is bad",
  ),
  row(
    "keyfile",
    "process/tls.test.ts",
    "${what} ends the start with status 1",
    "A key that does not belong to the certificate, or has a password, is named",
  ),
  row("ssl_version", "process/tls.test.ts", SPOKEN),
  row(
    "cert_reqs",
    "process/tls.test.ts",
    "are demanded by --cert-reqs 2, and must be signed by ca_certs",
    "The log says why a client was refused",
  ),
  row("ca_certs", "process/tls.test.ts", "are demanded by --cert-reqs 2, and must be signed by ca_certs"),
  row("suppress_ragged_eofs", "process/tls.test.ts", SPOKEN),
  row("do_handshake_on_connect", "process/tls.test.ts", SPOKEN),
  row("ciphers", "process/tls.test.ts", SPOKEN),
  row("ssl_context", "process/tls.test.ts", "the hook ssl_context decides what TLS is spoken"),
  // hooks
  row("on_starting", "process/hooks.test.ts", LIFE, RAISES),
  row(
    "on_reload",
    "process/hooks.test.ts",
    "on_reload: the reload is given up, and the old workers go on",
    RAISES,
  ),
  row("when_ready", "process/hooks.test.ts", LIFE, RAISES),
  row("pre_fork", "process/hooks.test.ts", LIFE, RAISES),
  row("post_fork", "process/hooks.test.ts", LIFE, RAISES),
  row(
    "post_worker_init",
    "process/hooks.test.ts",
    "each new worker runs the worker hooks with an age of its own",
    RAISES,
  ),
  row("worker_int", "process/hooks.test.ts", "worker_int runs in the workers on QUIT"),
  row(
    "worker_abort",
    "process/hooks.test.ts",
    "worker_int runs in the workers on QUIT, worker_abort in one that took too long",
  ),
  row("pre_request", "process/hooks.test.ts", "pre_request: that request gets 500", RAISES),
  row("post_request", "process/hooks.test.ts", "post_request: the client has its answer", RAISES),
  row("child_exit", "process/hooks.test.ts", "worker_exit and child_exit: the worker leaves"),
  row("worker_exit", "process/hooks.test.ts", "worker_exit and child_exit: the worker leaves"),
  row("nworkers_changed", "process/hooks.test.ts", "TTIN, TTOU and HUP tell nworkers_changed the numbers"),
  row("pre_exec", "process/upgrade.test.ts", "a pre_exec that raises gives the upgrade up", RAISES),
  row(
    "on_exit",
    "process/hooks.test.ts",
    "on_exit: the server ends with status 0",
    "Called also when a start fails after on_starting",
  ),
];
