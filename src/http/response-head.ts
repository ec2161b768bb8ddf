/** A response head as the application gives it: what decides framing is taken out of the fields. */
export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** Field lines, each ending in CRLF, in latin-1. */
  readonly fieldLines: Buffer;
  /** Length that the application announced, or null. */
  readonly contentLength: number | null;
}

/** How the end of a response body is shown to the client (RFC 9112 section 6.3). */
export type ResponseFraming =
  | { readonly type: "no-body" }
  | { readonly type: "length"; readonly bytes: number }
  | { readonly type: "chunked" }
  | { readonly type: "close" };

const NO_BODY: ResponseFraming = { type: "no-body" };
const EMPTY_BODY: ResponseFraming = { type: "length", bytes: 0 };
const CHUNKED: ResponseFraming = { type: "chunked" };
const CLOSE: ResponseFraming = { type: "close" };

/** What is known of a response when its head is sent. */
export interface FramingInput {
  readonly method: string;
  readonly version: "HTTP/1.0" | "HTTP/1.1";
  readonly status: number;
  readonly contentLength: number | null;
  /** Length of the whole body when it is at hand already, else null. */
  readonly wholeBytes: number | null;
}

/** Responses to HEAD and those with status 1xx, 204 and 304 have no body, whatever the application yields. */
function hasNoBody(method: string, status: number): boolean {
  return method === "HEAD" || status === 204 || status === 304 || status < 200;
}

export function decideFraming(input: FramingInput): ResponseFraming {
  if (hasNoBody(input.method, input.status)) return NO_BODY;
  // There is no content, but only its length says so (RFC 9110 section 15.3.6).
  if (input.status === 205) return EMPTY_BODY;
  if (input.contentLength !== null) return { type: "length", bytes: input.contentLength };
  if (input.wholeBytes !== null) return { type: "length", bytes: input.wholeBytes };
  return input.version === "HTTP/1.1" ? CHUNKED : CLOSE;
}

let dateText = "";
let dateSecond = 0;

/** The Date field's value, made anew once a second (RFC 9110 section 5.6.7). */
function currentDate(): string {
  const now = Date.now();
  const second = Math.floor(now / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(now).toUTCString();
  }
  return dateText;
}

/** The Server field of all answers, those of no request among them: one for the whole process. */
let serverLine = "Server: tunicorn\r\n";

/** What the Server field says from now on (RFC 9110 section 10.2.4), in visible ASCII; empty: no answer has one. */
export function setServerHeader(value: string): void {
  serverLine = value === "" ? "" : `Server: ${value}\r\n`;
}

/** Status line and the fields that the server decides, without the empty line: latin-1 text. */
export function serverHeadText(
  head: ResponseHead,
  framing: ResponseFraming,
  persistence: Persistence,
): string {
  const connection = CONNECTION_LINE[persistence];
  return `HTTP/1.1 ${head.status} ${head.reason}\r\n${serverLine}Date: ${currentDate()}\r\n${connection}${framingText(head, framing)}`;
}

const CONNECTION_LINE: Readonly<Record<Persistence, string>> = {
  close: "Connection: close\r\n",
  "keep-alive": "",
  "keep-alive-1.0": "Connection: keep-alive\r\n",
};

/** What the connection does after this response; an HTTP/1.0 client wants to be told when it stays. */
export type Persistence = "close" | "keep-alive" | "keep-alive-1.0";

function framingText(head: ResponseHead, framing: ResponseFraming): string {
  switch (framing.type) {
    case "length":
      return `Content-Length: ${framing.bytes}\r\n`;
    case "chunked":
      return "Transfer-Encoding: chunked\r\n";
    case "close":
      return "";
    case "no-body":
      // A HEAD or 304 answer may say what a GET would have had; 1xx and 204 may not (RFC 9110 section 8.6).
      return head.contentLength === null || head.status < 200 || head.status === 204
        ? ""
        : `Content-Length: ${head.contentLength}\r\n`;
    default:
      return framing satisfies never;
  }
}
