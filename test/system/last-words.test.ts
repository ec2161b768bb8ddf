import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";

import { hearLastWords } from "../../src/system/last-words.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { openLeftSocket } from "../helpers/left-socket.ts";

/** More than is read at once. */
const CONTENT = Buffer.alloc(100_000, "words");

async function closeOf(socket: Socket): Promise<void> {
  const closing = new Promise((resolve) => socket.once("close", resolve));
  await withDeadline(closing, { deadlineMs: ANSWER_DEADLINE_MS, what: "close" });
}

test("what the other end said last is heard, though a write finds it gone", async (t) => {
  const socket = await openLeftSocket(t, CONTENT);
  const heard: Buffer[] = [];
  hearLastWords(socket, (bytes) => void heard.push(bytes));
  socket.write("are you there?");
  await closeOf(socket);
  assert(Buffer.concat(heard).equals(CONTENT));
});

test("a socket that is destroyed on purpose hears nothing more", async (t) => {
  const socket = await openLeftSocket(t, CONTENT);
  hearLastWords(socket, () => assert.fail("heard"));
  socket.destroy();
  await closeOf(socket);
});
