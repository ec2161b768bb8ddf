import assert from "node:assert/strict";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, BIND_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import {
  fixtureApps,
  python,
  repositoryRoot,
  runCommand,
  startFixture,
  startServer,
} from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** A way of starting the command with sockets of its own, `NAME=ADDRESS` each, as systemd does it. */
function passing(...sockets: readonly string[]): { readonly through: readonly string[] } {
  return { through: [python, join(repositoryRoot, "test/fixtures/activate.py"), ...sockets, "--"] };
}

/** One for each descriptor; those of one socket are the same. */
function socketsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  const paths = readdirSync(folder).map((fd) => {
    try {
      return readlinkSync(join(folder, fd));
    } catch {
      return ""; // Closed meanwhile.
    }
  });
  return paths.filter((path) => path.startsWith("socket:"));
}

async function occupiedPort(t: TestContext): Promise<number> {
  const occupant = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => occupant.listen(0, "127.0.0.1", resolve));
  onTeardown(t, () => void occupant.close());
  return (occupant.address() as AddressInfo).port;
}

test("IPv4, IPv6, unix and abstract addresses are served at once, and the log names what was chosen", async (t) => {
  const path = join(await temporaryFolder(t), "a.sock");
  const abstractName = `unix:@tunicorn-test-${process.pid}`;
  const binds = ["[::1]:0", `unix:${path}`, abstractName].flatMap((address) => ["-b", address]);
  const server = await startFixture(t, "pid", { args: binds });
  const [v4 = "", v6 = "", ...others] = server.addresses;
  assert.match(v4, /^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
  assert.match(v6, /^http:\/\/\[::1\]:[1-9]\d*$/);
  assert.deepEqual(others, [`unix:${path}`, abstractName]);
  for (const address of [v4, v6]) {
    assert.equal((await fetch(address)).status, 200);
  }
  assert.equal((await request(path, "/")).status, 200);
});

test("a router has four handles of each socket, and so accepts four connections in a turn of its event loop", async (t) => {
  const server = await startFixture(t, "pid");
  const { pid } = new RouterProcess(server);
  const ofArbiter = new Set(socketsOf(server.pid));
  const shared = (): string[] => socketsOf(pid).filter((socket) => ofArbiter.has(socket));
  await untilTrue(() => shared().some((each, _, all) => all.filter((other) => other === each).length === 4), {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "four handles",
  });
});

test("sockets passed by systemd take the place of bind, are left as they are, and are no news to the application", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "web.sock");
  const server = await startServer(t, {
    cwd: fixtureApps,
    args: ["-b", "127.0.0.1:1", "surroundings"],
    ...passing("web=127.0.0.1:0", `admin=${path}`),
  });
  await server.waitForLine(/Taking over 2 sockets from systemd \(web, admin\)/);
  assert.deepEqual(server.addresses.slice(1), [`unix:${path}`]);
  const names = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];
  const target = `/?${names.map((name) => `env=${name}`).join("&")}`;
  for (const address of [server.port, path]) {
    const { env } = JSON.parse((await request(address, target)).text) as { env: Record<string, unknown> };
    assert.deepEqual(env, { LISTEN_PID: null, LISTEN_FDS: null, LISTEN_FDNAMES: null });
  }

  await t.test("also by a reload", async () => {
    server.signal("SIGHUP");
    await server.waitForLine(/\[INFO\] Reloaded/);
    assert.equal((await request(path, "/")).status, 200);
    assert.equal((await request(server.port, "/")).status, 200);
  });

  await t.test("and by the end: the file of a socket is systemd's", async () => {
    await server.stop();
    assert.ok(existsSync(path));
  });
});

test("variables of socket activation that are meant for another process are none of ours", async (t) => {
  const server = await startFixture(t, "pid", { env: { LISTEN_PID: "1", LISTEN_FDS: "1" } });
  assert.equal((await request(server.port, "/")).status, 200);
});

test("fd://N serves a socket that was left open, beside others", async (t) => {
  const path = join(await temporaryFolder(t), "a.sock");
  const server = await startFixture(t, "pid", {
    args: ["-b", "fd://3"],
    through: [...passing(`a=${path}`).through, "env", "-u", "LISTEN_PID"],
  });
  assert.deepEqual(server.addresses.slice(1), [`unix:${path}`]);
  assert.equal((await request(path, "/")).status, 200);
  assert.equal((await request(server.port, "/")).status, 200);
});

test("a descriptor that is no socket ends the boot with status 1 and says so", async (t) => {
  const end = await runCommand(t, { cwd: fixtureApps, args: ["-b", "fd://900", "pid"] });
  assert.equal(end.status, 1, end.text);
  assert.match(end.stderr, /fd:\/\/900/);
  assert.match(end.stderr, /descriptor/);
});

