/**
 * systemd's protocols, spoken by the tests themselves: a real notify socket, which checks the sender as systemd does,
 * and passed descriptors (sockets.test.ts). A systemd that runs is in systemd-booted.test.ts.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { request } from "../helpers/client.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { openNotifySocket } from "../helpers/notify-socket.ts";
import {
  fixtureApps,
  LOOPBACK,
  python,
  repositoryRoot,
  runCommand,
  startFixture,
  startServer,
} from "../helpers/server.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";
import { upgrade } from "../helpers/upgrade.ts";

/** Its import waits at the FIFO $GATE; each worker opens it for itself. */
const SLOW_TO_IMPORT = `
import os
with open(os.environ["GATE"]) as gate:
    gate.read()
from pid import application
`;

test("systemd is told the state of the server by its main process: READY=1 not before the workers are", async (t) => {
  const notify = await openNotifySocket(t);
  const cwd = await temporaryFolder(t, { "slow_import.py": SLOW_TO_IMPORT });
  const gate = join(cwd, "gate");
  assert.equal(spawnSync("mkfifo", [gate]).status, 0);
  const env = { NOTIFY_SOCKET: notify.address, GATE: gate, PYTHONPATH: fixtureApps };
  const server = await startServer(t, { cwd, env, args: [...LOOPBACK, "slow_import"] });
  assert.deepEqual(notify.matching(/^READY=1$/), []);
  await writeFiles(cwd, { gate: "" });
  const ready = await notify.waitFor(/^READY=1$/);
  assert.equal(ready.pid, server.pid);
  assert(ready.lines.includes("STATUS=1 worker for slow_import"), ready.lines.join());
  assert.equal((await request(server.port, "/")).status, 200);

  await t.test("a reload: RELOADING=1 with the monotonic time, then READY=1", async () => {
    const from = notify.all.length;
    const beginUsec = process.hrtime.bigint() / 1000n;
    server.signal("SIGHUP");
    const reloading = await notify.waitFor(/^RELOADING=1$/, from);
    const [, usec = ""] = /^MONOTONIC_USEC=(\d+)$/m.exec(reloading.lines.join("\n")) ?? [];
    assert(BigInt(usec) >= beginUsec && BigInt(usec) <= process.hrtime.bigint() / 1000n, usec);
    assert.deepEqual(notify.matching(/^READY=1$/, from), []);
    await writeFiles(cwd, { gate: "" });
    await notify.waitFor(/^READY=1$/, from);
  });

  await t.test("a reload that fails ends in READY=1 too, and the status says it", async () => {
    await writeFiles(cwd, { "slow_import.py": "not python at all\n" });
    const from = notify.all.length;
    server.signal("SIGHUP");
    const ready = await notify.waitFor(/^READY=1$/, from);
    assert.match(ready.lines.join("\n"), /^STATUS=The reload failed/m);
    assert.equal((await request(server.port, "/")).status, 200);
  });

  await t.test("the number of workers is in the status", async () => {
    await writeFiles(cwd, { "slow_import.py": "from pid import application\n" });
    server.signal("SIGTTIN");
    await notify.waitFor(/^STATUS=2 workers/);
  });

  await t.test("STOPPING=1 at the end, and everything by the main process", async () => {
    await server.stop();
    await notify.waitFor(/^STOPPING=1$/);
    const senders = notify.all.slice(1).map(({ pid }) => pid);
    assert.deepEqual([...new Set(senders)], [server.pid]);
  });
});

test("an abstract NOTIFY_SOCKET works, and a start that fails says why", async (t) => {
  const notify = await openNotifySocket(t, `@tunicorn-test-${process.pid}`);
  const env = { NOTIFY_SOCKET: notify.address };
  const end = await runCommand(t, { cwd: fixtureApps, env, args: [...LOOPBACK, "no_such_module"] });
  assert.equal(end.status, 3, end.text);
  await notify.waitFor(/^STATUS=Cannot start: .*no_such_module/);
  assert.deepEqual(notify.matching(/^READY=1$/), []);
});

