import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import type { TLSSocket } from "node:tls";

import { TlsServer } from "../../src/http/tls-server.ts";
import type { TlsSettings } from "../../src/http/tls-settings.ts";
import { takeConnection } from "../../src/system/accepting.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { openTlsSocket, readTlsFile } from "../helpers/tls.ts";

const MIB = 1024 * 1024;

const settings: TlsSettings = {
  certificate: readTlsFile("server.pem"),
  key: readTlsFile("server.key"),
  authorities: null,
  ciphers: null,
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.3",
  clientCertificate: "none",
  ticketKeys: Buffer.alloc(48, 7).toString("base64"),
};

/** Both ends of a connection whose handshake is done, and what the server's end has got. */
async function openPair(t: TestContext): Promise<{
  readonly server: TLSSocket;
  readonly client: TLSSocket;
  readonly received: Buffer[];
}> {
  const tls = new TlsServer(settings);
  const received: Buffer[] = [];
  const listener = createServer({ pauseOnConnect: true });
  onTeardown(t, () => void listener.close());
  const accepted = new Promise<TLSSocket>((resolve) => {
    listener.on("connection", (socket) => {
      const entrance = tls.entranceFor((reason) => assert.fail(reason));
      resolve(entrance.open(takeConnection(socket), (bytes) => received.push(bytes)));
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as AddressInfo;
  const [server, client] = await Promise.all([accepted, openTlsSocket(t, port)]);
  onTeardown(t, () => void server.destroy());
  return { server, client, received };
}

test("TlsServer gives the bytes of the client in clear text, and its socket ends when the client's does", async (t) => {
  const { server, client, received } = await openPair(t);
  const ended = new Promise((resolve) => server.once("end", resolve));
  client.end("hello");
  await ended;
  assert.equal(Buffer.concat(received).toString(), "hello");
  assert.ok(server.writable, "it stays half open");
});

test("A socket of TlsServer emits drain once everything has gone, however little it was", async (t) => {
  const { server, client } = await openPair(t);
  client.resume();
  for (const bytes of [1, 100_000]) {
    const drained = new Promise((resolve) => server.once("drain", resolve));
    server.write(Buffer.alloc(bytes));
    if (server.writableLength > 0) await drained;
    assert.equal(server.writableLength, 0);
  }
});

test("A socket of TlsServer shows that its client takes bytes, before all of them are taken: its timeout begins anew", async (t) => {
  const { server, client } = await openPair(t);
  client.pause();
  server.write(Buffer.alloc(32 * MIB));
  // What Node looks at when the time is over (`Socket.prototype._onTimeout`).
  const queued = (): number =>
    Number(Reflect.get(Reflect.get(server, "_handle") as object, "writeQueueSize"));
  await untilTrue(() => queued() > 16 * MIB, { deadlineMs: ANSWER_DEADLINE_MS, what: "bytes that wait" });
  const before = queued();
  let taken = 0;
  client.on("data", (bytes: Buffer) => {
    taken += bytes.length;
    if (taken > 16 * MIB) client.pause();
  });
  client.resume();
  await untilTrue(() => queued() < before, { deadlineMs: ANSWER_DEADLINE_MS, what: "fewer bytes that wait" });
  assert.ok(queued() > 0, "some still wait");
});
