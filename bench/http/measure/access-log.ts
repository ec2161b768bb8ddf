import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

export interface AccessLogAudit {
  readonly lines: number;
  readonly wrongStatuses: number;
}

/** The part that the formats of all servers have in common: the request line and the status. */
const REQUEST = /\bHTTP\/1\.[01]" (\d{3})\b/;

/** Counts the requests in an access log: the proof that it was written, and of each status in it. */
export async function auditAccessLog(file: string): Promise<AccessLogAudit> {
  let lines = 0;
  let wrongStatuses = 0;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const status = REQUEST.exec(line)?.[1];
    if (status === undefined) continue;
    lines += 1;
    if (status !== "200") wrongStatuses += 1;
  }
  return { lines, wrongStatuses };
}