test("a NOTIFY_SOCKET on which nobody listens is told once, and the server serves", async (t) => {
  const address = join(await temporaryFolder(t), "nobody");
  const server = await startFixture(t, "pid", { env: { NOTIFY_SOCKET: address } });
  await server.waitForLine(/Cannot tell the service manager/);
  assert.equal((await request(server.port, "/")).status, 200);
  await server.stop();
  assert.equal(server.lines.filter((line) => line.includes("service manager")).length, 1);
  assert(!existsSync(address));
});

test("WATCHDOG=1 is sent while arbiter and router are well, and not while the router hangs", async (t) => {
  const notify = await openNotifySocket(t);
  const env = { NOTIFY_SOCKET: notify.address, WATCHDOG_USEC: "200000" };
  const server = await startFixture(t, "pid", { env });
  await untilTrue(() => notify.matching(/^WATCHDOG=1$/).length >= 3, {
    deadlineMs: LOG_DEADLINE_MS,
    what: "three signs of life",
  });
  const router = server.processTree().find(({ command }) => /\brouter\b/.test(command));
  assert(router !== undefined);

  process.kill(router.pid, "SIGSTOP");
  const QUIET_MS = 1_000;
  await untilTrue(() => performance.now() - (notify.matching(/^WATCHDOG=1$/).at(-1)?.at ?? 0) > QUIET_MS, {
    deadlineMs: LOG_DEADLINE_MS,
    what: "the end of the signs of life",
  });

  process.kill(router.pid, "SIGCONT");
  await notify.waitFor(/^WATCHDOG=1$/, notify.all.length);
});

test("WATCHDOG_USEC that is meant for another process is none of ours", async (t) => {
  const notify = await openNotifySocket(t);
  const env = { NOTIFY_SOCKET: notify.address, WATCHDOG_USEC: "20000", WATCHDOG_PID: "1" };
  const server = await startFixture(t, "pid", { env });
  await notify.waitFor(/^READY=1$/);
  await server.stop();
  assert.deepEqual(notify.matching(/^WATCHDOG=1$/), []);
});

test("an upgrade hands the service over by MAINPID= when the old arbiter leaves, and nobody else speaks before", async (t) => {
  const notify = await openNotifySocket(t);
  const path = join(await temporaryFolder(t), "a.sock");
  const server = await startServer(t, {
    cwd: fixtureApps,
    env: { NOTIFY_SOCKET: notify.address, WATCHDOG_USEC: "400000" },
    through: [python, join(repositoryRoot, "test/fixtures/activate.py"), `a=${path}`, "--"],
    args: ["pid"],
  });
  await notify.waitFor(/^READY=1$/);
  const next = await upgrade(t, server);
  server.signal("SIGTERM");
  await server.waitForExit();
  const handover = await notify.waitFor(new RegExp(`^MAINPID=${next.pid}$`));
  const before = notify.all.slice(1, notify.all.indexOf(handover) + 1);
  assert.deepEqual([...new Set(before.map(({ pid }) => pid))], [server.pid]);
  assert.deepEqual(notify.matching(/^STOPPING=1$/), []);

  await t.test("from then on the new one speaks, and has the sockets that systemd passed", async () => {
    const ready = await notify.waitFor(/^READY=1$/, notify.all.indexOf(handover) + 1);
    assert.equal(ready.pid, next.pid);
    const between = notify.all.slice(notify.all.indexOf(handover) + 1, notify.all.indexOf(ready));
    const [away, back, barrier] = between;
    // systemd asks only then whether the new one is its child; while the old one lived, it was not.
    assert.deepEqual(
      [away?.pid, ...(away?.lines ?? []), back?.pid, ...(back?.lines ?? []), ...(barrier?.lines ?? [])],
      [next.pid, `MAINPID=${back?.pid}`, back?.pid, `MAINPID=${next.pid}`, "BARRIER=1"],
      JSON.stringify(between),
    );
    const alive = await notify.waitFor(/^WATCHDOG=1$/, notify.all.indexOf(ready));
    assert.equal(alive.pid, next.pid);
    assert.equal((await request(path, "/")).status, 200);
    next.signal("SIGTERM");
    assert.equal((await notify.waitFor(/^STOPPING=1$/)).pid, next.pid);
    await next.waitForExit();
    assert(existsSync(path), "the socket's file is systemd's");
  });
});
