import { accessLogTime } from "./time.ts";

/** What an access line is made of. Times are in milliseconds of `performance.now()`. */
export interface AccessRecord {
  readonly remoteAddress: string;
  readonly method: string;
  readonly target: string;
  readonly path: string;
  readonly query: string;
  readonly protocol: string;
  readonly status: number;
  readonly bodyBytes: number;
  readonly durationMs: number;
  /** Pid of the worker that answered, or of the router. */
  readonly pid: number;
  readonly requestField: (lowerName: string) => string | undefined;
  readonly responseField: (lowerName: string) => string | undefined;
  readonly environ: (name: string) => string | undefined;
}

/** Turns a record into a line without its line end. */
export type AccessFormatter = (record: AccessRecord) => string;

type Atom = (record: AccessRecord) => string;

/** The atoms of Gunicorn's `access_log_format`; what is missing is a hyphen. */
const atoms: ReadonlyMap<string, Atom> = new Map<string, Atom>(
  Object.entries({
    h: (record) => record.remoteAddress || "-",
    l: () => "-",
    u: (record) => basicUser(record.requestField("authorization")),
    t: () => currentTime(),
    r: (record) => quoted(`${record.method} ${record.target} ${record.protocol}`),
    m: (record) => quoted(record.method),
    U: (record) => quoted(record.path),
    q: (record) => quoted(record.query),
    H: (record) => record.protocol,
    s: (record) => String(record.status),
    B: (record) => String(record.bodyBytes),
    b: (record) => (record.bodyBytes === 0 ? "-" : String(record.bodyBytes)),
    f: (record) => quoted(record.requestField("referer") ?? "-"),
    a: (record) => quoted(record.requestField("user-agent") ?? "-"),
    T: (record) => String(Math.floor(record.durationMs / 1000)),
    M: (record) => String(Math.floor(record.durationMs)),
    D: (record) => String(Math.round(record.durationMs * 1000)),
    L: (record) => (record.durationMs / 1000).toFixed(6),
    p: (record) => `<${record.pid}>`,
  } satisfies Record<string, Atom>),
);

/** `%(name)s`, with any conversion that Python's formatting knows; `%%` is a percent sign. */
const PART = /%\(([^)]*)\)[-#0 +]*[0-9]*(?:\.[0-9]+)?[sdifr]|%%/g;

/** Makes a formatter of a format. Unknown atoms give a hyphen. */
export function compileAccessFormat(format: string): AccessFormatter {
  const parts: (string | Atom)[] = [];
  let end = 0;
  for (const match of format.matchAll(PART)) {
    parts.push(format.slice(end, match.index));
    parts.push(match[1] === undefined ? "%" : atomOf(match[1]));
    end = match.index + match[0].length;
  }
  parts.push(format.slice(end));
  return (record) => {
    let line = "";
    for (const part of parts) line += typeof part === "string" ? part : part(record);
    return line;
  };
}

function atomOf(name: string): Atom {
  const match = /^\{(.*)\}([ioe])$/.exec(name);
  if (match === null) return atoms.get(name) ?? (() => "-");
  const [, key = "", kind] = match;
  if (kind === "e") return (record) => quoted(record.environ(key) ?? "-");
  const lowerName = key.toLowerCase();
  return kind === "i"
    ? (record) => quoted(record.requestField(lowerName) ?? "-")
    : (record) => quoted(record.responseField(lowerName) ?? "-");
}

/** What must not stand as it is: a quotation mark would end a field of the line, a control the line itself. */
const UNSAFE = /["\p{Cc}]/gu;

function quoted(text: string): string {
  return text.replace(UNSAFE, (character) =>
    character === '"' ? '\\"' : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

let timeSecond = 0;
let timeText = "";

function currentTime(): string {
  const now = Date.now();
  const second = Math.floor(now / 1000);
  if (second !== timeSecond) {
    timeSecond = second;
    timeText = accessLogTime(new Date(now));
  }
  return timeText;
}

/** The user of Basic authentication (RFC 7617). */
function basicUser(authorization: string | undefined): string {
  const match = /^basic +([A-Za-z0-9+/=]+)$/i.exec(authorization ?? "");
  if (match?.[1] === undefined) return "-";
  const pair = Buffer.from(match[1], "base64").toString("utf8");
  const user = pair.slice(0, Math.max(pair.indexOf(":"), 0));
  return user === "" ? "-" : quoted(user);
}
