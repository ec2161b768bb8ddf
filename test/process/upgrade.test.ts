import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { isAlive } from "../helpers/processes.ts";
import {
  fixtureApps,
  LOOPBACK,
  python,
  repositoryRoot,
  type Server,
  startServer,
} from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";
import { upgrade } from "../helpers/upgrade.ts";

interface Upgradable {
  readonly folder: string;
  readonly socket: string;
  readonly pidfile: string;
  readonly server: Server;
}

const SETTINGS = `
def pre_exec(server):
    server.log.info("pre_exec of %s", server.pid)
`;

/** A server with a port, a unix socket and a pidfile, whose settings are in a file of the test. */
async function startUpgradable(t: TestContext, application = "slow"): Promise<Upgradable> {
  const folder = await temporaryFolder(t, { "conf.py": SETTINGS });
  const [socket, pidfile] = [join(folder, "app.sock"), join(folder, "app.pid")];
  const args = ["-c", join(folder, "conf.py"), ...LOOPBACK, "-b", `unix:${socket}`, "-p", pidfile];
  const server = await startServer(t, {
    cwd: fixtureApps,
    args: [...args, "--keep-alive", "60", application],
  });
  await server.waitForLine(/\[INFO\] Ready/);
  return { folder, socket, pidfile, server };
}

function pidIn(file: string): number {
  return Number(readFileSync(file, "utf8"));
}

function titleOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
}

async function answeringPid(address: number | string): Promise<number> {
  const { status, text } = await request(address, "/?s=0");
  assert.equal(status, 200, text);
  return Number(text);
}

test("USR2 starts an arbiter on the same sockets, and TERM to the old one leaves them to it", async (t) => {
  const { socket, pidfile, server } = await startUpgradable(t);
  const oldWorkers = new Set(server.bootedPids);
  const kept = await ClientConnection.open(t, server.port);
  assert.equal((await kept.request("/?s=0")).status, 200);

  const next = await upgrade(t, server);
  assert.match(server.text, new RegExp(`pre_exec of ${server.pid}`));
  assert.deepEqual([pidIn(pidfile), pidIn(`${pidfile}.2`)], [server.pid, next.pid]);
  assert.match(titleOf(next.pid), /master \[slow\.2\]/);

  await t.test("a second USR2 meanwhile is ignored by either", async () => {
    const from = server.lines.length;
    server.signal("SIGUSR2");
    next.signal("SIGUSR2");
    await server.waitForLine(/USR2 is ignored/, { from, count: 2 });
  });

  await t.test(
    "a request under way and one more on its connection are answered by the old workers",
    async () => {
      const from = server.lines.length;
      const answer = kept.request("/?s=1");
      await server.waitForLine(/slow began/, { from });
      server.signal("SIGTERM");
      const first = await answer;
      assert(oldWorkers.has(Number(first.text)), first.text);
    },
  );

  await t.test("the new one takes the pidfile and the name, and serves all addresses", async () => {
    assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
    await server.waitForLine(/this one has its place/);
    await untilTrue(() => !existsSync(`${pidfile}.2`), {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: "renaming of the pidfile",
    });
    assert.equal(pidIn(pidfile), next.pid);
    await untilTrue(() => titleOf(next.pid).includes("master [slow]"), {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: "the plain title",
    });
    for (const address of [server.port, socket]) {
      assert(!oldWorkers.has(await answeringPid(address)));
    }
  });

  await t.test("it can be upgraded in turn, and removes everything in the end", async () => {
    const third = await upgrade(t, server, { pid: next.pid });
    next.signal("SIGQUIT");
    await next.waitForExit();
    await server.waitForLine(/this one has its place/, { count: 2 });
    assert.equal(await answeringPid(socket), server.bootedPids.at(-1));
    third.signal("SIGTERM");
    await third.waitForExit();
    await server.waitForNoProcess();
    assert.deepEqual([existsSync(socket), existsSync(pidfile)], [false, false]);
  });
});

