import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { request } from "../helpers/client.ts";
import { memoryFolder } from "../helpers/memory-folder.ts";
import { publicPython, withoutOtherUser } from "../helpers/root.ts";
import { type Server, startFixture, type StartOptions } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const skip = process.platform === "linux" ? false : "elsewhere nothing is marked and nothing removed";

const withoutPidNamespaces =
  spawnSync("unshare", ["--pid", "--fork", "--mount-proc", "true"]).status === 0
    ? skip
    : "this user cannot make a pid namespace";

interface Folders {
  readonly queue: string;
  readonly runtime: string;
}

async function makeFolders(t: TestContext): Promise<Folders> {
  return { queue: memoryFolder(t), runtime: await temporaryFolder(t) };
}

function start(
  t: TestContext,
  { queue, runtime }: Folders,
  options: Partial<StartOptions> = {},
): Promise<Server> {
  const args = ["--queue-dir", queue, "--worker-tmp-dir", runtime];
  return startFixture(t, "pid", { args, ...options });
}

async function killAll(server: Server): Promise<void> {
  const pids = [server.pid, ...server.processTree().map(({ pid }) => pid)];
  // Nobody is to see the end of another.
  for (const signal of ["SIGSTOP", "SIGKILL"] as const) for (const pid of pids) process.kill(pid, signal);
  await server.waitForNoProcess();
}

function namesIn({ queue, runtime }: Folders): readonly string[] {
  return [...readdirSync(queue), ...readdirSync(runtime)];
}

test(
  "what a server left that was killed with all its processes is removed by the next one",
  { skip },
  async (t) => {
    const folders = await makeFolders(t);
    const killed = await start(t, folders);
    await killAll(killed);
    const left = namesIn(folders);
    assert.equal(left.length, 2);

    const next = await start(t, folders);
    assert.equal((await request(next.port, "/")).status, 200);
    const names = namesIn(folders);
    assert.equal(names.length, 2);
    assert.ok(names.every((name) => !left.includes(name)));
  },
);

test(
  "what a server of another user left, in folders where only root may remove it, is removed by root's next one",
  { skip: withoutOtherUser },
  async (t) => {
    const folders = await makeFolders(t);
    for (const folder of [folders.queue, folders.runtime]) await chmod(folder, 0o755);
    const asNobody = {
      args: ["--queue-dir", folders.queue, "--worker-tmp-dir", folders.runtime, "--user", "nobody"],
      ...(publicPython === undefined ? {} : { python: publicPython }),
    };
    const killed = await start(t, folders, asNobody);
    await killAll(killed);
    const orphaned = await start(t, folders, asNobody);
    assert.equal(namesIn(folders).length, 2);
    // Only the router is left to remove anything, and it may not.
    const mold = orphaned.processTree().find(({ command }) => command.includes("tunicorn: mold"));
    for (const pid of [orphaned.pid, Number(mold?.pid)]) process.kill(pid, "SIGSTOP");
    for (const pid of [orphaned.pid, Number(mold?.pid)]) process.kill(pid, "SIGKILL");
    await orphaned.waitForNoProcess();

    const next = await start(t, folders);
    assert.equal((await request(next.port, "/")).status, 200);
    await next.stop();
    assert.deepEqual(namesIn(folders), []);
  },
);

test(
  "the queue of a container that was killed is removed by the next container with the same folder, once it is not new",
  { skip: withoutPidNamespaces },
  async (t) => {
    const folders = await makeFolders(t);
    const inContainer = { through: ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"] };
    const killed = await start(t, folders, inContainer);
    const [left = ""] = readdirSync(folders.queue);
    await start(t, folders, inContainer);
    assert.equal(readdirSync(folders.queue).length, 2, "both are served");
    killed.signal("SIGKILL");
    await killed.waitForNoProcess();

    await start(t, folders);
    assert.ok(readdirSync(folders.queue).includes(left), "a new one may be about to start");
    for (const name of readdirSync(folders.queue)) utimesSync(join(folders.queue, name, "tokens-1"), 0, 0);
    await start(t, folders);
    assert.ok(!readdirSync(folders.queue).includes(left));
    assert.equal(readdirSync(folders.queue).length, 3, "those that run are left alone");
  },
);

test("what belongs to a server that runs is left alone by the next one", { skip }, async (t) => {
  const folders = await makeFolders(t);
  const first = await start(t, folders);
  const second = await start(t, folders);
  assert.equal(namesIn(folders).length, 4);
  for (const server of [first, second]) assert.equal((await request(server.port, "/")).status, 200);
});

test("a killed arbiter's router keeps its directory until it has finished", { skip }, async (t) => {
  const folders = await makeFolders(t);
  const orphaned = await start(t, folders);
  const others = orphaned.processTree().map(({ pid }) => pid);
  for (const pid of others) process.kill(pid, "SIGSTOP");
  process.kill(orphaned.pid, "SIGKILL");
  await orphaned.waitForExit();

  await start(t, folders);
  assert.equal(namesIn(folders).length, 4);
  for (const pid of others) process.kill(pid, "SIGCONT");
  await orphaned.waitForNoProcess();
  assert.equal(namesIn(folders).length, 2);
});

test("a folder that somebody removes under a running server is made anew: workers boot, large bodies are stored", async (t) => {
  const folders = await makeFolders(t);
  const server = await startFixture(t, "echo", { args: ["--worker-tmp-dir", folders.runtime] });
  const [name = ""] = readdirSync(folders.runtime);
  rmSync(join(folders.runtime, name), { recursive: true });
  await server.waitForLine(/Somebody has removed .*, which the workers need: it is made anew/);
  server.signal("SIGHUP");
  await server.waitForLine(/Reloaded: /);
  const { status } = await request(server.port, "/", { method: "POST", body: Buffer.alloc(8 * 1024 * 1024) });
  assert.equal(status, 200);
  await server.stop();
  assert.deepEqual(readdirSync(folders.runtime), []);
});

test("a folder that somebody has put in the place of a removed one is not used", async (t) => {
  const folders = await makeFolders(t);
  const server = await start(t, folders);
  await server.waitForLine(/Ready: /);
  const [name = ""] = readdirSync(folders.runtime);
  rmSync(join(folders.runtime, name), { recursive: true });
  symlinkSync(folders.queue, join(folders.runtime, name));
  await server.waitForLine(/it cannot be made anew: what is there now is somebody else's; new workers wait/);
  assert.equal((await request(server.port, "/")).status, 200);
});
