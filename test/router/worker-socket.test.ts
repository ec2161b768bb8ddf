import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { listenToWorker } from "../../src/router/worker-socket.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { encodeFrame, END, response } from "./fake-worker.ts";

test("what a worker has answered before it left is heard, though a write finds it gone", async (t) => {
  const path = join(await temporaryFolder(t), "socket");
  const server = createServer({ pauseOnConnect: true });
  onTeardown(t, () => void server.close());
  const accepting = once(server, "connection");
  server.listen(path);
  await once(server, "listening");
  const worker = connect(path);
  const [socket] = (await accepting) as [Socket];
  onTeardown(t, () => void socket.destroy());
  await new Promise((resolve) => worker.write(encodeFrame(response(1, "answer", END)), resolve));
  worker.destroy();
  await once(worker, "close");

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
