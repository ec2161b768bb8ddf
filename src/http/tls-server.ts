import type { Socket } from "node:net";
import type { SecureContext, TLSSocket } from "node:tls";
import { reasonOf, systemCodeOf } from "../errors.ts";
import type { AcceptedConnection } from "../system/accepting.ts";
import type { TlsSettings } from "./tls-settings.ts";

/** Loaded where TLS is spoken, and nowhere else: it takes some MiB of arbiter and router, and time at their start. */
function loadTls(): typeof import("node:tls") {
  return process.getBuiltinModule("node:tls");
}

/** OpenSSL takes a list of ciphers for TLS 1.2 alone; Node would switch TLS 1.3 off if its own are not in the list. */
const TLS_1_3_CIPHERS = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

/** Sessions are only taken up again where they were begun for the same purpose. */
const SESSION_CONTEXT = "tunicorn";

/** Where one connection becomes encrypted. */
export interface TlsEntrance {
  /** The socket of the connection, in clear text. It stays half open, and emits "drain" like a plain one. */
  open(accepted: AcceptedConnection, onBytes: (bytes: Buffer) => void): TLSSocket;
}

/** Makes of the settings what all connections share. Throws what OpenSSL says against them. */
export function makeSecureContext(settings: TlsSettings): SecureContext {
  const { certificate, key, authorities, ciphers, minVersion, maxVersion, ticketKeys } = settings;
  return loadTls().createSecureContext({
    cert: certificate,
    key,
    // Never those that Node trusts: whoever buys a certificate could come in.
    ca: authorities ?? [],
    ...(ciphers === null ? {} : { ciphers: `${TLS_1_3_CIPHERS}:${ciphers}` }),
    minVersion,
    maxVersion,
    honorCipherOrder: true,
    sessionIdContext: SESSION_CONTEXT,
    ticketKeys: Buffer.from(ticketKeys, "base64"),
  });
}

/**
 * The server's side of TLS, without a `tls.Server`: that gives a connection out only after its handshake, and until
 * then it would be nobody's, neither counted nor under a deadline.
 */
export class TlsServer {
  readonly #context: SecureContext;
  readonly #clientCertificate: TlsSettings["clientCertificate"];

  constructor(settings: TlsSettings) {
    this.#context = makeSecureContext(settings);
    this.#clientCertificate = settings.clientCertificate;
  }

  /** `onRefused` hears why the handshake failed, or the client's certificate is refused. The socket closes then. */
  entranceFor(onRefused: (reason: string) => void): TlsEntrance {
    return { open: (accepted, onBytes) => this.#open(accepted, onBytes, onRefused) };
  }

  #open(
    accepted: AcceptedConnection,
    onBytes: (bytes: Buffer) => void,
    onRefused: (reason: string) => void,
  ): TLSSocket {
    const requestCert = this.#clientCertificate !== "none";
    const rejectUnauthorized = this.#clientCertificate === "required";
    const carrier = accepted.open({ allowHalfOpen: true });
    const tls = loadTls();
    const socket = new tls.TLSSocket(carrier, {
      isServer: true,
      secureContext: this.#context,
      requestCert,
      rejectUnauthorized,
      // Not in the types, but what makes "drain" follow whatever had to wait.
      ...{ highWaterMark: 1 },
    });
    showProgress(socket, carrier);
    let isSecure = false;
    let isRefused = false;
    const refuse = (reason: string): void => {
      if (!isRefused) onRefused(reason);
      isRefused = true;
      socket.destroy();
    };
    socket.on("secure", () => {
      const problem = requestCert ? verificationProblem(socket, rejectUnauthorized) : null;
      if (problem === null) isSecure = true;
      else refuse(`its certificate is refused (${problem})`);
    });
    socket.on("data", (bytes: Buffer) => {
      if (isSecure) onBytes(bytes);
    });
    socket.on("error", (error) => {
      if (!isSecure && !isGone(error)) refuse(describeHandshakeError(error));
    });
    // What OpenSSL says later on: `tls.Server` alone would let it out as "error".
    socket.on("_tlsError", () => socket.destroy());
    return socket;
  }
}

/**
 * Lets the socket's "timeout" see that the client takes what was written. What OpenSSL has encrypted is one write for
 * Node, of which nothing seems to go before all of it has gone; a socket without TLS shows how much still waits.
 */
function showProgress(socket: TLSSocket, carrier: Socket): void {
  const encrypted: unknown = Reflect.get(socket, "_handle");
  const handle: unknown = Reflect.get(carrier, "_handle");
  if (!isObject(encrypted) || !isObject(handle) || !("writeQueueSize" in handle)) return;
  Object.defineProperty(encrypted, "writeQueueSize", { get: () => handle.writeQueueSize });
}

/** The client left, which is its right. */
function isGone(error: Error): boolean {
  return ["ECONNRESET", "EPIPE"].includes(systemCodeOf(error));
}

function describeHandshakeError(error: Error): string {
  const said: unknown = Reflect.get(error, "reason");
  const reason = typeof said === "string" ? said : error.message;
  if (reason === "http request") return "it speaks plain HTTP, want https:// for this port";
  if (reason === "peer did not return a certificate") return "it has no certificate, and cert_reqs wants one";
  return reason.includes("alert") ? `it broke off (${reason})` : reason;
}

/**
 * What OpenSSL holds against the client's certificate, by its name, or null. Not in the public API without a
 * `tls.Server`, which asks just this; where a version should lack it, every certificate is refused.
 */
function verificationProblem(socket: TLSSocket, isRequired: boolean): string | null {
  const handle: unknown = Reflect.get(socket, "ssl");
  if (!isVerifying(handle)) return "this version of Node does not say whether it is good";
  const problem = handle.verifyError();
  if (problem === null || problem === undefined) return null;
  // Without a certificate there is nothing to hold against it, unless one must be given.
  const hasNone = Object.keys(socket.getPeerCertificate()).length === 0;
  return hasNone && !isRequired ? null : systemCodeOf(problem) || reasonOf(problem);
}

interface Verifying {
  verifyError(): unknown;
}

function isVerifying(handle: unknown): handle is Verifying {
  return isObject(handle) && "verifyError" in handle && typeof handle.verifyError === "function";
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
