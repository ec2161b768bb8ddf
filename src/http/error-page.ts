import { reasonPhrases } from "./reason-phrases.ts";
import { serverHeadText, type ResponseHead } from "./response-head.ts";

const CONTENT_TYPE_LINE = "Content-Type: text/html; charset=utf-8\r\n";

/** When the client of a request that was refused for lack of room may try again. */
const RETRY_AFTER_MS = 5000;

/** The field line that tells an overloaded server's client when to come again, in whole seconds. */
export function retryAfter(delayMs: number): string {
  return `Retry-After: ${Math.max(1, Math.ceil(delayMs / 1000))}\r\n`;
}

/** A small page for an answer that the server gives itself. It repeats nothing that the client sent. */
export function errorPage(
  status: number,
  extraLines = status === 503 ? retryAfter(RETRY_AFTER_MS) : "",
): { readonly head: ResponseHead; readonly body: Buffer } {
  const reason = reasonPhrases[status] ?? "Error";
  const body = Buffer.from(
    `<!doctype html>\n<html>\n<head><title>${status} ${reason}</title></head>\n<body><h1>${reason}</h1></body>\n</html>\n`,
    "latin1",
  );
  const fieldLines = Buffer.from(`${CONTENT_TYPE_LINE}${extraLines}`, "latin1");
  return { head: { status, reason, fieldLines, contentLength: body.length }, body };
}

export interface ErrorAnswerOptions {
  readonly extraLines?: string;
  /** The answer to a HEAD has no body (RFC 9110 section 9.3.2). */
  readonly isForHead?: boolean;
}

/** A whole answer for a request that could not be read: it says that the connection closes. */
export function errorAnswer(
  status: number,
  { extraLines, isForHead = false }: ErrorAnswerOptions = {},
): Buffer {
  const { head, body } = errorPage(status, extraLines);
  const text = serverHeadText(head, { type: "length", bytes: body.length }, "close");
  const parts = [Buffer.from(text, "latin1"), head.fieldLines, Buffer.from("\r\n")];
  return Buffer.concat(isForHead ? parts : [...parts, body]);
}
