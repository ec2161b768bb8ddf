import type { ErrorCode } from "../src/errors.ts";

/** What each code of src/errors.ts means, for docs/errors.md. */
export const errorMeanings: Readonly<Record<ErrorCode, string>> = {
  ERR_USAGE: "The command line or `GUNICORN_CMD_ARGS` cannot be understood",
  ERR_NO_APPLICATION: "Neither the command line nor `wsgi_app` names an application",
  ERR_SETTING_VALUE: "A setting does not accept this value, or the value is not possible on this machine",
  ERR_NOT_YET: "A setting asks for something that is not there yet, and serving without it would be wrong",
  ERR_TLS:
    "TLS cannot be spoken with the files that `certfile`, `keyfile` and `ca_certs` name, or with `ciphers`",
  ERR_CONFIG_FILE:
    "The configuration file does not exist, raised an exception, or has a value that cannot be read",
  ERR_CHECK: "`--check-config` or `--print-config`: the application cannot be loaded",
  ERR_INTERPRETER: "No Python was found, it cannot be run, or it is older than 3.10",
  ERR_WORKER_CLASS: "The worker class does not exist, cannot be imported, or cannot serve behind a router",
  ERR_ALREADY_RUNNING: "`run()` was called while another server was running in this process",
  ERR_RELOAD: "`reload()`: the new workers could not boot, and the old ones go on serving",
  ERR_BIND: "The server cannot listen at an address",
  ERR_PIDFILE: "The pidfile names a running process, or cannot be written",
  ERR_RUNTIME_DIRECTORY:
    "The server's private directory cannot be created in `worker_tmp_dir` or `queue_dir`",
  ERR_LOG_FILE: "A log file cannot be opened",
  ERR_HOOK: "A hook that runs before the server listens raised an exception",
  ERR_WORKER_BOOT:
    "A worker failed to boot: the application's module does not exist, or it or a hook raised an exception",
  ERR_APPLICATION_LOAD:
    "The module exists, but has no such attribute, or the attribute is not an application",
  ERR_MOLD_LOST: "The mold ended, or a signal ended the start",
  ERR_ROUTER_LOST: "The router ended while it started",
  ERR_DEADLINE: "Another process of the server did not answer in time",
  ERR_PROTOCOL: "Another process of the server sent something that breaks the protocol between them",
  ERR_HTTP_REQUEST_LINE: "A malformed request line",
  ERR_HTTP_METHOD: "A method that is not a token of 3 to 20 characters without lower case",
  ERR_HTTP_TARGET: "A target that is neither a path nor an http URL, or has a fragment or an encoded NUL",
  ERR_HTTP_VERSION: "A version other than HTTP/1",
  ERR_HTTP_LINE_TOO_LONG: "A request line above `limit_request_line`",
  ERR_HTTP_FIELD: "A malformed header or trailer field",
  ERR_HTTP_FIELD_TOO_LARGE: "A field above `limit_request_field_size`, or a head above 1 MiB",
  ERR_HTTP_TOO_MANY_FIELDS: "More fields than `limit_request_fields`",
  ERR_HTTP_HOST: "A Host field that is missing, repeated or malformed",
  ERR_HTTP_CONTENT_LENGTH: "A Content-Length that is repeated or not a number",
  ERR_HTTP_TRANSFER_ENCODING:
    "A Transfer-Encoding that is malformed, comes with a Content-Length, or comes in HTTP/1.0",
  ERR_HTTP_UNKNOWN_CODING: "An unknown transfer coding",
  ERR_HTTP_CHUNK: "A malformed chunked body",
  ERR_HTTP_EXPECTATION: "An expectation other than `100-continue`",
  ERR_HTTP_EARLY_CLOSE: "The client closed before its request was complete",
  ERR_HTTP_REQUEST_TIMEOUT:
    "The head or the body did not come in time: `header_timeout`, `body_timeout`, `body_min_rate`",
  ERR_HTTP_BODY_TOO_LARGE: "A body above `limit_request_body`",
  ERR_HTTP_CONNECT: "The method CONNECT, which asks for a tunnel",
  ERR_SCHEME_HEADERS: "Two of `secure_scheme_headers` contradict each other",
  ERR_WORKER_DIED: "The worker died while it handled the request",
  ERR_WORKER_TIMEOUT: "The worker took longer than `timeout`",
  ERR_APPLICATION_RAISED: "The application raised an exception, or its response cannot be sent",
  ERR_BODY_STORAGE: "The body could not be stored in a file",
  ERR_OVERLOADED:
    "Too many connections, requests or bytes: `max_connections`, `queue_size`, `queue_timeout`, `buffer_memory`",
  ERR_PROXY_PROTOCOL: "A PROXY preamble that is missing or malformed",
  ERR_PROXY_PEER: "A PROXY preamble, or a uwsgi packet, from a peer that may not send one",
  ERR_UWSGI_PACKET: "A malformed uwsgi packet",
  ERR_HTTP_HEADER_MAP: "A field name with an underscore, while `header_map` is `refuse`",
  ERR_WEBSOCKET_HANDSHAKE: "A malformed opening handshake",
  ERR_WEBSOCKET_VERSION: "A version of WebSocket other than 13",
  ERR_SCRIPT_NAME: "The path does not begin with `SCRIPT_NAME`",
};
