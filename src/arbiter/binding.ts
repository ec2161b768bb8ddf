import { accessSync, chmodSync, constants, existsSync, lstatSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Settings } from "../config/settings/all.ts";
import { parseBindAddress, type BindAddress } from "../config/bind-address.ts";
import { ownUserName, reasonOf, systemCodeOf, TunicornError } from "../errors.ts";
import type { ErrorLog } from "../log/error-log.ts";
import { bindAbstract, bindShared } from "../system/descriptor-maker.ts";
import { lookUp } from "../system/look-up.ts";
import { adoptSocket, bindTcp, bindUnix, UNIX_PATH_LIMIT_BYTES } from "../system/server-handle.ts";
import { findPortHolder, findUnixHolder, type SocketHolder } from "../system/socket-table.ts";
import { giveFile, type Identity } from "./identity.ts";
import { makeListener, type Listener } from "./listener.ts";
import { socketAccess, type SocketAccess } from "./socket-access.ts";

export interface BindingOptions {
  readonly log: ErrorLog;
  readonly access: SocketAccess;
  /** Other servers may bind the same TCP addresses (`reuse_port`). */
  readonly reusePort: boolean;
  /** Makes the sockets that Node cannot make. */
  readonly interpreter: string;
  /** Aborted when the server stops: what was bound so far is released at once, and nothing more is tried. */
  readonly ending: AbortSignal;
}

/** How the settings want sockets to be bound. */
export function bindingOptions(
  settings: Settings,
  identity: Identity,
  place: Pick<BindingOptions, "log" | "interpreter" | "ending">,
): BindingOptions {
  return { ...place, access: socketAccess(settings, identity), reusePort: settings.reuse_port };
}

/** An address in use is tried this often, one second apart: the process before may be about to leave. */
const ATTEMPTS = 5;
const RETRY_MS = 1000;

/** What to do about the reasons for which binding fails. */
const hints: Readonly<Record<string, string>> = {
  EADDRINUSE: "Stop the program that uses it, or choose another address with --bind",
  EACCES: "Ports below 1024 need rights that this user lacks; choose another one with --bind",
  EADDRNOTAVAIL: "No network interface of this machine has this address",
  ENOENT: "Create the folder of the socket, or choose another path with --bind",
  ENOTFOUND: "No such host is known here; name one of this machine's addresses, or 0.0.0.0 for all of them",
  EPERM: "Only root may give the socket's file to another user",
};

/** Where a path means something else. */
const pathHints: Readonly<Record<string, string>> = {
  EACCES: "This user may not make a file in that folder; choose another path with --bind",
  EADDRINUSE:
    "Stop the program that uses it, remove the file if none does, or choose another path with --bind",
  ENAMETOOLONG: "Choose a shorter path with --bind, or one that is relative to the working folder",
};

/** Binds all addresses; when one fails, those bound before are released. Throws ERR_BIND. */
export async function bindListeners(
  written: readonly string[],
  options: BindingOptions,
): Promise<Listener[]> {
  const listeners: Listener[] = [];
  const release = (): void => {
    for (const listener of listeners) listener.close();
  };
  const { ending } = options;
  // Nobody waits for us then: the process may end before the next attempt.
  ending.addEventListener("abort", release);
  try {
    for (const text of written) {
      listeners.push(await bindWithRetries(text, options));
      ending.throwIfAborted();
    }
  } catch (error) {
    release();
    throw error;
  } finally {
    ending.removeEventListener("abort", release);
  }
  return listeners;
}

async function bindWithRetries(written: string, options: BindingOptions): Promise<Listener> {
  const address = parseBindAddress(written);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await bindAddress(written, address, options);
    } catch (error) {
      const code = systemCodeOf(error);
      const inUse = code === "EADDRINUSE" ? await describeUse(address) : "";
      if (code !== "EADDRINUSE" || attempt === ATTEMPTS)
        throw bindError(written, address, { code, inUse, error });
      options.log.error(
        `Cannot listen at ${written}: ${inUse}; attempt ${attempt} of ${ATTEMPTS}, the next one in 1 second`,
      );
      await delay(RETRY_MS, undefined, { signal: options.ending });
    }
  }
}

