import { get } from "node:http";
import type { Work } from "./works.ts";

export interface CheckOptions {
  readonly work: Work;
  readonly port: number;
  readonly timeoutMs: number;
}

/** Fetches the work's path once: rejects if there is no answer, resolves to what is wrong with it, if anything. */
export function checkAnswer(options: CheckOptions): Promise<string | undefined> {
  const { work, port, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    const request = get({
      host: "127.0.0.1",
      port,
      path: work.path,
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
    });
    request.on("error", reject);
    request.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => (body += text));
      response.on("error", reject);
      response.on("end", () => {
        resolve(
          difference("status", response.statusCode, 200) ??
            difference("Content-Type", response.headers["content-type"], work.answer.contentType) ??
            difference("body", body, work.answer.body),
        );
      });
    });
  });
}

function difference(
  part: string,
  actual: string | number | undefined,
  wanted: string | number,
): string | undefined {
  if (actual === wanted) return undefined;
  return `${part} is ${JSON.stringify(actual)}, wanted ${JSON.stringify(wanted)}`;
}
