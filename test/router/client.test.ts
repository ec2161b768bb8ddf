import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { connect, createServer, type AddressInfo, type ListenOptions, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import {
  type Client,
  describeClient,
  frontedClient,
  nameOfClient,
  relayedClient,
  TrustedPeers,
} from "../../src/router/client.ts";
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

test("TrustedPeers says the same of a peer each time it comes, however many others come between", () => {
  const peers = new TrustedPeers(["10.0.0.0/24"]);
  for (let round = 0; round < 3; round += 1) {
    for (let last = 0; last < 256; last += 1) {
      for (const isAskedAgain of [false, true]) {
        assert.equal(peers.includes(`10.0.0.${last}`), true, `${isAskedAgain}`);
        assert.equal(peers.includes(`10.0.1.${last}`), false, `${isAskedAgain}`);
      }
    }
  }
});

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
    client = describeClient(socket, listener, peers, false);
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

/** A front server on a trusted address, or not. */
const front = (isTrusted: boolean): Client => ({
  address: "10.0.0.1",
  port: "4000",
  isTrusted,
  scheme: "http",
  extraEnviron: "",
  listener: tcpListener,
});

const named: readonly (readonly [what: string, source: string, isTrusted: boolean])[] = [
  ["a trusted client behind a proxy that is not", "192.0.2.7", true],
  ["a client that is not, behind a trusted proxy", "203.0.113.7", false],
];
for (const [what, address, isTrusted] of named) {
  test(`relayedClient() trusts ${what}, by its own address`, () => {
    const source = { address, port: 56324 };
    const preamble = { source, destination: { address: "192.0.2.1", port: 443 } };
    const client = relayedClient(front(!isTrusted), preamble, new TrustedPeers(["192.0.2.0/24", "10.0.0.2"]));
    assert.deepEqual([client.address, client.port, client.isTrusted], [address, "56324", isTrusted]);
    assert.equal(client.extraEnviron, "\0PROXY_PROTOCOL\0TCP4\0PROXY_ADDR\x00192.0.2.1\0PROXY_PORT\x00443");
  });
}

test("relayedClient() shows the IPv4 address that a proxy spells as an IPv6 one, and trusts it by that", () => {
  const source = { address: "::ffff:192.0.2.7", port: 1 };
  const client = relayedClient(
    front(false),
    { source, destination: source },
    new TrustedPeers(["192.0.2.7"]),
  );
  assert.deepEqual([client.address, client.isTrusted], ["192.0.2.7", true]);
});

test("relayedClient() leaves the proxy in the place of a client that it does not name", () => {
  for (const isTrusted of [false, true]) {
    const client = front(isTrusted);
    assert.equal(relayedClient(client, { source: null, destination: null }, new TrustedPeers(["*"])), client);
  }
});

test("frontedClient() takes the client of the variables, but no trust, and no address that is none", () => {
  const variables = new Map([
    ["REMOTE_ADDR", "192.0.2.7"],
    ["REMOTE_PORT", "56324"],
    ["SERVER_NAME", "example.org"],
    ["SERVER_PORT", "443"],
    ["HTTPS", "on"],
  ]);
  for (const isTrusted of [false, true]) {
    const client = frontedClient(front(isTrusted), variables);
    assert.deepEqual([client.address, client.port, client.isTrusted], ["192.0.2.7", "56324", isTrusted]);
    assert.equal(client.scheme, "https");
    const { serverName, serverPort } = client.listener;
    assert.deepEqual([serverName, serverPort], ["example.org", "443"]);
  }
  const nameless = frontedClient(front(false), new Map([["REMOTE_ADDR", "unix:"]]));
  assert.deepEqual([nameless.address, nameless.port, nameless.scheme], ["10.0.0.1", "4000", "http"]);
  assert.deepEqual(nameless.listener, tcpListener);
});

for (const [variables, scheme] of [
  [[["REQUEST_SCHEME", "https"]], "https"],
  [[["REQUEST_SCHEME", "http"]], "http"],
  [[["HTTPS", "off"]], "http"],
  [[["HTTPS", ""]], "http"],
] as const) {
  test(`frontedClient() takes ${scheme} from ${variables.join()}`, () => {
    assert.equal(frontedClient(front(false), new Map(variables)).scheme, scheme);
  });
}
