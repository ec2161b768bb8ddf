/** An answer as it stands on the wire, taken apart for a comparison. */
export interface RawAnswer {
  readonly line: string;
  /** The fields as they were sent, but for those below. */
  readonly fields: readonly string[];
  /** How the body is framed and what the connection does, in lower case and sorted. */
  readonly framing: readonly string[];
  /** Which of Date and Server there are, the value of Date left out. */
  readonly identity: readonly string[];
  readonly body: string;
  /** Its end has come. */
  readonly isWhole: boolean;
}

const FRAMING = new Set(["connection", "content-length", "keep-alive", "transfer-encoding"]);
const IDENTITY = new Set(["date", "server"]);

interface Body {
  readonly text: string;
  readonly bytes: number;
  readonly isWhole: boolean;
}

/** All answers that `text`, in latin-1, has the head of. What is none ends the list, as an answer that is whole. */
export function readAnswers(text: string, methods: readonly string[], isEnded: boolean): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = text;
  let finals = 0;
  for (let headEnd = rest.indexOf("\r\n\r\n"); headEnd !== -1; headEnd = rest.indexOf("\r\n\r\n")) {
    const [line = "", ...lines] = rest.slice(0, headEnd).split("\r\n");
    const [, status = ""] = /^HTTP\/1\.1 (\d{3})/.exec(line) ?? [];
    if (status === "") {
      answers.push({
        line: `not an answer: ${rest}`,
        fields: [],
        framing: [],
        identity: [],
        body: "",
        isWhole: true,
      });
      return answers;
    }
    const bare = Number(status) < 200 || methods[finals] === "HEAD" || status === "204" || status === "304";
    const body = takeBody(rest.slice(headEnd + 4), lines, { isBare: bare, isEnded });
    answers.push({ line, ...sortFields(lines), body: body.text, isWhole: body.isWhole });
    if (Number(status) >= 200) finals += 1;
    rest = rest.slice(headEnd + 4 + body.bytes);
  }
  return answers;
}

function sortFields(lines: readonly string[]): Pick<RawAnswer, "fields" | "framing" | "identity"> {
  const nameOf = (line: string): string => line.slice(0, line.indexOf(":")).toLowerCase();
  const identity = lines.filter((line) => IDENTITY.has(nameOf(line)));
  return {
    fields: lines.filter((line) => !FRAMING.has(nameOf(line)) && !IDENTITY.has(nameOf(line))),
    framing: lines
      .filter((line) => FRAMING.has(nameOf(line)))
      .map((line) => line.toLowerCase())
      .toSorted(),
    identity: identity.map((line) => line.toLowerCase().replace(/^date: .* gmt$/, "date")).toSorted(),
  };
}

function takeBody(
  text: string,
  lines: readonly string[],
  { isBare, isEnded }: { readonly isBare: boolean; readonly isEnded: boolean },
): Body {
  if (isBare) return { text: "", bytes: 0, isWhole: true };
  const fields = lines.join("\n").toLowerCase();
  if (/^transfer-encoding: chunked$/m.test(fields)) return takeChunks(text);
  const [, length] = /^content-length: (\d+)$/m.exec(fields) ?? [];
  if (length === undefined) return { text, bytes: text.length, isWhole: isEnded };
  const body = text.slice(0, Number(length));
  return { text: body, bytes: body.length, isWhole: body.length === Number(length) };
}

/** With trailers, which stand behind a line. */
function takeChunks(text: string): Body {
  let body = "";
  let rest = text;
  for (;;) {
    const [sizeLine = "", size = ""] = /^([0-9a-f]+)\r\n/i.exec(rest) ?? [];
    const bytes = Number.parseInt(size, 16);
    if (sizeLine === "" || rest.length < sizeLine.length + bytes + 2) {
      return { text: body, bytes: text.length, isWhole: false };
    }
    if (bytes === 0) break;
    body += rest.slice(sizeLine.length, sizeLine.length + bytes);
    rest = rest.slice(sizeLine.length + bytes + 2);
  }
  const [end = "", trailers = ""] = /^0\r\n((?:[^\r]+\r\n)*)\r\n/.exec(rest) ?? [];
  const isWhole = end !== "";
  return {
    text: trailers === "" ? body : `${body}\n${trailers}`,
    bytes: isWhole ? text.length - rest.length + end.length : text.length,
    isWhole,
  };
}
