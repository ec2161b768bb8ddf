import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { hearLastWords } from "../../src/system/last-words.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** More than is read at once. */
const CONTENT = Buffer.alloc(100_000, "words");

/** A socket that has read nothing yet, whose other end has said `CONTENT` and is gone. */
async function openLeft(t: TestContext): Promise<Socket> {
  const path = join(await temporaryFolder(t), "socket");
  const server = createServer({ pauseOnConnect: true });
  onTeardown(t, () => void server.close());
  const accepting = once(server, "connection");
  server.listen(path);
  await once(server, "listening");
  const peer = connect(path);
  const [socket] = (await accepting) as [Socket];
  onTeardown(t, () => void socket.destroy());
  socket.on("error", () => undefined);
  await new Promise((resolve) => peer.write(CONTENT, resolve));
  peer.destroy();
  await once(peer, "close");
  return socket;
}

async function closeOf(socket: Socket): Promise<void> {
  const closing = new Promise((resolve) => socket.once("close", resolve));
  await withDeadline(closing, { deadlineMs: ANSWER_DEADLINE_MS, what: "close" });
}

test("what the other end said last is heard, though a write finds it gone", async (t) => {
  const socket = await openLeft(t);
  const heard: Buffer[] = [];
  hearLastWords(socket, (bytes) => void heard.push(bytes));
  socket.write("are you there?");
  await closeOf(socket);
  assert(Buffer.concat(heard).equals(CONTENT));
});

test("a socket that is destroyed on purpose hears nothing more", async (t) => {
  const socket = await openLeft(t);
  hearLastWords(socket, () => assert.fail("heard"));
  socket.destroy();
  await closeOf(socket);
});
