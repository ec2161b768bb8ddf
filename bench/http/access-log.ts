import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

export interface AccessLogAudit {
  readonly lines: number;
  readonly wrongStatuses: number;
}

/** Counts an access log in the default format: the proof that it was written, and of each status in it. */
export async function auditAccessLog(file: string): Promise<AccessLogAudit> {
  let lines = 0;
  let wrongStatuses = 0;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    lines += 1;
    if (!line.includes('" 200 ')) wrongStatuses += 1;
  }
  return { lines, wrongStatuses };
}
