import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startGatedServer } from "../helpers/gate.ts";
import { launch, LOOPBACK, type ServerProcess, startFixture, startServer } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

const GRACE_THAT_NEVER_PASSES = ["--graceful-timeout", "600", "--timeout", "600"];

test("TERM lets a request under way finish with 200, then the exit status is 0", async (t) => {
  const server = await startFixture(t, "slow");
  const answer = request(server.port, "/?s=2");
  await server.waitForLine(/slow began/);

  server.signal("SIGTERM");

  assert.equal((await answer).status, 200);
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.waitForNoProcess();
});

test("times that are longer than a timer of Node can be are no shorter for it", async (t) => {
  const aYear = String(365 * 24 * 3600);
  const server = await startGatedServer(t, ["--timeout", aYear, "--graceful-timeout", aYear]);
  const connection = await server.holdWorker();

  server.signal("SIGTERM");

  await server.waitForLine(/Handling signal: term$/);
  await server.openGate();
  assert.equal((await connection.readAnswer()).status, 200);
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  assert.doesNotMatch(server.text, /TIMEOUT|TimeoutOverflow|killed/);
});

test("TERM answers what had connected and still waited for a worker", async (t) => {
  const server = await startFixture(t, "slow");
  const connections = [];
  for (let number = 0; number < 4; number += 1) {
    const connection = await ClientConnection.open(t, server.port);
    connection.sendRequest("/?s=0.3", { headers: { Connection: "close" } });
    connections.push(connection);
  }
  await server.waitForLine(/slow began/);

  server.signal("SIGTERM");

  const answers = await Promise.all(connections.map((connection) => connection.readAnswer()));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200],
  );
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
});

test("TERM while some workers boot answers what those that serve already have under way", async (t) => {
  const server = await startGatedServer(t, ["-w", "2"], { application: "half_booted" });
  const connection = await server.holdWorker();
  await server.waitForLine(/^held at the import$/);

  server.signal("SIGTERM");

  await server.waitForLine(/Handling signal: term$/);
  await server.openGate();
  assert.equal((await connection.readAnswer()).status, 200);
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.waitForNoProcess();
});

test("TERM while the only worker fails to boot waits for nobody", async (t) => {
  const server = await startGatedServer(t, GRACE_THAT_NEVER_PASSES, { application: "fails_at_the_gate" });
  const connection = await ClientConnection.open(t, server.port);
  connection.sendRequest("/");
  await server.waitForLine(/^held at the import$/);

  server.signal("SIGTERM");

  await server.waitForLine(/Handling signal: term$/);
  await server.openGate();
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.waitForNoProcess();
});

test("TERM while the router boots ends the start, and nothing is left", async (t) => {
  const folder = await temporaryFolder(t, {
    "held.cjs": `if (process.argv[1].endsWith("/router.cjs")) require("node:fs").readFileSync(process.env.GATE);`,
    "gunicorn.conf.py": "def on_starting(server):\n    print('starting', flush=True)\n",
    "app.py": "application = print\n",
  });
  const gate = join(folder, "gate");
  assert.equal(spawnSync("mkfifo", [gate]).status, 0);
  const server = launch(t, {
    cwd: folder,
    args: [...LOOPBACK, "app"],
    env: { NODE_OPTIONS: `--require ${join(folder, "held.cjs")}`, GATE: gate },
  });
  await server.waitForLine(/^starting$/);
  server.signal("SIGTERM");
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.waitForNoProcess();
});

