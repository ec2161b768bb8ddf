import type { RequestSummary } from "./messages.ts";

/** How many requests a line names. Of further ones it gives only the number. */
const NAMED_REQUESTS = 50;

/** A request as a log line names it. */
export function describeRequest({ method, target, ageMs }: RequestSummary): string {
  return `${method} ${target} after ${(ageMs / 1000).toFixed(1)} s`;
}

/** Several of them, the oldest first. */
export function describeRequests(requests: readonly RequestSummary[]): string {
  const oldestFirst = requests.toSorted((one, other) => other.ageMs - one.ageMs);
  const named = oldestFirst.slice(0, NAMED_REQUESTS).map(describeRequest).join(", ");
  const rest = requests.length - NAMED_REQUESTS;
  return rest > 0 ? `${named} and ${rest} more` : named;
}
