import type { WebSocket } from "ws";

/** For how many WebSockets it is kept: about 30 MiB in all. */
const KEPT = 256;

/**
 * What zlib needs for a WebSocket is kept for those that were used last, and made anew for the others, which takes some
 * 50 µs for a message. Thousands that are mostly idle would have hundreds of megabytes otherwise, which the allocator
 * does not give back.
 */
export class KeptCompression {
  /** The one that was used last is last. */
  readonly #used = new Set<WebSocket>();
  readonly #limit: number;

  constructor(limit = KEPT) {
    this.#limit = limit;
  }

  /** A message was received, or is sent. */
  onUsed(webSocket: WebSocket): void {
    this.#used.delete(webSocket);
    this.#used.add(webSocket);
    if (this.#used.size <= this.#limit) return;
    const [first] = this.#used;
    if (first === undefined) return;
    this.#used.delete(first);
    // When a message is under way it stays: the end of that is the next use.
    releaseCompression(first);
  }

  forget(webSocket: WebSocket): void {
    this.#used.delete(webSocket);
  }
}

/**
 * Lets go of what zlib keeps between two messages, which it needs for neither: each message is compressed by itself. It
 * is made anew for the next one. Nothing happens while a message is under way.
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
