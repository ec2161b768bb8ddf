import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { ClientConnection, ConnectionCut, request } from "../helpers/client.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startGatedServer } from "../helpers/gate.ts";
import type { ProcessEntry } from "../helpers/processes.ts";
import { schedulingOf } from "../helpers/scheduling.ts";
import { startFixture, startServer, type Server } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

function routersOf(server: Server): readonly ProcessEntry[] {
  return server.processTree().filter(({ command }) => /tunicorn: router/.test(command));
}

function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

async function untilRouters(server: Server, count: number): Promise<void> {
  await untilTrue(() => routersOf(server).length === count, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `${count} routers, there are ${routersOf(server).length}`,
  });
}

/** A few at a time: of many at once a router takes all while the other waits for a core. */
async function openConnections(t: TestContext, server: Server): Promise<readonly ClientConnection[]> {
  const connections: ClientConnection[] = [];
  for (let round = 0; round < 10; round += 1) {
    const opened = await Promise.all(Array.from({ length: 12 }, () => ClientConnection.open(t, server.port)));
    const answers = await Promise.all(opened.map((connection) => connection.request("/")));
    assert(answers.every(({ status }) => status === 200));
    connections.push(...opened);
  }
  return connections;
}

test("several routers share the listener: each gets a good part of the connections, and all are served", async (t) => {
  const server = await startFixture(t, "echo", { args: ["--routers", "2", "-w", "2"], workers: 2 });
  await untilRouters(server, 2);
  const before = routersOf(server).map(({ pid }) => descriptorsOf(pid));
  const connections = await openConnections(t, server);
  const shares = routersOf(server).map(({ pid }, index) => descriptorsOf(pid) - (before[index] ?? 0));
  t.diagnostic(`connections of each: ${shares.join(", ")}`);
  assert(
    shares.every((share) => share > connections.length / 10),
    `Of ${connections.length} connections they have ${shares.join(" and ")}`,
  );
});

test("a router that is killed loses its own connections only, and is replaced", async (t) => {
  const server = await startFixture(t, "echo", { args: ["--routers", "2", "-w", "2"], workers: 2 });
  await untilRouters(server, 2);
  const connections = await openConnections(t, server);
  const [victim] = routersOf(server);
  assert(victim !== undefined);
  process.kill(victim.pid, "SIGKILL");
  await server.waitForLine(/The router ended by SIGKILL/);

  let survivors = 0;
  for (const connection of connections) {
    try {
      assert.equal((await connection.request("/")).status, 200);
      survivors += 1;
    } catch (failure) {
      if (!(failure instanceof ConnectionCut) && (failure as NodeJS.ErrnoException).code !== "EPIPE")
        throw failure;
    }
  }
  assert(survivors > 0 && survivors < connections.length, `${survivors} of ${connections.length} survived`);
  await untilRouters(server, 2);
  for (let count = 0; count < 40; count += 1) assert.equal((await request(server.port, "/")).status, 200);
  assert.equal(server.bootedPids.length, 2);
});

test("a reload while a router starts in the place of another is that router's too", async (t) => {
  const bindTo = (path: string): string => `bind = ["127.0.0.1:0", "unix:${path}"]\n`;
  const folder = await temporaryFolder(t, {
    // Holds what a router says when it could listen for clients, while there is the file "held".
    "held.cjs": `
      const { existsSync, readFile } = require("node:fs");
      const { send } = process;
      if (send !== undefined && existsSync(__dirname + "/held"))
        process.send = (message, ...rest) => {
          const say = () => send.call(process, message, ...rest);
          if (message.type !== "listening") return say();
          process.stdout.write("held\\n");
          readFile(__dirname + "/gate", say);
        };`,
    "gunicorn.conf.py": bindTo("before.sock"),
    "app.py":
      "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n",
  });
  assert.equal(spawnSync("mkfifo", [join(folder, "gate")]).status, 0);
  const server = await startServer(t, {
    cwd: folder,
    args: ["--queue-timeout", "1", "app"],
    env: { NODE_OPTIONS: `--require ${join(folder, "held.cjs")}` },
  });
  await server.waitForLine(/Ready: /);
  await writeFiles(folder, { held: "", "gunicorn.conf.py": bindTo("after.sock") });
  const [victim] = routersOf(server);
  assert(victim !== undefined);
  process.kill(victim.pid, "SIGKILL");
  await server.waitForLine(/^held$/);

  server.signal("SIGHUP");
  await server.waitForLine(/Reloaded: /);
  await writeFile(join(folder, "gate"), "");

  await server.waitForLine(/Listening at: .*after\.sock/);
  assert.equal((await request(join(folder, "after.sock"), "/")).status, 200);
  assert.equal((await request(server.port, "/")).status, 200);
  assert.deepEqual(await server.stop(), { status: 0, signal: null });
});

