import { request } from "./client.ts";
import { CLEANUP_DEADLINE_MS, untilTrue } from "./deadlines.ts";
import type { Server } from "./server.ts";

/** How often something has come about in the application: it counts what it sees, and tells at /seen. */
export async function seen(server: Server, what: string): Promise<number> {
  const { text } = await request(server.port, "/seen");
  return (JSON.parse(text) as Record<string, number>)[what] ?? 0;
}

export async function untilSeen(server: Server, what: string): Promise<void> {
  await untilTrue(async () => (await seen(server, what)) > 0, {
    deadlineMs: CLEANUP_DEADLINE_MS,
    what: () => `"${what}" in the application\n${server.text}`,
  });
}
