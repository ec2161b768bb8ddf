import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";

import { ClientConnection } from "./client.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "./deadlines.ts";
import { repositoryRoot } from "./server.ts";
import { onTeardown } from "./teardown.ts";

/** The path of one of test/fixtures/tls. */
export function tlsFile(name: string): string {
  return join(repositoryRoot, "test/fixtures/tls", name);
}

export function readTlsFile(name: string): string {
  return readFileSync(tlsFile(name), "utf8");
}

/** The certificate and key of a client. */
export function clientCertificate(name: "client" | "foreign"): {
  readonly cert: string;
  readonly key: string;
} {
  return { cert: readTlsFile(`${name}.pem`), key: readTlsFile(`${name}.key`) };
}

/** A connection to 127.0.0.1 whose handshake is done. Rejects when it fails, or the server's certificate is not good. */
export async function openTlsSocket(
  t: TestContext,
  port: number,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port, ca: readTlsFile("authority.pem"), ...options });
  onTeardown(t, () => void socket.destroy());
  const secured = new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("The connection was closed in the handshake")));
  });
  await withDeadline(secured, { deadlineMs: ANSWER_DEADLINE_MS, what: "TLS handshake" });
  return socket;
}

/** The same as a client of HTTP. */
export async function openTls(
  t: TestContext,
  port: number,
  options: ConnectionOptions = {},
): Promise<ClientConnection> {
  return new ClientConnection(await openTlsSocket(t, port, options));
}