test("TERM to the new arbiter takes the upgrade back, and another can follow", async (t) => {
  const { socket, pidfile, server } = await startUpgradable(t);
  const first = await upgrade(t, server);
  first.signal("SIGTERM");
  await server.waitForLine(/The new arbiter \(pid:\d+\) ended with status 0/);
  assert.deepEqual([pidIn(pidfile), existsSync(`${pidfile}.2`)], [server.pid, false]);
  for (const address of [server.port, socket]) {
    assert.equal(await answeringPid(address), server.bootedPids[0]);
  }

  const second = await upgrade(t, server);
  assert.notEqual(second.pid, first.pid);
  second.signal("SIGTERM");
  await second.waitForExit();
  await server.stop();
  assert.deepEqual([existsSync(socket), existsSync(pidfile)], [false, false]);
});

test("an upgrade to code that cannot be imported leaves the old arbiter serving, and says why", async (t) => {
  const { folder, server } = await startUpgradable(t);
  await writeFiles(folder, {
    "conf.py": `${SETTINGS}\nwsgi_app = 'x'\nraise ValueError("no upgrade today")\n`,
  });
  await upgrade(t, server, { isReady: false });
  await server.waitForLine(/no upgrade today/);
  await server.waitForLine(/The new arbiter \(pid:\d+\) ended with status 1/);
  assert.equal(await answeringPid(server.port), server.bootedPids[0]);
});

test("a new arbiter takes no client before its workers are ready, so one whose application fails costs none", async (t) => {
  const { folder, server } = await startUpgradable(t);
  const gate = join(folder, "gate");
  assert.equal(spawnSync("mkfifo", [gate]).status, 0);
  await writeFiles(folder, {
    "conf.py": `${SETTINGS}\npythonpath = ${JSON.stringify(folder)}\nraw_env = ["GATE=${gate}"]\n`,
    "slow.py": "import fails_at_the_gate\n",
  });
  await upgrade(t, server, { isReady: false });
  await server.waitForLine(/held at the import/);
  const pids = await Promise.all(Array.from({ length: 20 }, () => answeringPid(server.port)));
  assert.deepEqual([...new Set(pids)], [server.bootedPids[0]]);
  await writeFile(gate, "");
  await server.waitForLine(/The new arbiter \(pid:\d+\) ended with status 3/);
  assert.equal(await answeringPid(server.port), server.bootedPids[0]);
});

test("a pre_exec that raises gives the upgrade up", async (t) => {
  const { folder, server } = await startUpgradable(t);
  await writeFiles(folder, { "conf.py": 'def pre_exec(server):\n    raise ValueError("not now")\n' });
  server.signal("SIGHUP");
  await server.waitForLine(/\[INFO\] Reloaded/);
  server.signal("SIGUSR2");
  await server.waitForLine(/The upgrade is given up: .*pre_exec/);
  assert.match(server.text, /not now/);
  assert.doesNotMatch(server.text, /Started a new arbiter/);
});

test("the new arbiter reads the settings anew: an address may be added, another given up", async (t) => {
  const folder = await temporaryFolder(t);
  const [one, two] = [join(folder, "one.sock"), join(folder, "two.sock")];
  const settings = (...binds: readonly string[]): string => `bind = ${JSON.stringify(binds)}\n`;
  await writeFiles(folder, { "conf.py": settings("127.0.0.1:0", `unix:${one}`) });
  const server = await startServer(t, { cwd: fixtureApps, args: ["-c", join(folder, "conf.py"), "slow"] });
  await writeFiles(folder, { "conf.py": settings("127.0.0.1:0", `unix:${two}`) });
  const next = await upgrade(t, server);
  assert.equal(await answeringPid(one), server.bootedPids[0]);

  server.signal("SIGTERM");
  await server.waitForExit();
  await server.waitForLine(/this one has its place/);
  for (const address of [server.port, two]) {
    assert.equal(await answeringPid(address), server.bootedPids[1]);
  }
  await untilTrue(() => !existsSync(one), { deadlineMs: CLEANUP_DEADLINE_MS, what: "removal of one.sock" });
  next.signal("SIGTERM");
  await next.waitForExit();
  assert.ok(!existsSync(two));
});

test("SIGKILL of the old arbiter leaves sockets and place to the new one", async (t) => {
  const { socket, pidfile, server } = await startUpgradable(t);
  const next = await upgrade(t, server);
  server.signal("SIGKILL");
  await server.waitForLine(/this one has its place/);
  const left = server.bootedPids.slice(0, 1);
  await untilTrue(() => left.every((pid) => !isAlive(pid)), {
    deadlineMs: CLEANUP_DEADLINE_MS,
    what: "end of the old workers",
  });
  assert.equal(await answeringPid(socket), server.bootedPids[1]);
  assert.equal(pidIn(pidfile), next.pid);
  next.signal("SIGTERM");
  await next.waitForExit();
  await server.waitForNoProcess();
  assert.deepEqual([existsSync(socket), existsSync(pidfile)], [false, false]);
});

