import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";

import { releaseCompression } from "../../src/router/websocket-compression.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";

/** What the library keeps of zlib for a WebSocket. */
function streamsOf(webSocket: WebSocket): readonly unknown[] {
  const extension = Reflect.get(
    Reflect.get(webSocket, "_extensions") as object,
    "permessage-deflate",
  ) as object;
  return [Reflect.get(extension, "_inflate"), Reflect.get(extension, "_deflate")];
}

/** Resolves when the first fragment of a message is there. */
async function isFragmented(webSocket: WebSocket): Promise<void> {
  const receiver = Reflect.get(webSocket, "_receiver") as object;
  while (Reflect.get(receiver, "_totalPayloadLength") === 0)
    await new Promise((resolve) => setImmediate(resolve));
}

async function receive(webSocket: WebSocket): Promise<string> {
  const [data] = (await withDeadline(once(webSocket, "message"), {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "a message",
  })) as [Buffer];
  return data.toString();
}

test("releaseCompression() frees zlib between two messages, and the next ones are compressed again", async (t) => {
  const perMessageDeflate = { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true };
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate });
  t.after(() => server.close());
  await once(server, "listening");
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    perMessageDeflate,
  });
  t.after(() => client.terminate());
  const [[own]] = (await Promise.all([once(server, "connection"), once(client, "open")])) as [
    [WebSocket],
    unknown,
  ];
  own.on("message", (data) => own.send(data, { binary: false }));

  for (const text of ["the first message", "the second message"]) {
    client.send(text);
    assert.equal(await receive(client), text);
    assert.ok(streamsOf(own).every((stream) => typeof stream === "object" && stream !== null));
    client.send(`${text}: a `, { fin: false });
    await withDeadline(isFragmented(own), { deadlineMs: ANSWER_DEADLINE_MS, what: "a fragment" });
    releaseCompression(own);
    client.send("part", { fin: true });
    assert.equal(await receive(client), `${text}: a part`);
    releaseCompression(own);
    assert.deepEqual(streamsOf(own), [null, null]);
  }
});

test("releaseCompression() leaves a WebSocket without compression alone", async (t) => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  t.after(() => server.close());
  await once(server, "listening");
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(() => client.terminate());
  const [[own]] = (await Promise.all([once(server, "connection"), once(client, "open")])) as [
    [WebSocket],
    unknown,
  ];
  releaseCompression(own);
  own.send("still there");
  assert.equal(await receive(client), "still there");
});
