import type { ExitGuard } from "../measure/exit-guard.ts";
import type { WorkRequest } from "../works/work.ts";

export interface Load {
  readonly port: number;
  readonly request: WorkRequest;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of those requests alone that are not the slow ones; NaN where there are none of both. */
  readonly fastP99Ms: number;
  /** Answers with another status, length or body than they must have. */
  readonly wrongAnswers: number;
  readonly socketErrors: number;
  /** The least and the most that one answer took on the wire, or all of them together. */
  readonly bytes: AnswerBytes;
}

export type AnswerBytes =
  | { readonly type: "each"; readonly least: number; readonly most: number }
  | { readonly type: "total"; readonly total: number };

export type GeneratorName = "wrk" | "own";

/** A program that puts a closed loop of one request on all connections. */
export interface Generator {
  readonly name: GeneratorName;
  /** What the reader of the figures must know. */
  readonly warning?: string;
  run(load: Load, guard: ExitGuard): Promise<LoadResult>;
}

/** Both generators send exactly this, so that their answers have the same length. */
export function requestHead(request: WorkRequest, port: number): string {
  const length = request.body === undefined ? [] : [`Content-Length: ${request.body.length}`];
  const lines = [
    `${request.method} ${request.path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    ...request.headers,
    ...length,
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}
