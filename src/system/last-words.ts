import { readSync } from "node:fs";
import type { Socket } from "node:net";

const READ_BYTES = 65_536;

/**
 * Has `onBytes` hear all that the other end has said, also when it is found to be gone by a write. Node destroys a socket
 * whose write fails, together with what has come and was not read yet.
 */
export function hearLastWords(socket: Socket, onBytes: (bytes: Buffer) => void): void {
  const destroy = socket.destroy.bind(socket);
  socket.destroy = (error) => {
    if (hasLostPeer(error)) readRest(socket, onBytes);
    return destroy(error);
  };
}

function readRest(socket: Socket, onBytes: (bytes: Buffer) => void): void {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : null;
  if (typeof fd !== "number" || fd < 0) return;
  for (let bytes = readSome(fd); bytes.length > 0; bytes = readSome(fd)) onBytes(bytes);
}

/** Nothing at the end, or when the connection was reset behind what was read. */
function readSome(fd: number): Buffer {
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  try {
    return buffer.subarray(0, readSync(fd, buffer));
  } catch {
    return buffer.subarray(0, 0);
  }
}

/** A write has failed; a read that fails has nothing before it. */
function hasLostPeer(error: Error | undefined): boolean {
  return error !== undefined && "syscall" in error && error.syscall === "write";
}
