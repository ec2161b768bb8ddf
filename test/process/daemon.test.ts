import assert from "node:assert/strict";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { request } from "../helpers/client.ts";
import { startDaemon, stopDaemon } from "../helpers/daemon.ts";
import { BIND_DEADLINE_MS, CLEANUP_DEADLINE_MS, untilTrue, withDeadline } from "../helpers/deadlines.ts";
import { isAlive, readProcess } from "../helpers/processes.ts";
import { fixtureApps, launch, LOOPBACK, runCommand } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const skip = process.platform === "linux" ? false : "the process table is read on Linux";

/** Session and controlling terminal of a process (proc_pid_stat(5)). */
function sessionOf(pid: number): { readonly session: number; readonly terminal: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { session: Number(fields[3]), terminal: Number(fields[4]) };
}

test("--daemon returns when the server answers, and leaves it behind on its own", { skip }, async (t) => {
  const daemon = await startDaemon(t, ["--daemon"]);
  const { command, pid } = daemon;
  const answer = await request(daemon.port, "/");
  assert.equal(answer.status, 200);
  const all = [
    pid,
    ...command
      .processTree()
      .map((entry) => entry.pid)
      .filter((each) => each !== pid),
  ];

  await t.test("master, mold, router and worker live on, and the command is none of them", () => {
    assert.equal(all.length, 4);
    assert.notEqual(pid, command.pid);
    assert.notEqual(readProcess(pid)?.parentPid, command.pid);
    assert(all.includes(Number(answer.text)));
  });

  await t.test("in sessions of their own, without a terminal", () => {
    const sessions = all.map(sessionOf);
    assert.deepEqual(new Set(sessions.map(({ terminal }) => terminal)), new Set([0]));
    assert(sessions.every(({ session }) => all.includes(session)));
  });

  await t.test("with umask 022", () => {
    for (const each of all) assert.match(readFileSync(`/proc/${each}/status`, "latin1"), /^Umask:\t0022$/m);
  });

  await t.test("with standard streams that lead nowhere, so that nobody waits for their end", async () => {
    await withDeadline(command.outputClosed, { deadlineMs: CLEANUP_DEADLINE_MS, what: "end of the output" });
    for (const each of all) {
      const streams = [0, 1, 2].map((fd) => readlinkSync(`/proc/${each}/fd/${fd}`));
      assert.deepEqual(streams, ["/dev/null", "/dev/null", "/dev/null"]);
    }
  });

  await t.test("until a signal to the pid of the pidfile ends them", async () => {
    await stopDaemon(daemon);
    assert(!existsSync(join(daemon.folder, "server.pid")));
  });
});

test(
  "daemon = True in the configuration file is the same; -R keeps the output of the command",
  { skip },
  async (t) => {
    const daemon = await startDaemon(t, ["-R"], "daemon = True\ndef on_exit(server): print('goodbye')\n");
    assert.equal((await request(daemon.port, "/")).status, 200);
    await stopDaemon(daemon);
    await daemon.command.waitForLine(/^goodbye$/);
  },
);

test(
  "the configuration file of a daemon is run once, by the process that forks the workers, and again for a reload",
  { skip },
  async (t) => {
    const settings = [
      "import os",
      "with open('runs', 'a') as runs: print(os.getpid(), file=runs)",
      "daemon = True",
      "made = [os.getpid()]",
      "def post_fork(server, worker): worker.log.info('forked by %s, made by %s', os.getppid(), *made)",
    ];
    const daemon = await startDaemon(t, [], settings.join("\n"));
    const runs = (): readonly string[] =>
      readFileSync(join(daemon.folder, "runs"), "utf8").trimEnd().split("\n");
    const [first] = runs();
    assert.equal(runs().length, 1);
    assert.match(daemon.logText(), new RegExp(`forked by ${first}, made by ${first}$`, "m"));
    process.kill(daemon.pid, "SIGHUP");
    await untilTrue(() => /\[INFO\] Reloaded/.test(daemon.logText()), {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: daemon.logText,
    });
    assert.equal(runs().length, 2);
    await untilTrue(() => !isAlive(Number(first)), {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: "the end of the first mold",
    });
    assert.equal((await request(daemon.port, "/")).status, 200);
    await stopDaemon(daemon);
  },
);

test("a daemon whose first mold is killed goes on with another one", { skip }, async (t) => {
  const daemon = await startDaemon(t, ["-D"], "import os\nopen('mold', 'w').write(str(os.getpid()))\n");
  process.kill(Number(readFileSync(join(daemon.folder, "mold"), "utf8")), "SIGKILL");
  await untilTrue(() => /\[INFO\] Reloaded/.test(daemon.logText()), {
    deadlineMs: CLEANUP_DEADLINE_MS,
    what: daemon.logText,
  });
  assert.equal((await request(daemon.port, "/")).status, 200);
  await stopDaemon(daemon);
});

test(
  "a daemon that cannot start says why through its command, with the status of the reason",
  { skip },
  async (t) => {
    const server = createServer().listen(0, "127.0.0.1");
    t.after(() => server.close());
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    for (const { args, status, says } of [
      {
        args: ["boot_raises"],
        status: 3,
        says: /^tunicorn: .*boot_raises[^]*RuntimeError: no database at import/,
      },
      { args: ["no_app"], status: 4, says: /^tunicorn: .*no_app/ },
      { args: ["-b", `127.0.0.1:${port}`, "pid"], status: 1, says: /^tunicorn: Cannot listen at .*in use/ },
      { args: ["--timeout", "soon", "pid"], status: 2, says: /^tunicorn: Invalid value for timeout/ },
    ]) {
      const cwd = await temporaryFolder(t);
      const where = args[0] === "-b" ? [] : LOOPBACK;
      const end = await runCommand(t, {
        cwd,
        args: [...where, "-D", "--pythonpath", fixtureApps, ...args],
        deadlineMs: BIND_DEADLINE_MS,
      });
      assert.equal(end.status, status, end.text);
      assert.match(end.stderr, says);
    }
  },
);

test("a signal to the command that waits is passed on to the daemon", { skip }, async (t) => {
  const folder = await temporaryFolder(t, {
    "gunicorn.conf.py":
      "import time\ndef on_starting(server):\n    open('starting', 'w').close()\n    time.sleep(600)\n",
  });
  const args = [...LOOPBACK, "-D", "--pid", "server.pid", "--pythonpath", fixtureApps, "pid"];
  const command = launch(t, { cwd: folder, args });
  await untilTrue(() => existsSync(join(folder, "starting")), {
    deadlineMs: CLEANUP_DEADLINE_MS,
    what: () => `the start of the daemon\n${command.text}`,
  });
  const pid = Number(readFileSync(join(folder, "server.pid"), "utf8"));
  command.signal("SIGTERM");
  assert.deepEqual(await command.waitForExit(), { status: 1, signal: null });
  await command.waitForLine(/The daemon ended with status 0 before it served/);
  await command.waitForNoProcess();
  assert(!isAlive(pid));
});
