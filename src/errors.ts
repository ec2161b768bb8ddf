import { userInfo } from "node:os";

/**
 * The one registry of errors: each code with what a client sees (`httpStatus`), what the shell sees
 * (`exitStatus`) and for whom the message is written.
 *
 * `audience`: `operator` faults are in the command line, the settings, the machine or the application;
 * `client` faults are in a request; `internal` faults are ours.
 */
export interface ErrorKind {
  readonly audience: "operator" | "client" | "internal";
  /** Status of the process that ends because of it. */
  readonly exitStatus?: number;
  /** Status of the answer to the request that caused it. */
  readonly httpStatus?: number;
}

/** A worker process failed to boot (Gunicorn's `WORKER_BOOT_ERROR`). */
export const EXIT_WORKER_BOOT = 3;
/** The application failed to load (Gunicorn's `APP_LOAD_ERROR`). */
export const EXIT_APPLICATION_LOAD = 4;

function register<Code extends string>(kinds: Record<Code, ErrorKind>): Readonly<Record<Code, ErrorKind>> {
  return kinds;
}

export const errorKinds = register({
  // command line and settings
  ERR_USAGE: { audience: "operator", exitStatus: 2 },
  ERR_NO_APPLICATION: { audience: "operator", exitStatus: 1 },
  ERR_SETTING_VALUE: { audience: "operator", exitStatus: 1 },
  ERR_NOT_YET: { audience: "operator", exitStatus: 1 },
  ERR_TLS: { audience: "operator", exitStatus: 1 },
  ERR_CONFIG_FILE: { audience: "operator", exitStatus: 1 },
  ERR_CHECK: { audience: "operator", exitStatus: 1 },
  ERR_INTERPRETER: { audience: "operator", exitStatus: 1 },
  ERR_WORKER_CLASS: { audience: "operator", exitStatus: 1 },
  // the programmatic entry
  ERR_ALREADY_RUNNING: { audience: "operator", exitStatus: 1 },
  ERR_RELOAD: { audience: "operator", exitStatus: 1 },
  // starting
  ERR_BIND: { audience: "operator", exitStatus: 1 },
  ERR_PIDFILE: { audience: "operator", exitStatus: 1 },
  ERR_RUNTIME_DIRECTORY: { audience: "operator", exitStatus: 1 },
  ERR_LOG_FILE: { audience: "operator", exitStatus: 1 },
  ERR_HOOK: { audience: "operator", exitStatus: 1 },
  ERR_WORKER_BOOT: { audience: "operator", exitStatus: EXIT_WORKER_BOOT },
  ERR_APPLICATION_LOAD: { audience: "operator", exitStatus: EXIT_APPLICATION_LOAD },
  ERR_MOLD_LOST: { audience: "internal", exitStatus: 1 },
  ERR_ROUTER_LOST: { audience: "internal", exitStatus: 1 },
  ERR_DEADLINE: { audience: "internal", exitStatus: 1 },
  ERR_PROTOCOL: { audience: "internal", exitStatus: 1 },
  // requests
  ERR_HTTP_REQUEST_LINE: { audience: "client", httpStatus: 400 },
  ERR_HTTP_METHOD: { audience: "client", httpStatus: 400 },
  ERR_HTTP_TARGET: { audience: "client", httpStatus: 400 },
  ERR_HTTP_VERSION: { audience: "client", httpStatus: 505 },
  ERR_HTTP_LINE_TOO_LONG: { audience: "client", httpStatus: 414 },
  ERR_HTTP_FIELD: { audience: "client", httpStatus: 400 },
  ERR_HTTP_FIELD_TOO_LARGE: { audience: "client", httpStatus: 431 },
  ERR_HTTP_TOO_MANY_FIELDS: { audience: "client", httpStatus: 431 },
  ERR_HTTP_HOST: { audience: "client", httpStatus: 400 },
  ERR_HTTP_CONTENT_LENGTH: { audience: "client", httpStatus: 400 },
  ERR_HTTP_TRANSFER_ENCODING: { audience: "client", httpStatus: 400 },
  ERR_HTTP_UNKNOWN_CODING: { audience: "client", httpStatus: 501 },
  ERR_HTTP_CHUNK: { audience: "client", httpStatus: 400 },
  ERR_HTTP_EXPECTATION: { audience: "client", httpStatus: 417 },
  ERR_HTTP_EARLY_CLOSE: { audience: "client", httpStatus: 400 },
  ERR_HTTP_REQUEST_TIMEOUT: { audience: "client", httpStatus: 408 },
  ERR_HTTP_BODY_TOO_LARGE: { audience: "client", httpStatus: 413 },
  ERR_HTTP_CONNECT: { audience: "client", httpStatus: 501 },
  ERR_SCHEME_HEADERS: { audience: "client", httpStatus: 400 },
  ERR_WORKER_DIED: { audience: "internal", httpStatus: 502 },
  ERR_WORKER_TIMEOUT: { audience: "internal", httpStatus: 504 },
  ERR_APPLICATION_RAISED: { audience: "operator", httpStatus: 500 },
  ERR_BODY_STORAGE: { audience: "operator", httpStatus: 507 },
  ERR_OVERLOADED: { audience: "operator", httpStatus: 503 },
  ERR_PROXY_PROTOCOL: { audience: "client", httpStatus: 400 },
  ERR_PROXY_PEER: { audience: "client", httpStatus: 403 },
  ERR_UWSGI_PACKET: { audience: "client", httpStatus: 400 },
  ERR_HTTP_HEADER_MAP: { audience: "client", httpStatus: 400 },
  ERR_WEBSOCKET_HANDSHAKE: { audience: "client", httpStatus: 400 },
  ERR_WEBSOCKET_VERSION: { audience: "client", httpStatus: 426 },
  ERR_SCRIPT_NAME: { audience: "client", httpStatus: 400 },
});

export type ErrorCode = keyof typeof errorKinds;

/**
 * An error with a code of the registry. The message says what failed, the value and what was wanted,
 * in one sentence without a final period; `hint` says what to do next.
 */
export class TunicornError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : {});
    this.name = "TunicornError";
    this.code = code;
    this.hint = options.hint;
  }

  get kind(): ErrorKind {
    return errorKinds[this.code];
  }
}

/** The text shown to an operator: the message, and on a line of its own what to do. */
export function describeError(error: unknown): string {
  if (error instanceof TunicornError) {
    return error.hint === undefined ? error.message : `${error.message}\n  ${error.hint}`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** What went wrong, in its own words and without a stack. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Code of a system error, such as ENOENT; "" where there is none. */
export function systemCodeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Name of the user whose rights this process has, or his number. */
export function ownUserName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.geteuid?.());
  }
}

/** Exit status for an error that ends the process; 1 for what has no entry. */
export function exitStatusOf(error: unknown): number {
  return error instanceof TunicornError ? (error.kind.exitStatus ?? 1) : 1;
}
