/**
 * Listening sockets without accepting on them.
 *
 * Node's public API binds, listens and accepts in one step, but the arbiter must hold the listening sockets
 * and never accept. `net._createServerHandle` is what Node's own cluster module binds with; it has been there,
 * unchanged in what we use, since Node 0.12. Its handles are also what the IPC channel takes to another process.
 */
import * as net from "node:net";
import type { SendHandle } from "node:child_process";
import { getSystemErrorMap } from "node:util";
import { ipVersion } from "./ip-version.ts";

/** What the address of a unix socket holds, without the NUL at its end. libuv cuts off what is longer. */
export const UNIX_PATH_LIMIT_BYTES = process.platform === "linux" ? 107 : 103;

/** Where a socket is bound: an IP address and a port, or a unix socket, whose name Node cannot tell. */
export type SocketName =
  | { readonly type: "tcp"; readonly address: string; readonly port: number }
  | { readonly type: "unix" };

/** A bound socket that this process has open. */
export interface BoundSocket {
  readonly fd: number;
  readonly name: SocketName;
  /** To be sent to another process with a message. */
  readonly handle: SendHandle;
  /** Lets go of the socket. It also removes the file of a unix socket that bindUnix() made. */
  close(): void;
}

interface RawHandle {
  readonly fd: number;
  close(): void;
  /** Of a TCP handle alone. */
  getsockname?(out: { address?: string; port?: number }): number;
}

type CreateServerHandle = (
  address: string | null,
  port: number,
  addressType: number,
  fd?: number,
) => RawHandle | number;

function isCreateServerHandle(value: unknown): value is CreateServerHandle {
  return typeof value === "function";
}

function createHandle(...request: Parameters<CreateServerHandle>): RawHandle {
  const create: unknown = Reflect.get(net, "_createServerHandle");
  if (!isCreateServerHandle(create)) throw new Error("this version of Node cannot bind without listening");
  const handle = create(...request);
  if (typeof handle === "number") throw systemError(handle);
  return handle;
}

function systemError(errno: number): NodeJS.ErrnoException {
  const [code, meaning] = getSystemErrorMap().get(errno) ?? [String(errno), "unknown error"];
  return Object.assign(new Error(`${meaning} (${code})`), { code, errno });
}

/** Binds a TCP address; port 0 takes a free one. Throws a system error with `code`. */
export function bindTcp(address: string, port: number): BoundSocket {
  return toBoundSocket(createHandle(address, port, ipVersion(address) === 6 ? 6 : 4));
}

/** Binds a unix socket; a path that begins with NUL is an abstract name (Linux). Throws a system error with `code`. */
export function bindUnix(path: string): BoundSocket {
  return toBoundSocket(createHandle(path, -1, -1));
}

/** Takes a socket that another process has bound. Throws a system error when the descriptor is no stream socket. */
export function adoptSocket(fd: number): BoundSocket {
  return toBoundSocket(createHandle(null, 0, -1, fd));
}

/** Takes a handle that came with a message. Throws a system error when it is none. */
export function adoptHandle(handle: unknown): BoundSocket {
  if (!isRawHandle(handle)) throw Object.assign(new Error("EBADF"), { code: "EBADF" });
  return toBoundSocket(handle);
}

function isRawHandle(value: unknown): value is RawHandle {
  return typeof value === "object" && value !== null && "fd" in value && typeof value.fd === "number";
}

function toBoundSocket(handle: RawHandle): BoundSocket {
  return {
    fd: handle.fd,
    name: nameOf(handle),
    // The type of the public API names the objects that wrap such a handle; cluster sends the handle itself.
    handle: handle as unknown as SendHandle,
    close: () => handle.close(),
  };
}

function nameOf(handle: RawHandle): SocketName {
  if (handle.getsockname === undefined) return { type: "unix" };
  const name: { address?: string; port?: number } = {};
  // libuv keeps "address in use" back until the name is asked for.
  const status = handle.getsockname(name);
  if (status !== 0) {
    handle.close();
    throw systemError(status);
  }
  return { type: "tcp", address: name.address ?? "", port: name.port ?? 0 };
}
