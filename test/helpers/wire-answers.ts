/** A final answer as it stands on the wire. */
export interface WireAnswer {
  readonly status: number;
  readonly body: Buffer;
  readonly field: (lowerName: string) => string | undefined;
}

/**
 * All final answers of a connection that has ended, in their order. `methods`: of the requests that they answer; an
 * answer beyond them is a refusal, after which nothing may follow. Throws on whatever is not a whole answer.
 */
export function readWireAnswers(bytes: Buffer, methods: readonly string[]): readonly WireAnswer[] {
  const answers: WireAnswer[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const headEnd = rest.indexOf("\r\n\r\n");
    const [statusLine = "", ...fieldLines] = rest.toString("latin1", 0, Math.max(0, headEnd)).split("\r\n");
    const [, status] = /^HTTP\/1\.1 ([1-5][0-9]{2}) [\t\x20-\x7e]*$/.exec(statusLine) ?? [];
    if (headEnd === -1 || status === undefined) {
      throw new Error(`Not an answer: ${JSON.stringify(rest.toString("latin1", 0, 200))}`);
    }
    rest = rest.subarray(headEnd + 4);
    if (Number(status) < 200) continue;
    const fields = new Map(fieldLines.map((line) => splitField(line)));
    const length = Number(fields.get("content-length"));
    const hasBody = isBodyExpected(methods, answers.length, rest.length);
    if (!Number.isInteger(length) || (hasBody && rest.length < length)) {
      throw new Error(`A body of ${rest.length} bytes, want ${fields.get("content-length")}`);
    }
    const body = hasBody ? rest.subarray(0, length) : rest.subarray(0, 0);
    rest = rest.subarray(body.length);
    answers.push({ status: Number(status), body, field: (lowerName) => fields.get(lowerName) });
  }
  return answers;
}

/** Of a refused request it is not known here whether it was a HEAD. */
function isBodyExpected(methods: readonly string[], index: number, waitingBytes: number): boolean {
  const method = methods[index];
  return method === undefined ? waitingBytes > 0 : method !== "HEAD";
}

function splitField(line: string): readonly [string, string] {
  const matched = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): (.*)$/.exec(line);
  if (matched === null) throw new Error(`Not a field: ${JSON.stringify(line)}`);
  const [, name = "", value = ""] = matched;
  return [name.toLowerCase(), value];
}
