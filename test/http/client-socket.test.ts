import assert from "node:assert/strict";
import { once } from "node:events";
import { writeSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test, type TestContext } from "node:test";

import { ClientSocket, type ClientSocketListener } from "../../src/http/client-socket.ts";
import { takeConnection } from "../../src/system/accepting.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";

const timeouts = {
  keepAliveMs: 60_000,
  headMs: 60_000,
  bodyStallMs: 60_000,
  bodyBytesPerSecond: 0,
  writeStallMs: 60_000,
};

/** Two ends of a connection; the first one was accepted. */
async function openPair(t: TestContext): Promise<{ readonly accepted: Socket; readonly peer: Socket }> {
  const server = createServer({ pauseOnConnect: true });
  onTeardown(t, () => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const peer = connect((server.address() as AddressInfo).port, "127.0.0.1");
  onTeardown(t, () => void peer.destroy());
  const [accepted] = (await once(server, "connection")) as [Socket];
  return { accepted, peer };
}

/** Looks that must find a socket full: the acknowledgement that makes room again may be late. */
const FULL_LOOKS = 15;

/** Writes until the system takes no more, as one does to whom the socket is lent. */
async function fill(socket: Socket): Promise<void> {
  const { fd } = Reflect.get(socket, "_handle") as { readonly fd: number };
  const bytes = Buffer.alloc(1024);
  let looks = 0;
  const isFull = (): boolean => {
    looks += 1;
    assert.throws(
      () => {
        for (;;) {
          writeSync(fd, bytes);
          looks = 0;
        }
      },
      { code: "EAGAIN" },
    );
    return looks > FULL_LOOKS;
  };
  await untilTrue(isFull, { deadlineMs: ANSWER_DEADLINE_MS, what: "a socket that is full" });
}

test("it tells when the client has taken everything, however little had to wait", async (t) => {
  const { accepted, peer } = await openPair(t);
  await fill(accepted);
  let drains = 0;
  const listener: ClientSocketListener = {
    bytesUsedAtOnce: 0,
    onBytes: () => undefined,
    onEnd: () => undefined,
    onDrain: () => (drains += 1),
    onClose: () => undefined,
  };
  const client = new ClientSocket({ accepted: takeConnection(accepted), tls: null, timeouts }, listener);
  onTeardown(t, () => client.destroy());
  for (const bytes of [1, 1000, 10_000]) client.write(Buffer.alloc(bytes));
  assert.equal(client.unsentBytes, 11_001);
  assert.equal(drains, 0);
  peer.resume();
  await untilTrue(() => drains === 1, { deadlineMs: ANSWER_DEADLINE_MS, what: "the client has taken it" });
  assert.equal(client.unsentBytes, 0);
});