test("--reuse-port lets two servers have the same port, of which each serves alone when the other has left", async (t) => {
  const first = await startFixture(t, "pid", { args: ["--reuse-port"] });
  const second = await startServer(t, {
    cwd: fixtureApps,
    args: ["--reuse-port", "-b", `127.0.0.1:${first.port}`, "pid"],
  });
  assert.equal(second.port, first.port);
  await first.stop();
  assert.equal((await request(second.port, "/")).text, String(second.bootedPids[0]));
});

test("a taken port is named together with who has it", async (t) => {
  const port = await occupiedPort(t);
  const args = ["-b", `127.0.0.1:${port}`, "pid"];
  const end = await runCommand(t, { cwd: fixtureApps, args, deadlineMs: BIND_DEADLINE_MS });
  assert.equal(end.status, 1, end.text);
  assert.match(
    end.stderr,
    new RegExp(`Cannot listen at 127\\.0\\.0\\.1:${port}: the address is in use by process ${process.pid} `),
  );
});

test("an address that is named twice ends the boot with status 1 and a word about it", async (t) => {
  const occupant = createServer();
  await new Promise<void>((resolve) => occupant.listen(0, "127.0.0.1", resolve));
  const { port } = occupant.address() as AddressInfo;
  await new Promise((resolve) => occupant.close(resolve));
  const bind = ["-b", `127.0.0.1:${port}`];
  const args = [...bind, ...bind, "pid"];
  const end = await runCommand(t, { cwd: fixtureApps, args, deadlineMs: BIND_DEADLINE_MS });
  assert.equal(end.status, 1, end.text);
  assert.match(
    end.stderr,
    new RegExp(`Cannot listen at http://127\\.0\\.0\\.1:${port}: the address is in use`),
  );
  assert.match(end.stderr, /another address of bind/);
});

test("HUP with a changed bind serves what is new, leaves alone what stays, and closes what is gone", async (t) => {
  const settings = (...binds: readonly string[]): string => `bind = ${JSON.stringify(binds)}\n`;
  const folder = await temporaryFolder(t);
  const [gone, added] = [join(folder, "gone.sock"), join(folder, "new.sock")];
  const conf = join(folder, "gunicorn.conf.py");
  await writeFile(conf, settings("127.0.0.1:0", `unix:${gone}`));
  const server = await startServer(t, { cwd: fixtureApps, args: ["-c", conf, "--keep-alive", "60", "pid"] });
  const kept = await ClientConnection.open(t, server.port);
  assert.equal((await kept.request("/")).status, 200);
  const onGone = await ClientConnection.open(t, gone);
  assert.equal((await onGone.request("/")).status, 200);

  await t.test("while a connection to the kept address lives on", async () => {
    await writeFile(conf, settings("127.0.0.1:0", `unix:${added}`));
    server.signal("SIGHUP");
    await server.waitForLine(/Listening at: http:\/\/127\.0\.0\.1:\d+,unix:\S*new\.sock /);
    assert.equal((await request(added, "/")).status, 200);
    assert.equal((await request(server.port, "/")).status, 200);
    assert.equal((await kept.request("/")).headers.get("connection"), undefined);
  });

  await t.test("and a connection to the gone address has a last request", async () => {
    assert.ok(!existsSync(gone));
    const answer = await onGone.request("/");
    assert.deepEqual([answer.status, answer.headers.get("connection")], [200, "close"]);
    await onGone.readEnd();
  });

  await t.test("and an address that cannot be had fails the reload, which says so", async () => {
    const port = await occupiedPort(t);
    await writeFile(conf, settings(`127.0.0.1:${port}`));
    server.signal("SIGHUP");
    const deadlineMs = BIND_DEADLINE_MS;
    await server.waitForLine(new RegExp(`reload failed.*127\\.0\\.0\\.1:${port}.*in use by`), { deadlineMs });
    assert.equal((await request(server.port, "/")).status, 200);
    assert.equal((await request(added, "/")).status, 200);
  });

  await t.test("and a port that one address leaves to another is bound anew", async () => {
    await writeFile(conf, settings(`127.0.0.1:${server.port}`));
    server.signal("SIGHUP");
    await server.waitForLine(/No longer listening at: \S*new\.sock/);
    await writeFile(conf, settings(`127.0.0.2:${server.port}`));
    server.signal("SIGHUP");
    await server.waitForLine(new RegExp(`Listening at: http://127\\.0\\.0\\.2:${server.port} `));
    assert.equal((await fetch(`http://127.0.0.2:${server.port}/`)).status, 200);
    await assert.rejects(request(server.port, "/"), { code: "ECONNREFUSED" });
  });

  await t.test("and nothing is left of it in the end", async () => {
    await server.stop();
    await untilTrue(() => !existsSync(added), {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: "removal of new.sock",
    });
  });
});
