import type { Socket } from "node:net";
import type { RequestSource } from "./request-source.ts";

/** A connection that speaks another protocol from here on. */
export interface HandedOver {
  readonly socket: Socket;
  /** What has come behind the request. */
  readonly bytes: Buffer;
}

/** Takes HTTP's listeners off the socket, but that for its end. */
export function handOver(socket: Socket, source: RequestSource): HandedOver {
  for (const event of ["data", "end", "drain", "timeout", "error"]) socket.removeAllListeners(event);
  socket.setTimeout(0);
  return { socket, bytes: source.takeRest() };
}
