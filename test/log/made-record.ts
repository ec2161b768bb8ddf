import type { AccessRecord } from "../../src/log/access-format.ts";

type Fields = Readonly<Record<string, string>>;

/** What a test says of a request; the rest is that of one that was answered with 200. */
export interface Made extends Partial<AccessRecord> {
  readonly fields?: Fields;
  readonly responseFields?: Fields;
  readonly variables?: Fields;
}

export function makeRecord({
  fields = {},
  responseFields = {},
  variables = {},
  ...rest
}: Made = {}): AccessRecord {
  return {
    remoteAddress: "192.0.2.7",
    method: "GET",
    target: "/shop?id=7",
    path: "/shop",
    query: "id=7",
    protocol: "HTTP/1.1",
    status: 200,
    bodyBytes: 512,
    durationMs: 1234.5678,
    pid: 4121,
    requestField: (lowerName) => fields[lowerName],
    responseField: (lowerName) => responseFields[lowerName],
    environ: (lowerName) => variables[lowerName],
    source: () => ({ requestFields: [], responseLines: "", environ: "" }),
    ...rest,
  };
}
