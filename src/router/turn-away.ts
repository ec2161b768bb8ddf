import { errorAnswer, retryAfter } from "../http/error-page.ts";
import type { AcceptedConnection } from "../system/accepting.ts";

/** For a client that is turned away to take its answer. */
const TURN_AWAY_MS = 1000;

/** A connection that is not wanted: it is told so, and not kept. */
export function turnAway(accepted: AcceptedConnection, status: number, isEncrypted: boolean): void {
  // An answer would need a handshake first, which is most of what is to be saved.
  if (isEncrypted) {
    accepted.close();
    return;
  }
  const socket = accepted.open({ allowHalfOpen: true });
  socket.on("error", () => socket.destroy());
  const timer = setTimeout(() => socket.destroy(), TURN_AWAY_MS);
  socket.on("close", () => clearTimeout(timer));
  socket.resume();
  socket.end(errorAnswer(status, { extraLines: status === 503 ? retryAfter(TURN_AWAY_MS) : "" }));
}