test("a router interrupts no worker once the server is ready, also one that has taken the place of another", async (t) => {
  const server = await startFixture(t, "echo", { args: ["-w", "1"] });
  const untilBatch = (): Promise<void> =>
    untilTrue(() => routersOf(server).every(({ pid }) => schedulingOf(pid) === "batch"), {
      deadlineMs: LOG_DEADLINE_MS,
      what: () => `a router with the policy "batch"`,
    });
  await untilBatch();
  const [victim] = routersOf(server);
  assert(victim !== undefined);
  process.kill(victim.pid, "SIGKILL");
  await server.waitForLine(/The router ended by SIGKILL/);
  await untilRouters(server, 1);
  await untilBatch();
  const workers = server.bootedPids;
  assert.deepEqual(
    workers.map((pid) => schedulingOf(pid)),
    workers.map(() => "other"),
  );
});

test("HUP and TERM reach all routers: every request is answered", async (t) => {
  const server = await startGatedServer(t, ["--routers", "3", "-k", "gthread", "--threads", "8"]);
  await untilRouters(server, 3);
  const held = await Promise.all(
    Array.from({ length: 6 }, async (_, index) => {
      const connection = await ClientConnection.open(t, server.port);
      connection.sendRequest(`/hold/${index}`);
      return connection;
    }),
  );
  await server.waitForLine(/called \/hold/, { count: 6 });
  server.signal("SIGHUP");
  await server.waitForLine(/Reloaded/);
  for (let count = 0; count < 30; count += 1) assert.equal((await request(server.port, "/")).status, 200);
  await server.openGate();
  for (const connection of held) assert.equal((await connection.readAnswer()).status, 200);
  assert.deepEqual(await server.stop(), { status: 0, signal: null });
});

test("what a worker has answered as it left is no other's, however late its router hears of both", async (t) => {
  const server = await startGatedServer(t, ["--routers", "2"]);
  await untilRouters(server, 2);
  const before = routersOf(server).map(({ pid }) => descriptorsOf(pid));
  const connection = await ClientConnection.open(t, server.port);
  assert.equal((await connection.request("/")).status, 200);
  const router = routersOf(server).find(({ pid }, index) => descriptorsOf(pid) > (before[index] ?? 0));
  assert(router !== undefined);
  connection.sendRequest("/hold");
  await server.waitForLine(/called \/hold$/);

  // This router reads what the arbiter says first: behind the reopening, that the worker may leave. It has left by then.
  process.kill(router.pid, "SIGSTOP");
  onTeardown(t, () => void process.kill(router.pid, "SIGCONT"));
  server.signal("SIGUSR1");
  await server.waitForLine(/Handling signal: usr1/);
  const [leaving = 0] = server.bootedPids;
  process.kill(leaving, "SIGTERM");
  await server.openGate();
  await server.waitForLine(new RegExp(`Worker exiting \\(pid: ${leaving}\\)`));
  process.kill(router.pid, "SIGCONT");
  assert.equal((await connection.readAnswer()).text, "0 bytes to /hold");
  assert.deepEqual(
    (await server.allCalledPaths()).filter((path) => path === "/hold"),
    ["/hold"],
  );
});

test("without the shared queue there is one router, and the log says so", async (t) => {
  const server = await startFixture(t, "echo", { args: ["--routers", "2", "--queue-dir", "/proc"] });
  await server.waitForLine(/Several routers need the shared queue: there is one router/);
  assert.equal(routersOf(server).length, 1);
  assert.equal((await request(server.port, "/")).status, 200);
});
