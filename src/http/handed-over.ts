import type { Socket } from "node:net";
import type { RequestSource } from "./request-source.ts";

/** A connection that speaks another protocol from here on. */
export interface HandedOver {
  readonly socket: Socket;
  /** Bytes that came behind the request. */
  readonly bytes: Buffer;
}

/** Removes the listeners of HTTP from the socket, except the one for "close". */
export function handOver(socket: Socket, source: RequestSource): HandedOver {
  for (const event of ["data", "end", "drain", "timeout", "error"]) socket.removeAllListeners(event);
  socket.setTimeout(0);
  return { socket, bytes: source.takeRest() };
}
