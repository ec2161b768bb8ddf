import type { FieldName } from "./field-name.ts";

/** How the end of a request body is found (RFC 9112 section 6.3). */
export type BodyFraming =
  | { readonly type: "none" }
  | { readonly type: "length"; readonly bytes: number }
  | { readonly type: "chunked" };

/** A parsed and checked request head. Strings hold one latin-1 octet per character. */
export interface RequestHead {
  readonly method: string;
  /** The request target as sent. */
  readonly target: string;
  /** Path as sent, still percent-encoded: the target without authority and query; `*` for `OPTIONS *`. */
  readonly path: string;
  /** Query as sent, without the question mark. */
  readonly query: string;
  /** The version by whose rules the answer is written. */
  readonly version: "HTTP/1.0" | "HTTP/1.1";
  /** The version as a front server named it; that of the request line otherwise. */
  readonly protocol: string;
  /** Fields in the order sent: `names[i]` belongs to `values[i]`, white space around values removed. */
  readonly names: readonly FieldName[];
  readonly values: readonly string[];
  /** Authority of an absolute target, else the Host field, else "" (HTTP/1.0 only). */
  readonly host: string;
  readonly framing: BodyFraming;
  /** The client wants, and the version allows, a further request on the connection. */
  readonly keepAlive: boolean;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
  /** What a front server that speaks uwsgi says beside the request; null for HTTP. */
  readonly variables: ReadonlyMap<string, string> | null;
}

/** First value of a field, by its lower-case name. */
export function fieldValue(head: RequestHead, lowerName: string): string | undefined {
  const index = head.names.findIndex((name) => name.lower === lowerName);
  return index < 0 ? undefined : head.values[index];
}

/** Last value of a field, by its lower-case name. */
export function lastFieldValue(head: RequestHead, lowerName: string): string | undefined {
  const { names, values } = head;
  for (let index = names.length - 1; index >= 0; index -= 1) {
    if (names[index]?.lower === lowerName) return values[index];
  }
  return undefined;
}
