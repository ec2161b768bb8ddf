import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { connect, createServer, type AddressInfo, type ListenOptions, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { type Client, describeClient, nameOfClient, TrustedPeers } from "../../src/router/client.ts";
import type { InheritedListener } from "../../src/router/messages.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

interface TrustCase {
  readonly entries: readonly string[];
  readonly includes: readonly string[];
  readonly excludes: readonly string[];
}

const trustCases: readonly TrustCase[] = [
  { entries: [], includes: [], excludes: ["127.0.0.1", "::1", "10.0.0.1"] },
  { entries: ["*"], includes: ["127.0.0.1", "203.0.113.9", "2001:db8::1"], excludes: [] },
  { entries: ["10.0.0.1", "*"], includes: ["10.0.0.2"], excludes: [] },
  {
    entries: ["127.0.0.1", "::1"],
    includes: ["127.0.0.1", "::1"],
    excludes: ["127.0.0.2", "::2", "10.0.0.1"],
  },
  {
    entries: ["10.1.0.0/16"],
    includes: ["10.1.0.0", "10.1.255.255"],
    excludes: ["10.0.255.255", "10.2.0.0", "::a01:1"],
  },
  { entries: ["10.1.2.3/16"], includes: ["10.1.9.9"], excludes: ["10.2.2.3"] },
  { entries: ["192.0.2.7/32"], includes: ["192.0.2.7"], excludes: ["192.0.2.6", "192.0.2.8"] },
  { entries: ["0.0.0.0/0"], includes: ["203.0.113.9"], excludes: ["2001:db8::1"] },
  { entries: ["::/0"], includes: ["2001:db8::1"], excludes: [] },
  {
    entries: ["2001:db8::/32"],
    includes: ["2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
    excludes: ["2001:db9::1"],
  },
  { entries: ["2001:0db8:0:0::0001"], includes: ["2001:db8::1"], excludes: ["2001:db8::2"] },
  { entries: ["2001:DB8::A"], includes: ["2001:db8::a"], excludes: [] },
];

for (const { entries, includes, excludes } of trustCases) {
  test(`TrustedPeers of "${entries.join()}" has the peers that it names and no other`, () => {
    const peers = new TrustedPeers(entries);
    assert.deepEqual(
      includes.filter((address) => !peers.includes(address)),
      [],
      "not trusted",
    );
    assert.deepEqual(
      excludes.filter((address) => peers.includes(address)),
      [],
      "trusted",
    );
  });
}

const unixListener: InheritedListener = {
  id: 4,
  url: "unix:/s",
  serverName: null,
  serverPort: null,
  backlog: 16,
};
const tcpListener: InheritedListener = { ...unixListener, url: "http://a", serverName: "a", serverPort: "1" };

/** What is known of the next client that connects; `connectTo` makes it connect. */
async function describeNext(
  t: TestContext,
  {
    listen,
    listener,
    trusted,
    connectTo,
  }: {
    listen: ListenOptions;
    listener: InheritedListener;
    trusted: readonly string[];
    connectTo: (port: number) => Socket | null;
  },
): Promise<Client & { readonly clientPort: number | undefined }> {
  const peers = new TrustedPeers(trusted);
  const sockets: Socket[] = [];
  let client: Client | undefined;
  let onAccepted: () => void = () => {};
  const accepted = new Promise<void>((resolve) => {
    onAccepted = resolve;
  });
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => socket.destroy());
    client = describeClient(socket, listener, peers);
    onAccepted();
  });
  await new Promise<void>((resolve) => server.listen(listen, resolve));
  onTeardown(t, async () => {
    for (const socket of sockets) {
      socket.destroy();
    }
    await new Promise<unknown>((resolve) => server.close(resolve));
  });
  const address = server.address() as AddressInfo | string;
  const socket = connectTo(typeof address === "string" ? 0 : address.port);
  if (socket !== null) {
    sockets.push(socket);
  }
  await withDeadline(accepted, { deadlineMs: ANSWER_DEADLINE_MS, what: "an accepted connection" });
  assert.ok(client !== undefined);
  return { ...client, clientPort: socket?.localPort };
}

test("describeClient() knows address and port of a TCP client", async (t) => {
  const client = await describeNext(t, {
    listen: { port: 0, host: "127.0.0.1" },
    listener: tcpListener,
    trusted: ["10.0.0.1"],
    connectTo: (port) => connect(port, "127.0.0.1"),
  });
  assert.equal(client.address, "127.0.0.1");
  assert.equal(nameOfClient(client), "ip=127.0.0.1");
  assert.equal(client.port, String(client.clientPort));
  assert.equal(client.isTrusted, false);
  assert.equal(client.listener, tcpListener);
});

test("describeClient() trusts the peers of the settings", async (t) => {
  const client = await describeNext(t, {
    listen: { port: 0, host: "127.0.0.1" },
    listener: tcpListener,
    trusted: ["127.0.0.0/8"],
    connectTo: (port) => connect(port, "127.0.0.1"),
  });
  assert.equal(client.isTrusted, true);
});

test("describeClient() shows the IPv4 address of an IPv4 client on an IPv6 socket", async (t) => {
  const client = await describeNext(t, {
    listen: { port: 0, host: "::" },
    listener: tcpListener,
    trusted: ["127.0.0.1"],
    connectTo: (port) => connect(port, "127.0.0.1"),
  });
  assert.equal(client.address, "127.0.0.1");
  assert.equal(client.isTrusted, true);
});

test("describeClient() knows an IPv6 client", async (t) => {
  const client = await describeNext(t, {
    listen: { port: 0, host: "::1" },
    listener: tcpListener,
    trusted: ["::1"],
    connectTo: (port) => connect(port, "::1"),
  });
  assert.equal(client.address, "::1");
  assert.equal(client.isTrusted, true);
});

test("describeClient() trusts a client on a unix socket, which has no address", async (t) => {
  const path = join(await temporaryFolder(t), "s");
  const client = await describeNext(t, {
    listen: { path },
    listener: unixListener,
    trusted: [],
    connectTo: () => connect(path),
  });
  assert.deepEqual([client.address, client.port, client.isTrusted], ["", "", true]);
  assert.equal(nameOfClient(client), "ip=unix");
});

/** Connects, sends a byte and resets the connection, all before the caller's event loop turns once more. */
function connectAndReset(port: number): null {
  const program = `
    const socket = require("node:net").connect(${port}, "127.0.0.1", () => {
      socket.write("x", () => socket.resetAndDestroy());
    });
  `;
  const { status, stderr } = spawnSync(process.execPath, ["-e", program], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return null;
}

test("describeClient() trusts no TCP client that has reset its connection, and so has no address left", async (t) => {
  const client = await describeNext(t, {
    listen: { port: 0, host: "127.0.0.1" },
    listener: tcpListener,
    trusted: ["10.0.0.1"],
    connectTo: connectAndReset,
  });
  assert.equal(client.isTrusted, false, `its address is "${client.address}"`);
});
