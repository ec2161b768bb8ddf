import { request } from "node:http";
import type { WorkRequest } from "../works/work.ts";

export interface CheckOptions {
  readonly request: WorkRequest;
  readonly port: number;
  readonly timeoutMs: number;
}

/** Asks once: rejects if there is no answer, resolves to what is wrong with it, if anything. */
export function checkAnswer(options: CheckOptions): Promise<string | undefined> {
  const { method, path, headers, body, answer } = options.request;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: "127.0.0.1",
      port: options.port,
      method,
      path,
      headers: Object.fromEntries(headers.map((line) => line.split(": ", 2) as [string, string])),
      agent: false,
      signal: AbortSignal.timeout(options.timeoutMs),
    });
    outgoing.on("error", reject);
    outgoing.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        resolve(
          difference("status", response.statusCode, 200) ??
            difference("Content-Type", response.headers["content-type"], answer.contentType) ??
            bodyDifference(Buffer.concat(chunks), answer.body),
        );
      });
    });
    if (body !== undefined) outgoing.setHeader("Content-Length", body.length);
    outgoing.end(body);
  });
}

export function bodyDifference(actual: Buffer, wanted: Buffer): string | undefined {
  if (actual.equals(wanted)) return undefined;
  return difference("body", excerpt(actual), excerpt(wanted));
}

export function difference(
  part: string,
  actual: string | number | undefined,
  wanted: string | number,
): string | undefined {
  if (actual === wanted) return undefined;
  return `${part} is ${JSON.stringify(actual)}, wanted ${JSON.stringify(wanted)}`;
}

function excerpt(body: Buffer): string {
  const limit = 2000;
  if (body.length <= limit) return body.toString();
  return `${body.toString("latin1", 0, limit)}… (${body.length} bytes)`;
}
