import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { socketIdentity } from "../../src/system/socket-identity.ts";
import { removeLeftovers } from "../../src/router/leftovers.ts";
import type { Leftovers } from "../../src/router/messages.ts";
import { runProgram } from "../helpers/program.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const ARBITER_PID = 4121;

/** What a killed arbiter has left. */
async function leave(
  t: TestContext,
  pidfileText = `${ARBITER_PID}\n`,
): Promise<Leftovers & { folder: string }> {
  const folder = await temporaryFolder(t);
  const runtimeDirectory = join(folder, "tunicorn-Ab12Cd");
  mkdirSync(runtimeDirectory, { mode: 0o700 });
  writeFileSync(join(runtimeDirectory, "body-1"), "x");
  const pidfile = join(folder, "app.pid");
  writeFileSync(pidfile, pidfileText);
  const socketPaths = [join(folder, "a.sock"), join(folder, "b.sock")];
  for (const path of socketPaths) {
    await makeStaleSocket(t, path);
  }
  const sockets = socketPaths.map((path) => ({ path, identity: socketIdentity(path) ?? "" }));
  const queueDirectory = join(folder, "tunicorn-Ef34Gh");
  mkdirSync(queueDirectory, { mode: 0o700 });
  writeFileSync(join(queueDirectory, "ring-0"), "x");
  return { arbiterPid: ARBITER_PID, runtimeDirectory, queueDirectory, pidfile, sockets, folder };
}

/** The file of a unix socket whose server was killed. */
async function makeStaleSocket(t: TestContext, path: string): Promise<void> {
  const program = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  await runProgram(t, process.execPath, ["-e", program, path]);
  assert.ok(existsSync(path));
}

test("removeLeftovers() removes runtime directory, sockets and pidfile of the arbiter", async (t) => {
  const { folder, ...leftovers } = await leave(t);
  removeLeftovers(leftovers);
  assert.ok(!existsSync(leftovers.runtimeDirectory));
  for (const { path } of leftovers.sockets) {
    assert.ok(!existsSync(path));
  }
  assert.ok(!existsSync(join(folder, "app.pid")));
});

test("removeLeftovers() is content when another process was faster", async (t) => {
  const leftovers = await leave(t);
  removeLeftovers(leftovers);
  removeLeftovers(leftovers);
});

test("removeLeftovers() is content without pidfile and sockets", async (t) => {
  const { folder, ...leftovers } = await leave(t);
  removeLeftovers({ ...leftovers, pidfile: null, sockets: [] });
  assert.ok(!existsSync(leftovers.runtimeDirectory));
  assert.ok(existsSync(join(folder, "app.pid")));
});

for (const { what, text } of [
  { what: "that names another process, which has taken over", text: "4122\n" },
  { what: "whose pid only begins like the arbiter's", text: `${ARBITER_PID}5\n` },
  { what: "that is empty", text: "" },
  { what: "that holds no number", text: "nobody\n" },
]) {
  test(`removeLeftovers() leaves a pidfile alone ${what}`, async (t) => {
    const { folder, ...leftovers } = await leave(t, text);
    removeLeftovers(leftovers);
    assert.equal(readFileSync(join(folder, "app.pid"), "utf8"), text);
  });
}

test("removeLeftovers() leaves a socket alone that another server has taken over meanwhile", async (t) => {
  const leftovers = await leave(t);
  const path = leftovers.sockets[0]?.path ?? "";
  rmSync(path);
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTeardown(t, () => void server.close());
  removeLeftovers(leftovers);
  assert.ok(existsSync(path), "nobody can connect to it any more");
});
