/** Signals that have no test file of their own (reload, stop, scale, upgrade), by what the process table shows. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { type Daemon, startDaemon, stopDaemon } from "../helpers/daemon.ts";
import { ANSWER_DEADLINE_MS, CLEANUP_DEADLINE_MS, LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { isAlive } from "../helpers/processes.ts";
import { fixtureApps, LOOPBACK, startFixture, startServer } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const skip = process.platform === "linux" ? false : "the process table is read on Linux";

function workersOf({ command }: Daemon): readonly number[] {
  const tree = command.processTree().filter((entry) => /\bworker\b/.test(entry.command));
  return tree.map(({ pid }) => pid);
}

async function untilLogged({ logText }: Daemon, pattern: RegExp, count = 1): Promise<RegExpExecArray> {
  const matches = (): RegExpExecArray[] => [...logText().matchAll(new RegExp(pattern, "g"))];
  await untilTrue(() => matches().length >= count, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `${pattern} (${count} times) in:\n${logText()}`,
  });
  return matches()[count - 1] as RegExpExecArray;
}

test(
  "WINCH makes a daemon's workers leave; requests wait until TTIN or HUP brings others",
  { skip },
  async (t) => {
    const daemon = await startDaemon(t, ["--daemon", "-w", "2", "--keep-alive", "60"]);
    const idle = await ClientConnection.open(t, daemon.port);
    assert.equal((await idle.request("/")).status, 200);

    process.kill(daemon.pid, "SIGWINCH");
    // A connection that was there has a last request, which a worker answers.
    await untilTrue(async () => (await idle.request("/")).headers.get("connection") === "close", {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: "the last answer on a connection",
    });
    await untilLogged(daemon, /Paused: /);
    await untilTrue(() => workersOf(daemon).length === 0, {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: "the end of all workers",
    });

    await t.test("TTIN", async () => {
      const waiting = request(daemon.port, "/");
      process.kill(daemon.pid, "SIGTTIN");
      assert.equal((await waiting).text, String(workersOf(daemon)[0]));
      assert.equal(workersOf(daemon).length, 1);
    });

    await t.test("HUP", async () => {
      process.kill(daemon.pid, "SIGWINCH");
      await untilLogged(daemon, /Paused: /, 2);
      const waiting = request(daemon.port, "/");
      process.kill(daemon.pid, "SIGHUP");
      assert.equal((await waiting).status, 200);
      await untilTrue(() => workersOf(daemon).length === 2, {
        deadlineMs: CLEANUP_DEADLINE_MS,
        what: "as many workers as the settings say",
      });
    });
    await stopDaemon(daemon);
  },
);

test("an upgrade can be tried with WINCH and taken back with HUP, as with Gunicorn", { skip }, async (t) => {
  const daemon = await startDaemon(t, ["--daemon"]);
  const [oldWorker] = workersOf(daemon);
  process.kill(daemon.pid, "SIGUSR2");
  const [, next = ""] = await untilLogged(daemon, /The new arbiter \(pid:(\d+)\) is ready/);
  const newWorker = workersOf(daemon).find((pid) => pid !== oldWorker);

  process.kill(daemon.pid, "SIGWINCH");
  await untilLogged(daemon, /Paused: /);
  for (let count = 0; count < 5; count += 1) {
    assert.equal((await request(daemon.port, "/")).text, String(newWorker));
  }

  process.kill(daemon.pid, "SIGHUP");
  await untilLogged(daemon, /Resumed/);
  process.kill(Number(next), "SIGTERM");
  await untilLogged(daemon, /The new arbiter \(pid:\d+\) ended with status 0/);
  const { text } = await request(daemon.port, "/");
  assert(![oldWorker, newWorker].includes(Number(text)), text);
  await stopDaemon(daemon);
});

test("WINCH does nothing to a server in a terminal, which sends it when its window changes", async (t) => {
  const server = await startFixture(t, "pid", { args: ["--log-level", "debug"] });
  server.signal("SIGWINCH");
  await server.waitForLine(/SIGWINCH is ignored/);
  assert.equal((await request(server.port, "/")).text, String(server.bootedPids[0]));
});

const HANGING_EXIT = `
import time
def on_exit(server):
    server.log.info("on_exit hangs")
    time.sleep(600)
`;

test("a second INT waits for nothing and nobody, and still leaves nothing behind", async (t) => {
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": HANGING_EXIT });
  const pidfile = join(cwd, "server.pid");
  const server = await startServer(t, {
    cwd,
    args: [...LOOPBACK, "-p", pidfile, "--pythonpath", fixtureApps, "pid"],
  });
  await server.waitForLine(/\[INFO\] Ready/);
  server.signal("SIGINT");
  await server.waitForLine(/on_exit hangs/);
  server.signal("SIGINT");
  assert.deepEqual(await server.waitForExit({ deadlineMs: ANSWER_DEADLINE_MS }), { status: 0, signal: null });
  await server.waitForNoProcess();
  assert.throws(() => readFileSync(pidfile), { code: "ENOENT" });
});

const ABORT_HOOK = `
def worker_abort(worker):
    worker.log.info("worker_abort in %s", worker.pid)
`;

test("signals to a worker: ABRT runs worker_abort, QUIT and TERM end it, and each time another takes its place", async (t) => {
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": ABORT_HOOK });
  const args = [...LOOPBACK, "--pythonpath", fixtureApps, "pid"];
  const server = await startServer(t, { cwd, args });
  await server.waitForLine(/\[INFO\] Ready/);
  for (const [count, signal] of (["SIGABRT", "SIGQUIT", "SIGTERM"] as const).entries()) {
    const worker = server.bootedPids.at(-1) ?? 0;
    process.kill(worker, signal);
    if (signal === "SIGABRT") await server.waitForLine(new RegExp(`worker_abort in ${worker}$`));
    await server.waitForLine(/Booting worker/, { count: count + 2 });
    await untilTrue(() => !isAlive(worker), {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: () => `the end of worker ${worker} by ${signal}`,
    });
    assert.equal((await request(server.port, "/")).text, String(server.bootedPids.at(-1)));
  }

  await t.test("while HUP, WINCH and USR1 leave it where it is", async () => {
    const worker = server.bootedPids.at(-1) ?? 0;
    for (const signal of ["SIGHUP", "SIGWINCH", "SIGUSR1"] as const) process.kill(worker, signal);
    assert.equal((await request(server.port, "/")).text, String(worker));
  });
});

const PARENT_APPLICATION = `
import os, signal

def application(environ, start_response):
    name = environ["PATH_INFO"][1:]
    if name:
        os.kill(os.getppid(), getattr(signal, name))
    start_response("200 OK", [("Content-Length", "0")])
    return []
`;

test("a signal that the application sends to its parent is acted upon, as if that were the arbiter", async (t) => {
  const cwd = await temporaryFolder(t, { "parent.py": PARENT_APPLICATION });
  const server = await startServer(t, { cwd, args: [...LOOPBACK, "parent"] });
  await server.waitForLine(/\[INFO\] Ready/);
  await request(server.port, "/SIGHUP");
  await server.waitForLine(/Handling signal: hup/);
  await server.waitForLine(/\[INFO\] Reloaded/);
  await request(server.port, "/SIGTTIN");
  await server.waitForLine(/\[INFO\] 2 workers wanted/);
  await request(server.port, "/SIGTERM");
  await server.waitForLine(/Handling signal: term/);
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
});

for (const [workerClass, args] of [
  ["gthread", ["--threads", "2"]],
  ["gevent", []],
] as const) {
  test(`${workerClass}: a worker that is told to leave at once cuts its request off, and has not died`, async (t) => {
    const server = await startFixture(t, "slow", { args: ["-k", workerClass, ...args] });
    const connection = await ClientConnection.open(t, server.port);
    connection.sendRequest("/?s=600&name=cut");
    await server.waitForLine(/slow began cut$/);
    const [worker = 0] = server.bootedPids;
    process.kill(worker, "SIGINT");
    assert.equal((await connection.readAnswer()).status, 502);
    await server.waitForLine(
      new RegExp(`\\[WARNING\\] Worker \\(pid:${worker}\\) left at once: it cut off GET /\\?s=600`),
    );
    await server.waitForLine(/Booting worker/, { count: 2 });
    assert.doesNotMatch(server.text, /\[ERROR\]|died/);
  });
}
