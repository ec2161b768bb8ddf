import { accessLogTime } from "./time.ts";

/** What is known of every request that was answered. Texts hold one latin-1 octet a character. */
export interface AnsweredRequest {
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
}

/** What an access line is made of. */
export interface AccessRecord extends AnsweredRequest {
  /** Last value of a request field. */
  readonly requestField: (lowerName: string) => string | undefined;
  /** Last value of a response field. */
  readonly responseField: (lowerName: string) => string | undefined;
  /** An entry of the environ; its name in lower case, as Gunicorn looks it up. */
  readonly environ: (lowerName: string) => string | undefined;
  /** All that the three above look into, for Python's handlers. */
  readonly source: () => AccessSource;
}

/** What came and went, whole; octets as latin-1. */
export interface AccessSource {
  /** Names and values of the request's fields, in turn. */
  readonly requestFields: readonly string[];
  /** Field lines of the response, each ending in CRLF. */
  readonly responseLines: string;
  /** Cooked environ: `NAME NUL value`, joined by NUL. */
  readonly environ: string;
}

/** Turns a record into a line without its line end. */
export type AccessFormatter = (record: AccessRecord) => string;

type Atom = (record: AccessRecord) => string;

/** The atoms of Gunicorn's `access_log_format`; what is missing is a hyphen. */
const atoms: ReadonlyMap<string, Atom> = new Map<string, Atom>(
  Object.entries({
    h: (record) => record.remoteAddress || "-",
    l: () => "-",
    u: (record) => quoted(basicUser(record.requestField("authorization")) ?? "-"),
    t: () => currentTime(),
    r: (record) => quoted(`${record.method} ${record.target} ${record.protocol}`),
    m: (record) => quoted(record.method),
    // As the application sees it: decoded, without SCRIPT_NAME. What was refused before has no environ.
    U: (record) => quoted(record.environ("path_info") ?? record.path),
    q: (record) => quoted(record.query),
    H: (record) => record.protocol,
    s: (record) => String(record.status),
    B: (record) => String(record.bodyBytes),
    b: (record) => String(record.bodyBytes),
    f: (record) => quoted(record.requestField("referer") ?? "-"),
    a: (record) => quoted(record.requestField("user-agent") ?? "-"),
    T: (record) => String(Math.floor(record.durationMs / 1000)),
    M: (record) => String(Math.floor(record.durationMs)),
    D: (record) => String(Math.round(record.durationMs * 1000)),
    L: (record) => (record.durationMs / 1000).toFixed(6),
    p: (record) => `<${record.pid}>`,
  } satisfies Record<string, Atom>),
);

/** `%(name)s` with Python's flags, width, precision and conversion; `%%` is a percent sign. */
const PART = /%\(([^)]*)\)([-#0 +]*)([0-9]*)(?:\.([0-9]+))?([sdifr])|%%/g;

/** The first of a format that begins as an atom and is none, such as the %h of other servers; null: there is none. */
export function findStrayAtom(format: string): string | null {
  return /%(?:\([^)]*\))?[^\s"']?/.exec(format.replaceAll(PART, ""))?.[0] ?? null;
}

/** Makes a formatter of a format. Unknown atoms give a hyphen. */
export function compileAccessFormat(format: string): AccessFormatter {
  const parts: (string | Atom)[] = [];
  let end = 0;
  for (const match of format.matchAll(PART)) {
    const [whole, name, flags = "", width = "", precision, conversion = "s"] = match;
    parts.push(format.slice(end, match.index));
    parts.push(
      name === undefined ? "%" : shaped(atomOf(name), { flags, width: Number(width), precision, conversion }),
    );
    end = match.index + whole.length;
  }
  parts.push(format.slice(end));
  return (record) => {
    let line = "";
    for (const part of parts) line += typeof part === "string" ? part : part(record);
    return line;
  };
}

interface Shape {
  readonly flags: string;
  readonly width: number;
  readonly precision: string | undefined;
  readonly conversion: string;
}

/** Python's padding and cutting around an atom; the atom itself where there is none. */
function shaped(atom: Atom, { flags, width, precision, conversion }: Shape): Atom {
  const isText = conversion === "s" || conversion === "r";
  const cut = precision === undefined || !isText ? Infinity : Number(precision);
  if (width === 0 && cut === Infinity) return atom;
  const filler = flags.includes("0") && !isText ? "0" : " ";
  const pad = flags.includes("-")
    ? (text: string) => text.padEnd(width)
    : (text: string) => text.padStart(width, filler);
  return (record) => pad(atom(record).slice(0, cut));
}

const NAMED_ATOM = /^\{(.*)\}([ioe])$/;

function atomOf(name: string): Atom {
  const match = NAMED_ATOM.exec(name);
  if (match === null) return atoms.get(name) ?? (() => "-");
  const [, key = "", kind = ""] = match;
  const lowerName = key.toLowerCase();
  return (record) => quoted(namedValue(record, kind, lowerName) ?? "-");
}

function namedValue(record: AccessRecord, kind: string, lowerName: string): string | undefined {
  if (kind === "e") return record.environ(lowerName);
  return kind === "i" ? record.requestField(lowerName) : record.responseField(lowerName);
}

/** The names in the atoms `{name}i`, `{name}o` and `{name}e` of a format. */
export interface NamedAtoms {
  readonly requestFields: readonly string[];
  readonly responseFields: readonly string[];
  readonly environ: readonly string[];
}

export function namedAtomsOf(format: string): NamedAtoms {
  const found = [...format.matchAll(PART)].flatMap(([, name = ""]) => {
    const match = NAMED_ATOM.exec(name);
    return match === null ? [] : [{ key: match[1] ?? "", kind: match[2] }];
  });
  const namesOf = (wanted: string): string[] => [
    ...new Set(found.filter(({ kind }) => kind === wanted).map(({ key }) => key)),
  ];
  return { requestFields: namesOf("i"), responseFields: namesOf("o"), environ: namesOf("e") };
}

/** What must not stand as it is: a quotation mark would end a field of the line, a control the line itself. */
const UNSAFE = /["\p{Cc}]/gu;

/** Texts of these characters alone, which most are, are safe: one look without a replacement tells. */
const SAFE = /^[ !#-~]*$/;

function quoted(text: string): string {
  if (SAFE.test(text)) return text;
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
export function basicUser(authorization: string | undefined): string | undefined {
  const match = /^basic +([A-Za-z0-9+/=]+)$/i.exec(authorization ?? "");
  if (match?.[1] === undefined) return undefined;
  const pair = Buffer.from(match[1], "base64").toString("utf8");
  return pair.slice(0, Math.max(pair.indexOf(":"), 0)) || undefined;
}
