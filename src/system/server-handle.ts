/**
 * Binding a socket without listening on it.
 *
 * Node's public API binds, listens and accepts in one step, but the arbiter must hold the listening sockets
 * and never accept. `net._createServerHandle` is what Node's own cluster module binds with; it has been there,
 * unchanged in what we use, since Node 0.12.
 */
import * as net from "node:net";
import { getSystemErrorName } from "node:util";

/** A bound socket. Closing it also removes the file of a unix socket. */
export interface BoundSocket {
  readonly fd: number;
  /** Port that was bound; 0 for a unix socket. */
  readonly port: number;
  close(): void;
}

interface RawHandle {
  readonly fd: number;
  close(): void;
  getsockname?(out: { port?: number }): number;
}

type CreateServerHandle = (address: string, port: number, addressType: number) => RawHandle | number;

function isCreateServerHandle(value: unknown): value is CreateServerHandle {
  return typeof value === "function";
}

function createHandle(address: string, port: number, addressType: 4 | 6 | -1): RawHandle {
  const create: unknown = Reflect.get(net, "_createServerHandle");
  if (!isCreateServerHandle(create)) throw new Error("this version of Node cannot bind without listening");
  const handle = create(address, port, addressType);
  if (typeof handle === "number") throw systemError(handle);
  return handle;
}

function systemError(errno: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(code), { code, errno });
}

/** Binds a TCP address; port 0 takes a free one. Throws a system error with `code`. */
export function bindTcp(address: string, port: number): BoundSocket {
  const handle = createHandle(address, port, net.isIPv6(address) ? 6 : 4);
  const name: { port?: number } = {};
  // libuv keeps "address in use" back until the name is asked for.
  const status = handle.getsockname?.(name) ?? 0;
  if (status !== 0) {
    handle.close();
    throw systemError(status);
  }
  return { fd: handle.fd, port: name.port ?? port, close: () => handle.close() };
}

/** Binds a unix socket. Throws a system error with `code`. */
export function bindUnix(path: string): BoundSocket {
  const handle = createHandle(path, -1, -1);
  return { fd: handle.fd, port: 0, close: () => handle.close() };
}