async function bindAddress(
  written: string,
  address: BindAddress,
  { access, reusePort, interpreter }: BindingOptions,
): Promise<Listener> {
  switch (address.type) {
    case "tcp": {
      const host = await lookUp(address.host);
      const socket = reusePort
        ? await bindShared(interpreter, host, address.port)
        : bindTcp(host, address.port);
      return makeListener({ address: written, socket, ownsFile: false, isBoundHere: true });
    }
    case "unix":
      return await bindPath(written, address.path, access);
    case "abstract": {
      const socket = await bindAbstract(interpreter, address.name);
      const unixName = `@${address.name}`;
      return makeListener({ address: written, socket, unixName, ownsFile: false, isBoundHere: true });
    }
    case "descriptor":
      return adoptListener(written, address.fd, false);
    default:
      return address satisfies never;
  }
}

/** A socket that somebody else has bound. Throws ERR_BIND when the descriptor is none. */
export function adoptListener(written: string, fd: number, ownsFile: boolean): Listener {
  try {
    return makeListener({ address: written, socket: adoptSocket(fd), ownsFile, isBoundHere: false });
  } catch (cause) {
    throw new TunicornError("ERR_BIND", `Cannot listen at ${written}: descriptor ${fd} is no stream socket`, {
      cause,
      hint: "Whoever starts the server must have bound it and left it open",
    });
  }
}

async function bindPath(written: string, path: string, access: SocketAccess): Promise<Listener> {
  const bytes = Buffer.byteLength(path);
  if (bytes > UNIX_PATH_LIMIT_BYTES) {
    const message = `the path has ${bytes} bytes, want at most ${UNIX_PATH_LIMIT_BYTES}`;
    throw Object.assign(new Error(message), { code: "ENAMETOOLONG" });
  }
  await removeStaleSocket(path);
  // Node would speak of rights that are missing.
  if (!existsSync(dirname(path))) throw Object.assign(new Error("no such folder"), { code: "ENOENT" });
  const socket = bindUnix(path);
  try {
    // Nobody can connect yet: the socket does not listen.
    chmodSync(path, access.mode);
    giveFile(path, access);
  } catch (error) {
    socket.close();
    throw error;
  }
  return makeListener({ address: written, socket, unixName: path, ownsFile: true, isBoundHere: true });
}

/** Removes the file of a socket that nobody serves; anything else in its place is left alone. */
async function removeStaleSocket(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) {
    const what = stats.isDirectory() ? "a folder" : "a file that is no socket";
    const hint = stats.isDirectory()
      ? `Name a file in it, such as unix:${join(path, "app.sock")}`
      : "Remove it, or choose another path with --bind";
    throw new TunicornError("ERR_BIND", `Cannot listen at unix:${path}: ${what} is there`, { hint });
  }
  if (await isServed(path)) throw Object.assign(new Error("in use"), { code: "EADDRINUSE" });
  try {
    unlinkSync(path);
  } catch (cause) {
    const message = `a socket is left there that the user ${ownUserName()} may not remove`;
    const hint = `Remove it as its owner or as root: rm ${path}`;
    throw new TunicornError("ERR_BIND", `Cannot listen at unix:${path}: ${message}`, { cause, hint });
  }
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
    socket.once("error", (error) => resolve(!["ECONNREFUSED", "ENOENT"].includes(systemCodeOf(error))));
    socket.once("close", () => resolve(false));
  });
}

/** To connect to a socket takes the right to write to its file. */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Who uses an address, where the system lets us see it. */
async function describeUse(address: BindAddress): Promise<string> {
  const holder = await findHolder(address);
  const who = holder === null ? "" : ` by process ${holder.pid} (${holder.command})`;
  if (who === "" && address.type === "unix" && !isWritable(address.path))
    return `a socket is there that the user ${ownUserName()} may not connect to`;
  return `the address is in use${who}`;
}

async function findHolder(address: BindAddress): Promise<SocketHolder | null> {
  switch (address.type) {
    case "tcp":
      return findPortHolder(await lookUp(address.host), address.port);
    case "unix":
      return findUnixHolder(address.path);
    case "abstract":
      return findUnixHolder(`@${address.name}`);
    case "descriptor":
      return null;
    default:
      return address satisfies never;
  }
}

interface BindFailure {
  readonly code: string;
  readonly inUse: string;
  readonly error: unknown;
}

function bindError(
  written: string,
  address: BindAddress,
  { code, inUse, error }: BindFailure,
): TunicornError {
  if (error instanceof TunicornError && error.code === "ERR_BIND") return error;
  const hint = (address.type === "unix" ? pathHints[code] : undefined) ?? hints[code];
  const reason = inUse === "" ? reasonOf(error) : inUse;
  return new TunicornError("ERR_BIND", `Cannot listen at ${written}: ${reason}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}
