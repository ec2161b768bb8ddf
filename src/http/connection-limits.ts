/** Limits of a connection that no setting changes. */

export const CONTINUE = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n", "latin1");

/** Bytes of pipelined requests that are kept while a response is under way; beyond it reading stops. */
export const PIPELINE_LIMIT_BYTES = 64 * 1024;

/** Incomplete heads larger than this are refused while memory is short. */
export const LARGE_HEAD_BYTES = 16 * 1024;

/** While more bytes than this of earlier responses are unsent, the next request of the connection waits. */
export const UNSENT_LIMIT_BYTES = 256 * 1024;

/** The minimum rate of a body is enforced only after this time. */
export const BODY_RATE_GRACE_SECONDS = 10;

/** Pauses between the probes that find out whether a client that has closed its side is still there. */
export const PROBE_AFTER_MS = [100, 500, 1000, 2000, 4000, 8000, 16_000, 30_000];

/** While draining: how long a new connection may take for the first byte of its request. */
export const FIRST_REQUEST_MS = 1000;

/** After the last answer, unread input is thrown away for this long, so that no reset destroys the answer. */
export const LINGER_MS = 2000;
export const LINGER_LIMIT_BYTES = 8 * 1024 * 1024;