test("TERM to both at once ends both and leaves nothing", async (t) => {
  const { socket, pidfile, server } = await startUpgradable(t);
  const next = await upgrade(t, server);
  server.signal("SIGTERM");
  next.signal("SIGTERM");
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.waitForNoProcess();
  assert.deepEqual(
    [socket, pidfile, `${pidfile}.2`].map((path) => existsSync(path)),
    [false, false, false],
  );
});

/** One of the two routers does nothing from before the workers boot until somebody lets it go on. */
const STOPS_A_ROUTER = `
import os, pathlib, signal
routers = 2

def when_ready(server):
    for children in pathlib.Path(f"/proc/{server.pid}/task").glob("*/children"):
        for pid in children.read_text().split():
            if b"tunicorn: router" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(int(pid), signal.SIGSTOP)
                server.log.info("stopped router %s", pid)
                return
`;

test("TERM to a new arbiter that begins to take clients ends it, and it is not said to be ready any more", async (t) => {
  const { folder, server } = await startUpgradable(t);
  await writeFiles(folder, { "conf.py": STOPS_A_ROUTER });
  const next = await upgrade(t, server, { isReady: false });
  const [, stopped = ""] = await server.waitForLine(/stopped router (\d+)/);
  // Its other router has clients by now: it waits for this one.
  await untilTrue(async () => (await answeringPid(server.port)) !== server.bootedPids[0], {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "an answer of the new workers",
  });
  next.signal("SIGTERM");
  await server.waitForLine(/Handling signal: term/);
  process.kill(Number(stopped), "SIGCONT");
  await next.waitForExit();
  assert.doesNotMatch(server.text, /is ready: TERM to this one/);
  assert.equal(await answeringPid(server.port), server.bootedPids[0]);
});

/** Gunicorn starts what START_CTX says; before that it calls the hook. */
const LEADS_TO_TUNICORN = `
import os
pidfile = "app.pid"
control_socket_disable = True

def pre_exec(server):
    server.START_CTX[0] = os.environ["NODE"]
    server.START_CTX["args"] = [os.environ["NODE"], os.environ["TUNICORN"], "--python", os.environ["PYTHON"],
                                "-c", "conf.py", "pid"]
`;

test("a Gunicorn that runs is replaced by USR2 and TERM, with its sockets and its pidfile", async (t) => {
  const folder = await temporaryFolder(t);
  const socket = join(folder, "app.sock");
  await writeFiles(folder, { "conf.py": `${LEADS_TO_TUNICORN}\nbind = "unix:${socket}"\n` });
  const server = await startServer(t, {
    cwd: folder,
    env: {
      NODE: process.execPath,
      TUNICORN: join(repositoryRoot, "bin/tunicorn.js"),
      PYTHON: python,
      PYTHONPATH: fixtureApps,
    },
    // What stands behind it is left out: the command of Gunicorn alone is run.
    through: ["sh", "-c", `exec ${join(repositoryRoot, ".venv/bin/gunicorn")} -c conf.py pid`, "sh"],
    args: [],
  });
  assert.match(server.text, /Starting gunicorn/);
  const pidfile = join(folder, "app.pid");
  const oldPid = await answeringPid(socket);
  server.signal("SIGUSR2");
  await server.waitForLine(/Taking over 1 socket from the arbiter before/);
  await server.waitForLine(/\[INFO\] Ready/);
  const next = pidIn(`${pidfile}.2`);
  onTeardown(t, () => {
    if (isAlive(next)) process.kill(next, "SIGQUIT");
  });
  server.signal("SIGTERM");
  await server.waitForExit();
  await server.waitForLine(/this one has its place/);
  assert.notEqual(await answeringPid(socket), oldPid);
  assert.equal(pidIn(pidfile), next);
  process.kill(next, "SIGTERM");
  await server.waitForNoProcess();
  assert.deepEqual([existsSync(socket), existsSync(pidfile)], [false, false]);
});
