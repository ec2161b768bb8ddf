/** Why tunicorn does not do as uvicorn does. docs/asgi.md has the reasons too. */
export interface Difference {
  readonly reason: string;
  /** The cases of test/fixtures/apps/asgi_cases.py in which it shows. */
  readonly cases: readonly string[] | "any";
  /** What tunicorn's outcome is then, and uvicorn's is not; undefined: it has no such fact. */
  readonly facts: Readonly<Record<string, string | RegExp | undefined>>;
}

const EXTENSIONS =
  "The extensions early hints and trailers are offered, and with `sendfile = True` files by their path. uvicorn offers none of them.";
const IDENTITY =
  "`Server` is tunicorn's, and the application's own `Date` and `Server` are dropped, as in Gunicorn.";
const ABSOLUTE =
  "If the target is a URL with a host, this host becomes the field `host` (RFC 9112 section 3.2.2).";
const UNDERSCORE = "Field names with an underscore are dropped, unless `header_map` says otherwise.";
const FORWARDED =
  "With the class `asgi`, the client is whoever connected, as in Gunicorn. With uvicorn's classes, it is taken from a trusted `X-Forwarded-For`.";
const SOCKET_FILE = "Whoever connects to a unix socket is trusted as a proxy, as in Gunicorn.";
const ASTERISK = "`root_path` is not put before the target `*`, which is not a path.";
const HALF_CLOSED = "A client that has closed only its sending side is answered (RFC 9112 section 9.6).";
const CONTINUE =
  "`100 Continue` is not sent if the body is there already, nor in HTTP/1.0. If the application never asks for the body, the server does not wait for it and closes the connection.";
const EXPECTATION = "An unknown expectation gets 417, as in Gunicorn.";
const REFUSED =
  "A target with a fragment or an encoded NUL gets 400, and so does a method or target that one of uvicorn's parsers refuses.";
const ERROR_PAGE = "All errors of the server have the same kind of page.";
const GOES_ON = "After a complete response, the connection stays open, whatever the application does then.";
const HEAD_HELD =
  "The head is sent with the first piece of the body, or when the application waits. If the application raises an exception before that, the client gets 500; uvicorn cuts the connection.";
const ERROR_TEXT = "If a message of the application is wrong, the error says what is wrong with it.";
const WHOLE = "A body that is sent in one piece gets a length and is not chunked.";
const NO_BODY =
  "A body with 204 or 304 is dropped, and no length is sent where none is allowed (RFC 9110 section 8.6), as in Gunicorn.";
const RESET = "A response with 205 has the length 0 (RFC 9110 section 15.3.6).";
const OLD_KEEP_ALIVE = "An HTTP/1.0 client can keep its connection if it asks for it, as in Gunicorn.";
const CLOSE =
  "The application's own `Connection` is dropped, as in Gunicorn, since connections belong to the router.";
const STATUS = "Every status from 200 to 999 can be sent.";
const LENGTHS = "Two lengths that contradict each other are refused.";

/** Cases in which the call fails after the start, before anything has left. */
const FAILED_EARLY = [
  "raising after the start",
  "returning after the start",
  "returning a value before the start",
  "two starts",
  "an unknown message later",
  "no message at all",
  "a start without a status",
  "a status as text",
  "a status with a fraction",
  "status 101",
  "status 99",
  "status 600",
  "status 1000",
  "header names as text",
  "header values as text",
  "a length as text",
  "a header that is no pair",
  "headers of None",
  "a header name with a space",
  "an empty header name",
  "a header value with a line end",
  "a header value with NUL",
  "a body as text",
  "a body of None",
  "a body that is too long",
  "a Content-Length that is no number",
  "two different Content-Lengths",
];

const page = (title: string): RegExp => new RegExp(`^<!doctype html>\\n[^]*<h1>${title}</h1>[^]*</html>\\n$`);
const HTML = "Content-Type: text/html; charset=utf-8";
const LEAVES_AT_ONCE = "sent http.response.start; sent http.response.body";

