import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { WebSocket, WebSocketServer, type ClientOptions, type ServerOptions } from "ws";

import { KeptCompression, releaseCompression } from "../../src/router/websocket-compression.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";

/** What the library keeps of zlib for a WebSocket. */
function streamsOf(webSocket: WebSocket): readonly unknown[] {
  const extension = Reflect.get(
    Reflect.get(webSocket, "_extensions") as object,
    "permessage-deflate",
  ) as object;
  return [Reflect.get(extension, "_inflate"), Reflect.get(extension, "_deflate")];
}

type Compression = ServerOptions["perMessageDeflate"];

const COMPRESSED = { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true } as const;

async function listen(t: TestContext, perMessageDeflate: Compression): Promise<WebSocketServer> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate });
  t.after(() => server.close());
  await once(server, "listening");
  return server;
}

async function open(
  t: TestContext,
  server: WebSocketServer,
  perMessageDeflate: ClientOptions["perMessageDeflate"],
): Promise<{ readonly own: WebSocket; readonly client: WebSocket }> {
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    perMessageDeflate,
  });
  t.after(() => client.terminate());
  const [[own]] = (await Promise.all([once(server, "connection"), once(client, "open")])) as [
    [WebSocket],
    unknown,
  ];
  return { own, client };
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
  const { own, client } = await open(t, await listen(t, COMPRESSED), COMPRESSED);
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
  const { own, client } = await open(t, await listen(t, false), false);
  releaseCompression(own);
  own.send("still there");
  assert.equal(await receive(client), "still there");
});

test("KeptCompression keeps zlib for as many as it may, those that were used last", async (t) => {
  const server = await listen(t, COMPRESSED);
  const kept = new KeptCompression(2);
  const sockets: WebSocket[] = [];
  const use = async (own: WebSocket, client: WebSocket): Promise<void> => {
    client.send("hello");
    assert.equal(await receive(own), "hello");
    kept.onUsed(own);
  };
  const first = await open(t, server, COMPRESSED);
  await use(first.own, first.client);
  for (let count = 0; count < 2; count += 1) {
    const { own, client } = await open(t, server, COMPRESSED);
    sockets.push(own);
    await use(own, client);
    if (count === 0) await use(first.own, first.client);
  }
  const keeps = (own: WebSocket): boolean => streamsOf(own)[0] !== null;
  assert.deepEqual([first.own, ...sockets].map(keeps), [true, false, true]);
  await use(first.own, first.client);
});
