import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { countingBytes } from "./bodies.ts";
import { type Answer, ClientConnection } from "./client.ts";
import { ANSWER_DEADLINE_MS, PROGRAM_DEADLINE_MS, withDeadline } from "./deadlines.ts";
import { type GatedServer, startGatedServer } from "./gate.ts";
import { onTeardown } from "./teardown.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** Much more than the kernel, the router's memory and a worker's socket take. */
export const FILE_BYTES = 20 * 1024 * 1024;

/** An application of test/fixtures/apps/bodies. */
export type BodiesApplication = "bodies.plain" | "bodies.flask_app" | "bodies.django_app";

/** The frameworks whose own features are tried, with their applications. */
export const frameworks = [
  ["Flask", "bodies.flask_app"],
  ["Django", "bodies.django_app"],
] as const;

/** A server with a file that its application sends. */
export async function startSending(
  t: TestContext,
  application: BodiesApplication,
  args: readonly string[] = [],
): Promise<{ readonly server: GatedServer; readonly content: Buffer }> {
  const path = join(await temporaryFolder(t), "sent.bin");
  const content = countingBytes(FILE_BYTES);
  await writeFile(path, content);
  const server = await startGatedServer(t, args, { application, env: { SENT_FILE: path } });
  return { server, content };
}

/** A client that has sent its request and reads nothing until it is told to. */
export async function sendUnread(t: TestContext, port: number, target: string): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  onTeardown(t, () => void socket.destroy());
  await withDeadline(once(socket, "connect"), { deadlineMs: ANSWER_DEADLINE_MS, what: "connection" });
  socket.pause();
  socket.write(`GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  return socket;
}

/** Reads the rest as fast as it comes. */
export async function readAll(socket: Socket): Promise<Answer> {
  return new ClientConnection(socket.resume()).readAnswer({ deadlineMs: PROGRAM_DEADLINE_MS });
}