export const differences: readonly Difference[] = [
  {
    reason: EXTENSIONS,
    cases: "any",
    facts: {
      "scope extensions": "{'http.response.early_hint': {}, 'http.response.trailers': {}}",
    },
  },
  {
    reason: EXTENSIONS,
    cases: ["early hints"],
    facts: {
      events: `sent http.response.early_hint; ${LEAVES_AT_ONCE}`,
      connection: "goes on",
      answer: "HTTP/1.1 103 Early Hints",
      "answer fields": "link: </a.css>; rel=preload",
      "answer framing": "",
      "answer identity": "",
      "answer body": "",
      "answer 2": "HTTP/1.1 200 OK",
      "answer 2 fields": "",
      "answer 2 framing": "content-length: 2",
      "answer 2 identity": "date; server: tunicorn",
      "answer 2 body": "ok",
    },
  },
  {
    reason: EXTENSIONS,
    cases: ["trailers"],
    facts: {
      events: `${LEAVES_AT_ONCE}; sent http.response.trailers`,
      connection: "goes on",
      "answer body": "ok\nx-sum: 1\r\n",
    },
  },
  {
    reason: EXTENSIONS,
    cases: ["a file by its path"],
    facts: {
      events: "sent http.response.start; sent http.response.pathsend",
      connection: "goes on",
      "answer body": /return app\n$/,
    },
  },
  {
    reason: IDENTITY,
    cases: "any",
    facts: { "answer identity": "date; server: tunicorn", "answer 2 identity": "date; server: tunicorn" },
  },
  {
    reason: ABSOLUTE,
    cases: ["an absolute target", "an absolute target without a path"],
    facts: { "scope headers": /^\[\(b'host', b'other\.test'\)/ },
  },
  {
    reason: ABSOLUTE,
    cases: ["an absolute target without a path"],
    facts: { "scope path": /^'(?:\/mounted)?\/'$/, "scope raw_path": /^b'(?:\/mounted)?\/'$/ },
  },
  {
    reason: UNDERSCORE,
    cases: ["a field name with an underscore"],
    facts: { "scope headers": "[(b'host', b'case.test'), (b'x-case', b'a field name with an underscore')]" },
  },
  {
    reason: FORWARDED,
    cases: ["a forwarded client and scheme"],
    facts: { "scope client": "127.0.0.1 port" },
  },
  {
    reason: SOCKET_FILE,
    cases: ["a forwarded client and scheme"],
    facts: { "scope client": "203.0.113.9 0", "scope scheme": "'https'" },
  },
  { reason: ASTERISK, cases: ["an asterisk"], facts: { "scope path": "'*'", "scope raw_path": "b'*'" } },
  {
    reason: HALF_CLOSED,
    cases: ["a client that has closed its side"],
    facts: {
      answer: "HTTP/1.1 200 OK",
      "answer fields": "",
      "answer framing": "content-length: 2",
      "answer body": "ok",
    },
  },
  {
    reason: CONTINUE,
    cases: ["a body that is not asked for"],
    facts: {
      "answer framing": "connection: close; content-length: 2",
      "answer 2": undefined,
      "answer 2 fields": undefined,
      "answer 2 framing": undefined,
      "answer 2 identity": undefined,
      "answer 2 body": undefined,
    },
  },
  {
    reason: CONTINUE,
    cases: ["a body that comes unasked"],
    facts: {
      answer: "HTTP/1.1 200 OK",
      "answer framing": "content-length: 2",
      "answer body": "ok",
      "answer 2": undefined,
      "answer 2 fields": undefined,
      "answer 2 framing": undefined,
      "answer 2 identity": undefined,
      "answer 2 body": undefined,
    },
  },
  {
    reason: EXPECTATION,
    cases: ["another expectation"],
    facts: {
      application: "not called",
      connection: "closes",
      answer: "HTTP/1.1 417 Expectation Failed",
      "answer fields": HTML,
      "answer framing": /^connection: close; content-length: \d+$/,
      "answer body": page("Expectation Failed"),
    },
  },
  {
    reason: REFUSED,
    cases: ["an encoded NUL in a path", "a fragment in a target"],
    facts: { application: "not called", connection: "closes", answer: "HTTP/1.1 400 Bad Request" },
  },
  {
    reason: ERROR_PAGE,
    cases: [
      "octets beyond ASCII in a target",
      "an encoded NUL in a path",
      "a fragment in a target",
      "a method in lower case",
      "a request without Host",
      "a target that is no path",
    ],
    facts: {
      "answer framing": "connection: close; content-length: 109",
      "answer body": page("Bad Request"),
    },
  },
  {
    reason: ERROR_PAGE,
    cases: "any",
    facts: {
      "answer fields": HTML,
      "answer framing": "content-length: 129",
      "answer body": page("Internal Server Error"),
    },
  },
  { reason: GOES_ON, cases: "any", facts: { connection: "goes on" } },
  { reason: HEAD_HELD, cases: FAILED_EARLY, facts: { answer: "HTTP/1.1 500 Internal Server Error" } },
  {
    reason: ERROR_TEXT,
    cases: ["a status as text", "a status with a fraction"],
    facts: { events: /^raises TypeError: the status of a response must be a number, not \S+$/ },
  },
  {
    reason: ERROR_TEXT,
    cases: ["status 101", "status 99", "status 1000"],
    facts: { events: /^raises ValueError: the status of a response is \d+, want 200 to 999$/ },
  },
  {
    reason: ERROR_TEXT,
    cases: ["header names as text", "header values as text", "a length as text"],
    facts: { events: /^raises TypeError: the .* header .*must be bytes, not '.*'$/ },
  },
  {
    reason: ERROR_TEXT,
    cases: ["a header name with a space", "an empty header name"],
    facts: { events: /^raises RuntimeError: Invalid HTTP header name b'.*'$/ },
  },
  {
    reason: ERROR_TEXT,
    cases: ["a header value with a line end", "a header value with NUL"],
    facts: { events: /^raises RuntimeError: Invalid HTTP header value b'x-a': b'.*'$/ },
  },
  {
    reason: ERROR_TEXT,
    cases: ["a body as text", "a body of None"],
    facts: { events: /raises TypeError: the body of a response must be bytes, not \w+$/ },
  },
  {
    reason: ERROR_TEXT,
    cases: ["a Content-Length that is no number"],
    facts: { events: "raises ValueError: invalid Content-Length b'two' in a response, want digits" },
  },
  {
    reason: WHOLE,
    cases: [
      "a start without headers",
      "a body without content",
      "headers in a tuple",
      "headers as lists",
      "a whole body without length",
      "an empty body without length",
    ],
    facts: { "answer framing": /^content-length: \d$/ },
  },
  {
    reason: NO_BODY,
    cases: ["status 204 with a body", "status 304 with a body"],
    facts: { events: LEAVES_AT_ONCE },
  },
  { reason: NO_BODY, cases: ["status 204 with a length"], facts: { "answer framing": "" } },
  { reason: RESET, cases: ["status 205"], facts: { "answer framing": "content-length: 0" } },
  {
    reason: OLD_KEEP_ALIVE,
    cases: ["keep-alive in HTTP/1.0"],
    facts: { connection: "goes on", "answer framing": "connection: keep-alive; content-length: 2" },
  },
  { reason: CLOSE, cases: ["a response that closes"], facts: { "answer framing": "content-length: 2" } },
  { reason: STATUS, cases: ["status 600"], facts: { events: "sent http.response.start" } },
  {
    reason: LENGTHS,
    cases: ["two different Content-Lengths"],
    facts: { events: "raises ValueError: two different Content-Lengths in a response: 2 and 3" },
  },
];
