import type { LoadResult } from "./load.ts";

const MILLISECONDS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

/** Reads what `wrk --latency` prints. */
export function parseWrkReport(text: string): LoadResult {
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  return {
    requests: Number(capture(text, /(\d+) requests in/)),
    requestsPerSecond: Number(capture(text, /Requests\/sec:\s+([\d.]+)/)),
    p50Ms: toMilliseconds(capture(text, /^\s+50%\s+(\S+)/m)),
    p99Ms: toMilliseconds(capture(text, /^\s+99%\s+(\S+)/m)),
    // wrk names only 4xx and 5xx; the audit of the access log finds the rest.
    wrongStatuses: Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0),
    socketErrors: (socketErrors ?? []).slice(1).reduce((sum, count) => sum + Number(count), 0),
  };
}

function capture(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`Cannot find ${pattern} in the report of wrk:\n${text}`);
  return found;
}

function toMilliseconds(duration: string): number {
  const [, amount, unit] = /^([\d.]+)(\D+)$/.exec(duration) ?? [];
  const factor = MILLISECONDS[unit ?? ""];
  if (factor === undefined) throw new Error(`Cannot read the duration "${duration}" of wrk`);
  return Number(amount) * factor;
}
