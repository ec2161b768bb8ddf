import assert from "node:assert/strict";
import { existsSync, openSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { adoptSocket, type BoundSocket, bindTcp, bindUnix } from "../../src/system/server-handle.ts";
import { ANSWER_DEADLINE_MS, untilTrue, withDeadline } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { openDescriptors } from "./open-files.ts";

/** A bound socket that is released when the test ends. */
function bound(t: TestContext, socket: BoundSocket): BoundSocket {
  onTeardown(t, () => socket.close());
  return socket;
}

function portOf({ name }: BoundSocket): number {
  assert.equal(name.type, "tcp");
  return name.type === "tcp" ? name.port : 0;
}

function openSockets(): number {
  return openDescriptors().filter((path) => path.startsWith("socket:")).length;
}

/** What happens to a client: "connected", or the code of the error. */
async function outcomeOfConnecting(
  address: { readonly port: number } | { readonly path: string },
): Promise<string> {
  const outcome = new Promise<string>((resolve) => {
    const socket = connect({ ...address, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve("connected");
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  });
  return withDeadline(outcome, { deadlineMs: ANSWER_DEADLINE_MS, what: "a connection or its refusal" });
}

async function listen(
  t: TestContext,
  options: { port: number; host: string } | { path: string },
): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(options, resolve));
  onTeardown(t, () => void server.close());
  return server;
}

test("bindTcp() binds a free port when it is asked for port 0", (t) => {
  const first = bound(t, bindTcp("127.0.0.1", 0));
  const second = bound(t, bindTcp("127.0.0.1", 0));
  assert.ok(portOf(first) > 0);
  assert.notEqual(portOf(first), portOf(second));
  assert.ok(first.fd > 2 && second.fd > 2);
});

test("bindTcp() binds the port that it is asked for", (t) => {
  const port = portOf(bound(t, bindTcp("127.0.0.1", 0)));
  const other = bound(t, bindTcp("127.0.0.2", port));
  assert.deepEqual(other.name, { type: "tcp", address: "127.0.0.2", port });
});

test("bindTcp() binds an IPv6 address", (t) => {
  assert.ok(portOf(bound(t, bindTcp("::1", 0))) > 0);
});

test("bindTcp() does not listen: that is left to the router", async (t) => {
  const port = portOf(bound(t, bindTcp("127.0.0.1", 0)));
  assert.equal(await outcomeOfConnecting({ port }), "ECONNREFUSED");
});

for (const { what, address, port, code } of [
  {
    what: "an address that this machine does not have",
    address: "192.0.2.1",
    port: 0,
    code: "EADDRNOTAVAIL",
  },
  { what: "a name", address: "localhost", port: 0, code: "EINVAL" },
]) {
  test(`bindTcp() throws ${code} at ${what}, and leaves no socket open`, async () => {
    const before = openSockets();
    assert.throws(() => bindTcp(address, port), { code });
    await untilTrue(() => openSockets() === before, {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: "the end of the socket",
    });
  });
}

test("bindTcp() throws EADDRINUSE at a port that is listened on, and leaves no socket open", async (t) => {
  const server = await listen(t, { port: 0, host: "127.0.0.1" });
  const { port } = server.address() as AddressInfo;
  const before = openSockets();
  assert.throws(() => bindTcp("127.0.0.1", port), { code: "EADDRINUSE" });
  await untilTrue(() => openSockets() === before, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "the end of the socket",
  });
});

test("bindUnix() makes a socket file on which nobody listens yet", async (t) => {
  const path = join(await temporaryFolder(t), "a.sock");
  const socket = bound(t, bindUnix(path));
  assert.ok(statSync(path).isSocket());
  assert.deepEqual(socket.name, { type: "unix" });
  assert.ok(socket.fd > 2);
  assert.equal(await outcomeOfConnecting({ path }), "ECONNREFUSED");
});

test("bindUnix() throws EADDRINUSE where any file is, and leaves it there", async (t) => {
  const path = join(await temporaryFolder(t), "a.sock");
  writeFileSync(path, "precious");
  assert.throws(() => bindUnix(path), { code: "EADDRINUSE" });
  assert.ok(existsSync(path));
});

test("bindUnix() throws a system error when the folder is not there", async (t) => {
  const path = join(await temporaryFolder(t), "missing", "a.sock");
  assert.throws(
    () => bindUnix(path),
    (error: NodeJS.ErrnoException) => typeof error.code === "string",
  );
  assert.ok(!existsSync(path));
});

test("BoundSocket.close() frees the port, and may be called twice", async (t) => {
  const socket = bindTcp("127.0.0.1", 0);
  socket.close();
  socket.close();
  await listen(t, { port: portOf(socket), host: "127.0.0.1" });
});

test("BoundSocket.close() removes the file of a unix socket", async (t) => {
  const path = join(await temporaryFolder(t), "a.sock");
  const socket = bindUnix(path);
  socket.close();
  socket.close();
  assert.ok(!existsSync(path));
});

test("adoptSocket() takes a TCP socket that another process has bound, and can tell its address", (t) => {
  const other = bound(t, bindTcp("127.0.0.1", 0));
  // The descriptor has two owners now; only one of them may close it.
  const adopted = adoptSocket(other.fd);
  assert.deepEqual(adopted.name, other.name);
});

test("adoptSocket() takes a unix socket", async (t) => {
  const other = bound(t, bindUnix(join(await temporaryFolder(t), "a.sock")));
  assert.deepEqual(adoptSocket(other.fd).name, { type: "unix" });
});

for (const { what, fd } of [
  { what: "is not open", fd: 900 },
  { what: "is a file", fd: openSync("/dev/null", "r") },
]) {
  test(`adoptSocket() throws EINVAL at a descriptor that ${what}`, () => {
    assert.throws(() => adoptSocket(fd), { code: "EINVAL" });
  });
}
