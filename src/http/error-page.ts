import { STATUS_CODES } from "node:http";
import { serverHeadText, type ResponseHead } from "./response-head.ts";

const FIELD_LINES = Buffer.from("Content-Type: text/html; charset=utf-8\r\n", "latin1");

/** A small page for an answer that the server gives itself. It repeats nothing that the client sent. */
export function errorPage(status: number): { readonly head: ResponseHead; readonly body: Buffer } {
  const reason = STATUS_CODES[status] ?? "Error";
  const body = Buffer.from(
    `<!doctype html>\n<html>\n<head><title>${status} ${reason}</title></head>\n<body><h1>${reason}</h1></body>\n</html>\n`,
    "latin1",
  );
  return { head: { status, reason, fieldLines: FIELD_LINES, contentLength: body.length }, body };
}

/** A whole answer for a request that could not be read: it says that the connection closes. */
export function errorAnswer(status: number): Buffer {
  const { head, body } = errorPage(status);
  const text = serverHeadText(head, { type: "length", bytes: body.length }, "close");
  return Buffer.concat([Buffer.from(text, "latin1"), head.fieldLines, Buffer.from("\r\n"), body]);
}
