import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";

import { countUnaccepted } from "../../src/metrics/accept-queue.ts";
import { bindTcp } from "./bound-port.ts";

test("countUnaccepted() counts clients whom nobody has accepted, of these ports alone", async (t) => {
  const { port } = await bindTcp(t);
  assert.equal(await countUnaccepted(new Set([port])), 0);
  const clients = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
  t.after(() => {
    for (const client of clients) client.destroy();
  });
  await Promise.all(clients.map((client) => once(client, "connect")));
  assert.equal(await countUnaccepted(new Set([port])), 2);
  assert.equal(await countUnaccepted(new Set([1])), 0);
  assert.equal(await countUnaccepted(new Set()), 0);
});

test("countUnaccepted() counts nobody who was accepted", async (t) => {
  const server = createServer((socket) => socket.resume());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const client = connect(port, "127.0.0.1");
  t.after(() => {
    client.destroy();
    server.close();
  });
  await once(server, "connection");
  assert.equal(await countUnaccepted(new Set([port])), 0);
});
