import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";

import { AcceptedConnection, acceptConnections, takeConnection } from "../../src/system/accepting.ts";
import { bindTcp } from "../../src/system/server-handle.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { python } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";

/** A connection, from both ends. `isTaken`: by way of the socket that Node makes of it. */
async function accept(
  t: TestContext,
  { isTaken } = { isTaken: false },
): Promise<{ readonly accepted: AcceptedConnection; readonly peer: Socket }> {
  const server = createServer({ allowHalfOpen: true });
  onTeardown(t, () => void server.close());
  const accepting = new Promise<AcceptedConnection>((resolve) => {
    if (isTaken) {
      server.on("connection", (socket) => resolve(takeConnection(socket)));
      server.listen(0, "127.0.0.1");
    } else {
      const handle = bindTcp("127.0.0.1", 0).handle as object;
      server.on("connection", () => assert.fail("Node made a socket of its own"));
      server.listen(handle);
      acceptConnections(server, handle, resolve);
    }
  });
  await once(server, "listening");
  const peer = connect((server.address() as AddressInfo).port, "127.0.0.1");
  onTeardown(t, () => void peer.destroy());
  const accepted = await withDeadline(accepting, { deadlineMs: ANSWER_DEADLINE_MS, what: "a connection" });
  return { accepted, peer };
}

for (const isTaken of [false, true]) {
  const which = isTaken ? "taken out of a socket" : "accepted as a handle";

  test(`a connection that was ${which} knows its peer, and becomes a socket`, async (t) => {
    const { accepted, peer } = await accept(t, { isTaken });
    assert.deepEqual(accepted.peer, { remoteAddress: "127.0.0.1", remotePort: peer.localPort });
    const buffer = Buffer.alloc(100);
    const reading = new Promise<string>((resolve) => {
      const callback = (count: number): boolean => {
        resolve(buffer.toString("latin1", 0, count));
        return true;
      };
      const socket = accepted.open({ allowHalfOpen: true, onread: { buffer, callback } });
      onTeardown(t, () => void socket.destroy());
      socket.end("from here");
    });
    peer.write("from there");
    const both = Promise.all([reading, text(peer)]);
    const said = await withDeadline(both, { deadlineMs: ANSWER_DEADLINE_MS, what: "both directions" });
    assert.deepEqual(said, ["from there", "from here"]);
  });

  test(`a connection that was ${which} can be closed without one`, async (t) => {
    const { accepted, peer } = await accept(t, { isTaken });
    accepted.close();
    peer.resume();
    await withDeadline(once(peer, "close"), { deadlineMs: ANSWER_DEADLINE_MS, what: "the end" });
    assert.deepEqual(accepted.peer, {});
  });
}

test("a connection that was closed before it became a socket closes that", async (t) => {
  const { accepted } = await accept(t);
  accepted.close();
  const socket = accepted.open({ allowHalfOpen: true });
  await withDeadline(once(socket, "close"), { deadlineMs: ANSWER_DEADLINE_MS, what: "close" });
});

test("what is accepted sends without delay, as the listening socket says", async (t) => {
  const { accepted } = await accept(t);
  const socket = accepted.open({ allowHalfOpen: true });
  onTeardown(t, () => void socket.destroy());
  const ask =
    "import socket; print(socket.socket(fileno=3).getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))";
  const asked = spawn(python, ["-c", ask], { stdio: ["ignore", "pipe", "inherit", socket] });
  assert.ok(asked.stdout !== null);
  assert.equal((await text(asked.stdout)).trim(), "1");
});
