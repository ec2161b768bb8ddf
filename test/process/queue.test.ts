import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startGatedServer } from "../helpers/gate.ts";
import { memoryFolder } from "../helpers/memory-folder.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { startFixture } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

test("the shared queue lies in a private directory of queue_dir, which is gone with the server", async (t) => {
  const folder = memoryFolder(t);
  const server = await startFixture(t, "echo", { args: ["--queue-dir", folder] });
  assert.equal((await request(server.port, "/")).status, 200);
  assert.match(readdirSync(folder).join(), /^tunicorn-\w{6}$/);
  assert.doesNotMatch(server.text, /channels/);
  await server.stop();
  assert.deepEqual(readdirSync(folder), []);
});

test("a queue_dir that is no memory file system is named, and requests go over the channels", async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startFixture(t, "echo", { args: ["--queue-dir", "/proc"] });
  await server.waitForLine(
    /Requests go over channels, there is no shared queue in queue_dir: "\/proc" is not a memory/,
  );
  assert.equal((await request(server.port, "/")).status, 200);
  assert.deepEqual(readdirSync(folder), []);
});

test("a queue_dir that does not exist is named, and requests go over the channels", async (t) => {
  const server = await startFixture(t, "echo", { args: ["--queue-dir", "/dev/shm/not-there"] });
  await server.waitForLine(/Requests go over channels, .*ENOENT.*not-there/);
  assert.equal((await request(server.port, "/")).status, 200);
});

test("a queue that somebody removes is missed by nobody: later workers, generations and routers serve", async (t) => {
  const folder = memoryFolder(t);
  const server = await startFixture(t, "pid", { args: ["--queue-dir", folder] });
  const [queue = ""] = readdirSync(folder);
  rmSync(join(folder, queue), { recursive: true });
  const ask = async (): Promise<string> => (await request(server.port, "/")).text;
  const before = await ask();
  process.kill(Number(before), "SIGKILL");
  await server.waitForLine(/Booting worker with pid/, { count: 2 });
  assert.notEqual(await ask(), before);

  server.signal("SIGHUP");
  await server.waitForLine(/Somebody has removed the shared queue/);
  await server.waitForLine(/Reloaded: 1 worker/);
  const reloaded = await ask();
  assert.equal(Number(reloaded), server.bootedPids[2]);

  process.kill(new RouterProcess(server).pid, "SIGKILL");
  await server.waitForLine(/The router ended by SIGKILL/);
  await untilTrue(async () => (await ask().catch(() => "")) === reloaded, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => server.text,
  });
});

test("a router that starts when the queue was removed serves the workers that had it", async (t) => {
  const folder = memoryFolder(t);
  const server = await startFixture(t, "pid", { args: ["--queue-dir", folder] });
  const [queue = ""] = readdirSync(folder);
  const before = (await request(server.port, "/")).text;
  rmSync(join(folder, queue), { recursive: true });
  process.kill(new RouterProcess(server).pid, "SIGKILL");
  await server.waitForLine(/The router ended by SIGKILL/);
  await untilTrue(async () => (await request(server.port, "/").catch(() => null))?.text === before, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => server.text,
  });
});

test("requests of every size come whole: in one slot, in several, and over the channel", async (t) => {
  const server = await startFixture(t, "echo", { args: ["-w", "2"], workers: 2 });
  const connection = await ClientConnection.open(t, server.port);
  const slot = 4096;
  const sizes = [0, 1, slot - 700, slot - 1, slot, slot + 1, 3 * slot, 15 * slot, 16 * slot - 700, 16 * slot];
  for (const size of [...sizes, 17 * slot, 1024 * 1024, 3 * 1024 * 1024]) {
    const body = Buffer.alloc(size, `${size}.`);
    const { status, text } = await connection.request("/", { method: "POST", body });
    const seen = JSON.parse(text) as { body_length: number; body_sha256: string };
    assert.equal(status, 200);
    assert.equal(seen.body_length, size);
    assert.equal(seen.body_sha256, createHash("sha256").update(body).digest("hex"));
  }
});

