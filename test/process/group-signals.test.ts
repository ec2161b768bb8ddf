import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { ClientConnection } from "../helpers/client.ts";
import { type Server, startFixture } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const CLASSES = [
  ["sync", "slow", []],
  ["gthread", "slow", ["--threads", "2"]],
  ["gevent", "slow", []],
  ["eventlet", "slow", []],
  ["tornado", "slow", []],
  ["asgi", "slow_asgi:app", []],
] as const;

const WORKERS = 2;
const CUT_OFF = /\[WARNING\] .*(?:cancelling|[cC]utting off) GET \/\?s=600/;
const KILLED = /was killed: it did not end in time/;

const HOOK = `
def worker_int(worker):
    worker.log.info("worker_int in %s", worker.pid)
`;

/** A server in a process group of its own, as a shell starts one in a terminal. */
async function startGroup(
  t: TestContext,
  [workerClass, application, args]: (typeof CLASSES)[number],
): Promise<Server> {
  const folder = await temporaryFolder(t, { "gunicorn.conf.py": HOOK });
  const server = await startFixture(t, application, {
    args: ["-c", join(folder, "gunicorn.conf.py"), "-k", workerClass, "-w", String(WORKERS), ...args],
    workers: WORKERS,
    through: ["setsid"],
  });
  await server.waitForLine(/\[INFO\] Ready/);
  return server;
}

async function begin(t: TestContext, server: Server, seconds: number): Promise<ClientConnection> {
  const connection = await ClientConnection.open(t, server.port);
  const name = `for-${seconds}`;
  connection.sendRequest(`/?s=${seconds}&name=${name}`, { headers: { Connection: "close" } });
  await server.waitForLine(new RegExp(`slow began ${name}$`));
  return connection;
}

function complaintsOf(server: Server): readonly string[] {
  return server.lines.filter((line) =>
    / \[(?:WARNING|ERROR|CRITICAL)\] |Traceback|Error|tunicorn:/.test(line),
  );
}

for (const row of CLASSES) {
  const [workerClass] = row;
  test(`${workerClass}: TERM to the whole process group is a graceful stop, and forks no worker`, async (t) => {
    const server = await startGroup(t, row);
    const request = await begin(t, server, 1);
    process.kill(-server.pid, "SIGTERM");
    assert.equal((await request.readAnswer()).status, 200);
    assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
    await server.waitForNoProcess();
    assert.equal(server.bootedPids.length, WORKERS);
    assert.deepEqual(complaintsOf(server), []);
  });

  test(`${workerClass}: Ctrl-C in a terminal ends it at once, and names only what it cut off`, async (t) => {
    const server = await startGroup(t, row);
    await begin(t, server, 600);
    process.kill(-server.pid, "SIGINT");
    assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
    await server.waitForNoProcess();
    assert.equal(server.bootedPids.length, WORKERS);
    const complaints = complaintsOf(server);
    assert(
      complaints.some((line) => CUT_OFF.test(line)),
      server.text,
    );
    // Each hears of it from the terminal and from the arbiter.
    const told = server.lines.flatMap((line) => /worker_int in (\d+)$/.exec(line)?.[1] ?? []);
    assert.equal(new Set(told).size, told.length, server.text);
    // A WSGI application that blocks Tornado's loop cannot be told anything.
    const isExpected = (line: string): boolean =>
      CUT_OFF.test(line) || (workerClass === "tornado" && KILLED.test(line));
    assert.deepEqual(
      complaints.filter((line) => !isExpected(line)),
      [],
    );
  });
}

test("HUP to the whole process group is one reload", async (t) => {
  const server = await startGroup(t, CLASSES[0]);
  process.kill(-server.pid, "SIGHUP");
  await server.waitForLine(/\[INFO\] Reloaded/);
  process.kill(-server.pid, "SIGTERM");
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  assert.equal(server.lines.filter((line) => /Handling signal: hup/.test(line)).length, 1);
});