test("TERM while the configuration file runs ends what it runs in, and nothing is left", async (t) => {
  const folder = await temporaryFolder(t, {
    "gunicorn.conf.py": `
import os
if os.path.exists("held"):
    print("held in the configuration file", flush=True)
    open("gate").read()
`,
    "app.py": "application = print\n",
    held: "",
  });
  assert.equal(spawnSync("mkfifo", [join(folder, "gate")]).status, 0);

  await t.test("at the start", async (t) => {
    const server = launch(t, { cwd: folder, args: [...LOOPBACK, "app"] });
    await server.waitForLine(/^held in/);
    server.signal("SIGTERM");
    assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
    await server.waitForNoProcess();
  });

  await t.test("at a reload, which has not failed by that", async (t) => {
    await rm(join(folder, "held"));
    const server = await startServer(t, { cwd: folder, args: [...LOOPBACK, "app"] });
    await writeFiles(folder, { held: "" });
    server.signal("SIGHUP");
    await server.waitForLine(/^held in/);
    server.signal("SIGTERM");
    assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
    await server.waitForNoProcess();
    assert.doesNotMatch(server.text, /reload failed/);
  });
});

test("TERM while a start that failed is cleaned up lets that end as it would have", async (t) => {
  const folder = await temporaryFolder(t, {
    "gunicorn.conf.py":
      "def on_exit(server):\n    print('leaving', flush=True)\n    open('gate').read()\n    print('left', flush=True)\n",
    "app.py": "application = print\n",
  });
  assert.equal(spawnSync("mkfifo", [join(folder, "gate")]).status, 0);
  const server = launch(t, { cwd: folder, args: ["-b", "fd://99", "--pid", "pid", "app"] });
  await server.waitForLine(/^leaving$/);
  server.signal("SIGTERM");
  await writeFile(join(folder, "gate"), "");
  assert.deepEqual(await server.waitForExit(), { status: 1, signal: null });
  await server.waitForNoProcess();
  assert.deepEqual(
    server.lines.filter((line) => line === "left"),
    ["left"],
  );
  assert.match(server.text, /fd:\/\/99/);
  assert(!existsSync(join(folder, "pid")));
});

test("TERM while an address is in use leaves no file of another one that was bound", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  onTeardown(t, () => void other.close());
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const folder = await temporaryFolder(t, { "app.py": "application = print\n" });
  const both = `bind = ["unix:bound.sock", "127.0.0.1:${port}"]\n`;
  const endBetweenAttempts = async (server: ServerProcess): Promise<void> => {
    await server.waitForLine(/attempt 1 of 5/);
    assert(existsSync(join(folder, "bound.sock")));
    server.signal("SIGTERM");
    assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
    assert(!existsSync(join(folder, "bound.sock")));
  };

  await writeFiles(folder, { "gunicorn.conf.py": both });
  await endBetweenAttempts(launch(t, { cwd: folder, args: ["app"] }));

  await writeFiles(folder, { "gunicorn.conf.py": 'bind = ["127.0.0.1:0"]\n' });
  const reloading = launch(t, { cwd: folder, args: ["app"] });
  await reloading.waitForLine(/Ready: /);
  await writeFiles(folder, { "gunicorn.conf.py": both });
  reloading.signal("SIGHUP");
  await endBetweenAttempts(reloading);
});

test("TERM while a reload imports the application boots no worker of it any more", async (t) => {
  const folder = await temporaryFolder(t, {
    "gunicorn.conf.py":
      "preload_app = True\ndef on_exit(server):\n    print('leaving', flush=True)\n    open('exit-gate').read()\n",
    "app.py": `
import os
if os.path.exists("reloading"):
    print("held at the import", flush=True)
    open("load-gate").read()
    print("imported", flush=True)
def application(environ, start_response):
    start_response("200 OK", [])
    return [b""]
`,
  });
  const gates = ["load-gate", "exit-gate"].map((name) => join(folder, name));
  assert.equal(spawnSync("mkfifo", gates).status, 0);
  const server = await startServer(t, { cwd: folder, args: [...LOOPBACK, "app"] });
  await writeFiles(folder, { reloading: "" });
  server.signal("SIGHUP");
  await server.waitForLine(/^held at the import$/);
  const before = server.lines.length;
  server.signal("SIGTERM");
  await server.waitForLine(/^leaving$/);
  await writeFile(join(folder, "load-gate"), "");
  await server.waitForLine(/^imported$/);
  await writeFile(join(folder, "exit-gate"), "");
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.waitForNoProcess();
  const late = server.lines.slice(before).filter((line) => line.includes("Booting worker"));
  assert.deepEqual(late, []);
});

