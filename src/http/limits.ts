/** Limits on the head of a request. `0` means no limit of its own; `headBytes` then still holds. */
export interface HttpLimits {
  /** Bytes of the request line without its CRLF (`limit_request_line`). */
  readonly requestLineBytes: number;
  /** Number of header fields (`limit_request_fields`); trailers count for themselves. */
  readonly fieldCount: number;
  /** Bytes of one field line without its CRLF (`limit_request_field_size`). */
  readonly fieldBytes: number;
  /** Bytes of the whole head: what bounds memory when the others are 0. */
  readonly headBytes: number;
}

/** Gunicorn's defaults. */
export const defaultHttpLimits: HttpLimits = {
  requestLineBytes: 4094,
  fieldCount: 100,
  fieldBytes: 8190,
  headBytes: 1024 * 1024,
};

/** Bytes of one chunk-size line with its extensions (RFC 9112 section 7.1.1 asks for a limit). */
export const CHUNK_LINE_LIMIT_BYTES = 1024;

/** Bytes of all chunk extensions of one body. */
export const CHUNK_EXTENSIONS_LIMIT_BYTES = 16 * 1024;
