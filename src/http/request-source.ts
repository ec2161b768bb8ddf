import type { HttpFault } from "./http-fault.ts";
import type { RequestHead } from "./request-head.ts";

/** What a connection's bytes mean, in order: head, body pieces, end, and again. After a fault, nothing. */
export type RequestEvent =
  | { readonly type: "head"; readonly head: RequestHead }
  | { readonly type: "body"; readonly bytes: Buffer }
  | { readonly type: "end" }
  | { readonly type: "fault"; readonly fault: HttpFault };

/** Where a connection gets its requests from: the parser of HTTP/1.1, or that of uwsgi. */
export interface RequestSource {
  /** Between two requests with no octet of the next one seen: closing here loses nothing. */
  readonly isIdle: boolean;
  /** A head has begun and is not complete. */
  readonly isInHead: boolean;
  /** The request whose head is being read, or was refused, is a HEAD: no answer to it has a body. */
  readonly isHead: boolean;
  /** Bytes fed but not yet given out. */
  readonly bufferedBytes: number;
  /** What they take in memory. */
  readonly memoryBytes: number;
  /** How many of the next bytes are body of the present request, with nothing buffered before them; 0 if not known. */
  readonly bodyLeft: number;
  /** Takes out what was fed and not given out: it belongs to another protocol. */
  takeRest(): Buffer;
  /** Adds bytes. */
  feed(bytes: Buffer): void;
  /** The next event, or null when more bytes are needed. */
  next(): RequestEvent | null;
}
