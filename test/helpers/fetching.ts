import type { TestContext } from "node:test";

import { ANSWER_DEADLINE_MS, withDeadline } from "./deadlines.ts";
import type { Server } from "./server.ts";
import { onTeardown } from "./teardown.ts";

/** Node's own HTTP client, with a deadline. */
export function fetchFrom(server: Server, target: string, init: RequestInit = {}): Promise<Response> {
  const signal = init.signal ?? AbortSignal.timeout(ANSWER_DEADLINE_MS);
  return fetch(`http://127.0.0.1:${server.port}${target}`, { ...init, signal });
}

export async function fetchJson(server: Server, target: string, init?: RequestInit): Promise<unknown> {
  const response = await fetchFrom(server, target, init);
  return response.json();
}

export function postJson(server: Server, target: string, value: unknown): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  return fetchFrom(server, target, { method: "POST", headers, body: JSON.stringify(value) });
}

/** A response that is read piece by piece, while the server goes on with it. */
export interface OpenResponse {
  readonly response: Response;
  /** Resolves when `text` has come; with everything that has. */
  readonly readUntil: (text: string) => Promise<string>;
  /** Resolves with everything, at the end of the response. */
  readonly readEnd: () => Promise<string>;
  /** Goes without reading the rest. */
  readonly leave: () => void;
}

export async function openResponse(t: TestContext, server: Server, target: string): Promise<OpenResponse> {
  const leaving = new AbortController();
  onTeardown(t, () => leaving.abort());
  const response = await withDeadline(fetchFrom(server, target, { signal: leaving.signal }), {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: `head of ${target}`,
  });
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
  const decoder = new TextDecoder();
  let all = "";
  const readWhile = async (isWanted: () => boolean): Promise<string> => {
    while (isWanted()) {
      const { done, value } = await reader.read();
      if (done) break;
      all += decoder.decode(value, { stream: true });
    }
    return all;
  };
  const within = (reading: Promise<string>): Promise<string> =>
    withDeadline(reading, { deadlineMs: ANSWER_DEADLINE_MS, what: () => `more of ${target} than "${all}"` });
  return {
    response,
    readUntil: (text) => within(readWhile(() => !all.includes(text))),
    readEnd: () => within(readWhile(() => true)),
    leave: () => leaving.abort(),
  };
}