test("TERM ends an idle kept-alive connection and refuses new ones", async (t) => {
  const server = await startFixture(t, "pid");
  const idle = await ClientConnection.open(t, server.port);
  await idle.request("/");

  assert.deepEqual(await server.stop(), { status: 0, signal: null });

  await idle.readEnd();
  await assert.rejects(request(server.port, "/"), { code: "ECONNREFUSED" });
});

test("TERM waits no longer than graceful_timeout for a request that never ends", async (t) => {
  const server = await startFixture(t, "hang", { args: ["--graceful-timeout", "1", "--timeout", "600"] });
  const connection = await ClientConnection.open(t, server.port);
  connection.sendRequest("/hang");
  await server.waitForLine(/hang began/);

  assert.deepEqual(await server.stop(), { status: 0, signal: null });
});

for (const signal of ["SIGINT", "SIGQUIT"] as const) {
  test(`${signal} stops at once, whatever is under way`, async (t) => {
    const server = await startFixture(t, "hang", { args: GRACE_THAT_NEVER_PASSES });
    const connection = await ClientConnection.open(t, server.port);
    connection.sendRequest("/hang");
    await server.waitForLine(/hang began/);

    server.signal(signal);

    assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
    await connection.readEnd();
    await server.waitForNoProcess();
  });
}

test("a second, quick signal cuts a graceful stop short", async (t) => {
  const server = await startFixture(t, "hang", { args: GRACE_THAT_NEVER_PASSES });
  const connection = await ClientConnection.open(t, server.port);
  connection.sendRequest("/hang");
  await server.waitForLine(/hang began/);

  server.signal("SIGTERM");
  await server.waitForLine(/Handling signal: term/);
  server.signal("SIGQUIT");

  assert.equal((await server.waitForExit()).status, 0);
});

const endings = [
  ["a graceful stop", "SIGTERM"],
  ["a quick stop", "SIGINT"],
  ["SIGKILL of the arbiter", "SIGKILL"],
] as const;

for (const [ending, signal] of endings) {
  test(`${ending} leaves no process, no socket and no temporary file`, async (t) => {
    const temporary = await temporaryFolder(t);
    const socketFolder = await temporaryFolder(t);
    const socket = join(socketFolder, "server.sock");
    const server = await startFixture(t, "pid", {
      args: ["-b", `unix:${socket}`, "-w", "2"],
      env: { TMPDIR: temporary },
      workers: 2,
    });
    assert.equal((await request(server.port, "/")).status, 200);
    assert.equal((await request(socket, "/")).status, 200);
    assert(server.processTree().length >= 2);
    const sharedMemory = server.openPaths().filter((path) => path.startsWith("/dev/shm/"));

    server.signal(signal);

    await server.waitForExit();
    await server.waitForNoProcess();
    await server.outputClosed;
    const leftovers = (): string[] => [
      ...readdirSync(temporary),
      ...readdirSync(socketFolder),
      ...sharedMemory.filter((path) => existsSync(path)),
    ];
    await untilTrue(() => leftovers().length === 0, {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: () => `removal of ${leftovers().join(", ")}`,
    });
    await assert.rejects(request(server.port, "/"), { code: "ECONNREFUSED" });
  });
}

test("SIGKILL of the arbiter lets the requests under way finish", async (t) => {
  const server = await startFixture(t, "slow");
  const answer = request(server.port, "/?s=1");
  await server.waitForLine(/slow began/);

  server.signal("SIGKILL");

  assert.equal((await answer).status, 200);
  await server.waitForNoProcess();
});
