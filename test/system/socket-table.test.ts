import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { bindUnix } from "../../src/system/server-handle.ts";
import { findPortHolder, findUnixHolder, unixNameOf } from "../../src/system/socket-table.ts";
import { PROGRAM_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const skip = process.platform === "linux" ? false : "/proc is Linux's";

async function listen(t: TestContext, address: { port: number; host: string } | string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(address, resolve));
  onTeardown(t, () => void server.close());
  return server;
}

for (const host of ["127.0.0.1", "127.0.0.9", "::1"]) {
  test(`findPortHolder() finds who listens at a port of ${host}`, { skip }, async (t) => {
    const server = await listen(t, { port: 0, host });
    const { port } = server.address() as AddressInfo;
    assert.equal(findPortHolder(host, port)?.pid, process.pid);
  });
}

test("findPortHolder() tells the whole title of a process that has one", { skip }, async (t) => {
  const program = `
    process.title = "tunicorn: master [shop:app]";
    const server = require("node:net").createServer().listen(0, "127.0.0.1", () => process.send(server.address()));
    process.on("disconnect", () => process.exit());`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  onTeardown(t, () => void child.kill("SIGKILL"));
  const [address] = (await withDeadline(once(child, "message"), {
    deadlineMs: PROGRAM_DEADLINE_MS,
    what: "the child to listen",
  })) as [AddressInfo];
  assert.deepEqual(findPortHolder("127.0.0.1", address.port), {
    pid: child.pid,
    command: "tunicorn: master [shop:app]",
  });
});

test("findPortHolder() finds nobody at a port that is free", { skip }, async (t) => {
  const server = await listen(t, { port: 0, host: "127.0.0.1" });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  assert.equal(findPortHolder("127.0.0.1", port), null);
});

test("findUnixHolder() finds who has a path open, also one with blanks", { skip }, async (t) => {
  const path = join(await temporaryFolder(t), "with  blanks.sock");
  await listen(t, path);
  assert.equal(findUnixHolder(path)?.pid, process.pid);
  assert.equal(findUnixHolder(`${path}2`), null);
});

test("unixNameOf() tells the name of a socket that is open here", { skip }, async (t) => {
  const path = join(await temporaryFolder(t), "a.sock");
  const socket = bindUnix(path);
  onTeardown(t, () => socket.close());
  assert.equal(unixNameOf(socket.fd), path);
  assert.equal(unixNameOf(0), null);
});
