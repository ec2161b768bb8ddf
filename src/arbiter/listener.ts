import { lookup } from "node:dns/promises";
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { parseBindAddress, type BindAddress } from "../config/bind-address.ts";
import { TunicornError } from "../errors.ts";
import type { SocketFile } from "../router/messages.ts";
import type { ErrorLog } from "../log/error-log.ts";
import { socketIdentity } from "../system/socket-identity.ts";
import { bindTcp, bindUnix, type BoundSocket } from "../system/server-handle.ts";

/** A bound socket that the routers listen on. The arbiter holds it as long as the server runs. */
export interface Listener {
  readonly fd: number;
  /** As people write it: `http://127.0.0.1:8000`, `unix:/run/app.sock`. */
  readonly url: string;
  readonly serverName: string | null;
  readonly serverPort: string | null;
  /** File of a unix socket, or null. */
  readonly socketFile: SocketFile | null;
  close(): void;
}

/** An address in use is tried this often, one second apart: the process before may be about to leave. */
const ATTEMPTS = 5;
const RETRY_MS = 1000;

/** What to do about the reasons for which binding fails. */
const hints: Readonly<Record<string, string>> = {
  EADDRINUSE: "Stop the program that uses it, or choose another address with --bind",
  EACCES: "Ports below 1024 and foreign folders need rights that this user lacks; choose another with --bind",
  EADDRNOTAVAIL: "No network interface of this machine has this address",
  ENOENT: "The folder of the socket does not exist",
};

/** Binds all addresses; when one fails, those bound before are released. Throws ERR_BIND. */
export async function bindListeners(written: readonly string[], log: ErrorLog): Promise<Listener[]> {
  const listeners: Listener[] = [];
  try {
    for (const text of written) listeners.push(await bindWithRetries(text, log));
  } catch (error) {
    for (const listener of listeners) listener.close();
    throw error;
  }
  return listeners;
}

async function bindWithRetries(written: string, log: ErrorLog): Promise<Listener> {
  const address = parseBindAddress(written);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return address.type === "unix" ? await bindPath(address.path) : await bindHost(address);
    } catch (error) {
      const code = codeOf(error);
      if (code !== "EADDRINUSE" || attempt === ATTEMPTS) throw bindError(written, code, error);
      log.error(`Address ${written} is in use, attempt ${attempt} of ${ATTEMPTS}; the next one in 1 second`);
      await delay(RETRY_MS);
    }
  }
}

async function bindHost(address: Extract<BindAddress, { type: "tcp" }>): Promise<Listener> {
  const resolved = await lookup(address.host);
  const socket = bindTcp(resolved.address, address.port);
  const host = resolved.family === 6 ? `[${resolved.address}]` : resolved.address;
  return {
    ...ownership(socket),
    url: `http://${host}:${socket.port}`,
    serverName: resolved.address,
    serverPort: String(socket.port),
    socketFile: null,
  };
}

async function bindPath(path: string): Promise<Listener> {
  await removeStaleSocket(path);
  const socket = bindUnix(path);
  // Gunicorn's default umask of 0: whoever may enter the folder may connect.
  chmodSync(path, 0o777);
  const socketFile = { path, identity: socketIdentity(path) ?? "" };
  return { ...ownership(socket), url: `unix:${path}`, serverName: null, serverPort: null, socketFile };
}

function ownership(socket: BoundSocket): Pick<Listener, "fd" | "close"> {
  return { fd: socket.fd, close: () => socket.close() };
}

/** Removes the file of a socket that nobody serves; anything else in its place is left alone. */
async function removeStaleSocket(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) {
    throw new TunicornError("ERR_BIND", `Cannot listen at unix:${path}: a file that is no socket is there`, {
      hint: "Remove it, or choose another path with --bind",
    });
  }
  if (await isServed(path)) throw Object.assign(new Error("in use"), { code: "EADDRINUSE" });
  unlinkSync(path);
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.setTimeout(RETRY_MS, () => socket.destroy());
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // Only these say that nobody is there; a full backlog or a forbidden path says nothing of the kind.
    socket.once("error", (error) => resolve(!["ECONNREFUSED", "ENOENT"].includes(codeOf(error))));
    socket.once("close", () => resolve(false));
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

function bindError(written: string, code: string, cause: unknown): TunicornError {
  if (cause instanceof TunicornError && cause.code === "ERR_BIND") return cause;
  const hint = hints[code];
  const reason =
    code === "EADDRINUSE" ? "the address is in use" : cause instanceof Error ? cause.message : code;
  return new TunicornError("ERR_BIND", `Cannot listen at ${written}: ${reason}`, {
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
}
