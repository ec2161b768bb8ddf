import { rmSync } from "node:fs";
import type { SendHandle } from "node:child_process";
import type { SocketFile } from "../router/messages.ts";
import type { BoundSocket } from "../system/server-handle.ts";
import { socketIdentity } from "../system/socket-identity.ts";
import { unixNameOf } from "../system/socket-table.ts";

/** A bound socket that the routers listen on. The arbiter holds it as long as the server runs. */
export interface Listener {
  /** The address as `bind` has it; a reload that still has it keeps the listener. */
  readonly address: string;
  readonly fd: number;
  /** For a router that runs already. */
  readonly handle: SendHandle;
  /** As people write it: `http://127.0.0.1:8000`, `unix:/run/app.sock`. */
  readonly url: string;
  readonly serverName: string | null;
  readonly serverPort: string | null;
  /** File of a unix socket that is ours to remove, or null. */
  readonly socketFile: SocketFile | null;
  /** Lets go of the socket and removes its file. May be called twice. */
  close(): void;
  /** Lets go of the socket, which somebody else goes on serving: its file stays. */
  release(): void;
}

interface ListenerParts {
  readonly address: string;
  readonly socket: BoundSocket;
  /** Name of a unix socket, if it is known: a path, or `@name`. */
  readonly unixName?: string;
  /** The file is ours to remove. */
  readonly ownsFile: boolean;
  /** Closing the socket removes the file: libuv does so for those that this process has bound. */
  readonly isBoundHere: boolean;
}

export function makeListener({ address, socket, unixName, ownsFile, isBoundHere }: ListenerParts): Listener {
  const name = socket.name.type === "unix" ? (unixName ?? unixNameOf(socket.fd)) : null;
  const socketFile = ownsFile && name !== null ? fileOf(name) : null;
  return {
    address,
    fd: socket.fd,
    handle: socket.handle,
    ...namesOf(socket, name),
    socketFile,
    close: () => {
      // A file that somebody else has put in its place is not ours to remove.
      const isOurs = socketFile !== null && socketIdentity(socketFile.path) === socketFile.identity;
      if (socketFile !== null && isBoundHere && !isOurs) return;
      socket.close();
      if (isOurs) rmSync(socketFile.path, { force: true });
    },
    release: () => {
      // Where closing would remove the file, the end of the process closes the socket.
      if (socketFile === null || !isBoundHere) socket.close();
    },
  };
}

function fileOf(path: string): SocketFile | null {
  const identity = path.startsWith("@") ? null : socketIdentity(path);
  return identity === null ? null : { path, identity };
}

type Names = Pick<Listener, "url" | "serverName" | "serverPort">;

function namesOf(socket: BoundSocket, unixName: string | null): Names {
  if (socket.name.type === "unix") {
    return { url: `unix:${unixName ?? `fd://${socket.fd}`}`, serverName: null, serverPort: null };
  }
  const { address, port } = socket.name;
  const host = address.includes(":") ? `[${address}]` : address;
  return { url: `http://${host}:${port}`, serverName: address, serverPort: String(port) };
}
