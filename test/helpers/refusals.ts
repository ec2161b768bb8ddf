import assert from "node:assert/strict";

import type { Answer, ClientConnection } from "./client.ts";

/** The server answers with the status and closes the connection, without another byte. */
export async function assertRefused(connection: ClientConnection, status: number): Promise<Answer> {
  const answer = await connection.readAnswer();
  assert.equal(answer.status, status);
  assert.equal(answer.headers.get("connection"), "close");
  await connection.readEnd();
  assert.equal(connection.waitingBytes, 0);
  return answer;
}

export function assertOverloaded({ status, headers }: Answer): void {
  assert.equal(status, 503);
  assert.match(headers.get("retry-after") ?? "", /^[1-9][0-9]*$/);
}
