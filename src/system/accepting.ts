/**
 * Accepting connections without the sockets that `net.Server` makes of them.
 *
 * A socket reads into a buffer of ours (`onread`) only if it is made with it, and one of `net.Server` is not. To make
 * another one of it costs a new connection as much as the first. So the connection is taken as the handle that Node
 * makes its sockets from: `onconnection` is what a listening handle calls, in every version of Node since 0.6. Where a
 * version should do otherwise, its socket arrives by "connection", and the handle is taken out of it.
 */
import { Socket, type Server } from "node:net";

/** How a socket reads: into one buffer, which is overwritten after the callback, and goes on if that says so. */
export interface OnRead {
  readonly buffer: Buffer | (() => Buffer);
  readonly callback: (count: number) => boolean;
}

/** Who is at the other end; both undefined on a unix socket, and when the peer has reset the connection. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

interface StreamHandle {
  /** Of a TCP handle alone. Not 0: an error number. */
  getpeername?(out: { address?: string; port?: number }): number;
  setNoDelay?(isOn: boolean): number;
  setBlocking?(isOn: boolean): number;
  close(): void;
}

/** A connection that was accepted. It becomes one socket, or is closed. */
export class AcceptedConnection {
  #handle: StreamHandle | null;

  constructor(handle: StreamHandle | null) {
    this.#handle = handle;
  }

  /** Asks the system, each time. */
  get peer(): Peer {
    const name: { address?: string; port?: number } = {};
    const isKnown = this.#handle?.getpeername?.(name) === 0;
    return isKnown ? { remoteAddress: name.address, remotePort: name.port } : {};
  }

  /**
   * The socket of the connection, which reads at once. It emits "drain" whenever all has gone that had to wait; Node's
   * sockets do so by themselves only when much had to.
   */
  open(options: { readonly allowHalfOpen: boolean; readonly onread?: OnRead }): Socket {
    const handle = this.#handle;
    this.#handle = null;
    // Not in the types of the public API, but what Node's own `child_process` makes a socket from.
    const socket = new Socket({ handle, writableHighWaterMark: 1, ...options } as object);
    // It was closed meanwhile: "close" follows, as with any socket.
    if (handle === null) socket.destroy();
    return socket;
  }

  close(): void {
    this.#handle?.close();
    this.#handle = null;
  }
}

/** Takes the connection out of a socket, which is at its end then. What it has read already stays in it. */
export function takeConnection(socket: Socket): AcceptedConnection {
  const handle: unknown = Reflect.get(socket, "_handle");
  Reflect.set(socket, "_handle", null);
  socket.destroy();
  return new AcceptedConnection(isStreamHandle(handle) ? handle : null);
}

/**
 * Gives what a server accepts that listens on a handle. It sends without delay: Linux and BSD hand `TCP_NODELAY` of
 * the listening socket on to those that are accepted.
 */
export function acceptConnections(
  server: Server,
  handle: object,
  onAccepted: (connection: AcceptedConnection) => void,
): void {
  if (isStreamHandle(handle)) {
    handle.setNoDelay?.(true);
    // It may come from a program that left it blocking, and somebody else may accept what woke us.
    handle.setBlocking?.(false);
  }
  Reflect.set(handle, "onconnection", (_status: number, accepted: unknown) => {
    // Without a handle it is an error, such as too many open files: the next accept may work again.
    if (isStreamHandle(accepted)) onAccepted(new AcceptedConnection(accepted));
  });
  server.on("connection", (socket) => onAccepted(takeConnection(socket)));
}

/** Lets go of a handle that came with a message and is not used. */
export function closeHandle(handle: object): void {
  if (isStreamHandle(handle)) handle.close();
}

function isStreamHandle(value: unknown): value is StreamHandle {
  return typeof value === "object" && value !== null && "close" in value && typeof value.close === "function";
}
