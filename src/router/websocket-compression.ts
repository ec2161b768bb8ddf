import type { WebSocket } from "ws";

/**
 * Lets go of what zlib keeps between two messages, about 120 KiB, which it needs for neither: each message is
 * compressed by itself. It is made anew for the next one. Nothing happens while a message is under way.
 *
 * The library does so only at the end of a WebSocket, by a method that it calls public on an object that it keeps for
 * itself. Should that be elsewhere one day, the memory stays in use, and a test says so.
 */
export function releaseCompression(webSocket: WebSocket): void {
  const receiver = part(webSocket, "_receiver");
  const isBetween = ["_state", "_fragmented", "_bufferedBytes"].every((name) => part(receiver, name) === 0);
  if (!isBetween || webSocket.bufferedAmount > 0) return;
  const extension = part(part(webSocket, "_extensions"), "permessage-deflate");
  const cleanup = part(extension, "cleanup");
  if (typeof cleanup === "function") Reflect.apply(cleanup, extension, []);
}

function part(whole: unknown, name: string): unknown {
  return typeof whole === "object" && whole !== null ? Reflect.get(whole, name) : undefined;
}