test("more requests at once than the ring has slots are all answered", async (t) => {
  const server = await startGatedServer(t, ["--log-level", "debug"]);
  const holder = await server.holdWorker();
  const connections = await Promise.all(
    Array.from({ length: 700 }, () => ClientConnection.open(t, server.port)),
  );
  for (const [index, connection] of connections.entries()) connection.sendRequest(`/${index}`);
  await server.openGate();
  const answers = await Promise.all(connections.map((connection) => connection.readAnswer()));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  assert.equal((await holder.readAnswer()).status, 200);
  await server.stop();
  assert.match(
    server.text,
    /Shared queue at the end: 0 slots are taken, 0 places are taken, 0 tokens are left/,
  );
});

test("requests whose clients have left while they waited in the queue cost no call, and their slots are given back", async (t) => {
  const server = await startGatedServer(t, ["--log-level", "debug"]);
  const holder = await server.holdWorker();
  const router = new RouterProcess(server);
  const staying: ClientConnection[] = [];
  // More of them, one after another, than there are slots.
  for (let round = 0; round < 3; round += 1) {
    const before = router.descriptors;
    const untilOpen = (count: number): Promise<void> =>
      untilTrue(() => router.descriptors === before + count, {
        deadlineMs: LOG_DEADLINE_MS,
        what: () => `${count} connections more than ${before} descriptors, there are ${router.descriptors}`,
      });
    const leaving = await Promise.all(
      Array.from({ length: 250 }, () => ClientConnection.connect(server.port)),
    );
    for (const connection of leaving) connection.sendRequest("/left");
    const last = await ClientConnection.open(t, server.port);
    last.sendRequest("/stays");
    staying.push(last);
    await untilOpen(leaving.length + 1);
    for (const connection of leaving) connection.destroy();
    await untilOpen(1);
  }
  // The router has closed the connections, but may not have seen yet what follows: it answers this one afterwards.
  const nonsense = await ClientConnection.open(t, server.port);
  nonsense.send("nonsense\r\n\r\n");
  assert.equal((await nonsense.readAnswer()).status, 400);
  await server.openGate();
  assert.equal((await holder.readAnswer()).status, 200);
  for (const connection of staying) assert.equal((await connection.readAnswer()).status, 200);
  const paths = await server.allCalledPaths();
  assert.equal(paths.filter((path) => path === "/left").length, 0);
  assert.equal(paths.filter((path) => path === "/stays").length, 3);
  await server.stop();
  assert.match(
    server.text,
    /Shared queue at the end: 0 slots are taken, 0 places are taken, 0 tokens are left/,
  );
});

test("a worker that is killed while it waits takes no request with it", async (t) => {
  const server = await startFixture(t, "crash", { args: ["-w", "2"], workers: 2 });
  // A death before would be a failure to start.
  await server.waitForLine(/Ready: 2 workers/);
  const [first = 0, second = 0] = server.bootedPids;
  process.kill(first, "SIGKILL");
  const answers = await Promise.all(Array.from({ length: 20 }, () => request(server.port, "/")));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  process.kill(second, "SIGKILL");
  assert.equal((await request(server.port, "/")).status, 200);
});

test("an idle worker that is told to leave by TERM leaves, and another takes its place", async (t) => {
  const server = await startFixture(t, "echo");
  await request(server.port, "/");
  const [pid = 0] = server.bootedPids;
  process.kill(pid, "SIGTERM");
  await server.waitForLine(new RegExp(`Worker exiting \\(pid: ${pid}\\)`));
  await server.waitForLine(/Booting worker/, { count: 2 });
  assert.equal((await request(server.port, "/")).status, 200);
});

test("when the router is killed, its workers serve the next one from the same queue", async (t) => {
  const server = await startFixture(t, "crash", { args: ["-w", "2"], workers: 2 });
  await request(server.port, "/");
  const router = server.processTree().find(({ command }) => /router/.test(command));
  assert(router !== undefined);
  process.kill(router.pid, "SIGKILL");
  await server.waitForLine(/The router ended by SIGKILL/);
  await untilTrue(
    async () => {
      const answer = await request(server.port, "/").catch(() => null);
      return answer?.status === 200;
    },
    { deadlineMs: LOG_DEADLINE_MS, what: "an answer through the next router" },
  );
  const pids = await Promise.all(Array.from({ length: 8 }, () => request(server.port, "/")));
  assert(pids.every(({ text }) => server.bootedPids.slice(0, 2).includes(Number(text))));
});
