import assert from "node:assert/strict";
import { test } from "node:test";

import { listenToWorker } from "../../src/router/worker-socket.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { openLeftSocket } from "../helpers/left-socket.ts";
import { encodeFrame, END, response } from "./fake-worker.ts";

test("what a worker has answered before it left is heard, though a write finds it gone", async (t) => {
  const socket = await openLeftSocket(t, encodeFrame(response(1, "answer", END)));
  const heard: string[] = [];
  const closing = new Promise<void>((resolve) => {
    listenToWorker(socket, {
      onFrame: ({ stream }, payload) => void heard.push(`${stream}: ${payload.subarray(-6).toString()}`),
      onProtocolError: ({ code }) => void heard.push(code),
      onClosed: resolve,
    });
  });
  socket.write("how much room there is");
  await withDeadline(closing, { deadlineMs: ANSWER_DEADLINE_MS, what: "the end of the channel" });
  assert.deepEqual(heard, ["1: answer"]);
});
