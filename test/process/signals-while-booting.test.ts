/** Signals that come while a mold or a worker boots, held at a gate there, often to the whole process group. */
import assert from "node:assert/strict";
import { chmod, rm } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { makeGate, openGate } from "../helpers/gate.ts";
import { launch, LOOPBACK, python, type ServerProcess, startServer } from "../helpers/server.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

const APPLICATION = `
def application(environ, start_response):
    start_response("200 OK", [])
    return [b""]
`;

/** A folder with an application, and a FIFO that holds its readers until it is opened. */
async function gatedFolder(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryFolder(t, { "app.py": APPLICATION, ...files });
  makeGate(folder);
  return folder;
}

function complaintsOf(server: ServerProcess): readonly string[] {
  return server.lines.filter((line) =>
    / \[(?:WARNING|ERROR|CRITICAL)\] |Traceback|Error|tunicorn:/.test(line),
  );
}

/** The second mold is held before its interpreter runs. */
const HELD_INTERPRETER = `#!/bin/sh
case "$*" in *start_mold.py*) [ ! -e reloading ] || { echo "held before Python"; read -r line < gate; } ;; esac
exec ${python} "$@"
`;

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} to the whole process group while a reload begins is a calm stop`, async (t) => {
    const folder = await gatedFolder(t, { "held-python": HELD_INTERPRETER });
    await chmod(join(folder, "held-python"), 0o700);
    const server = await startServer(t, {
      cwd: folder,
      python: join(folder, "held-python"),
      args: [...LOOPBACK, "app"],
      through: ["setsid"],
    });
    await server.waitForLine(/\[INFO\] Ready/);
    await writeFiles(folder, { reloading: "" });
    server.signal("SIGHUP");
    await server.waitForLine(/^held before Python$/);
    process.kill(-server.pid, signal);
    assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
    await server.waitForNoProcess();
    assert.deepEqual(complaintsOf(server), []);
  });
}

/** A mold is held when its own program runs, but has not imported what it is made of. */
const HELD_MOLD = `
import sys
class Gate:
    def find_spec(self, name, path=None, target=None):
        if name == "tunicorn.mold":
            sys.meta_path.remove(self)
            print("held before the mold", flush=True)
            open("gate").read()
        return None
sys.meta_path.insert(0, Gate())
`;

test("a mold that boots does not end by what the whole process group is told", async (t) => {
  const folder = await gatedFolder(t, { "sitecustomize.py": HELD_MOLD });
  const server = launch(t, {
    cwd: folder,
    args: [...LOOPBACK, "app"],
    env: { PYTHONPATH: folder },
    through: ["setsid"],
  });
  await server.waitForLine(/^held before the mold$/);
  await server.waitForLine(/Starting tunicorn/);
  process.kill(-server.pid, "SIGHUP");
  await server.waitForLine(/Handling signal: hup$/);
  await openGate(join(folder, "gate"));
  await server.waitForLine(/\[INFO\] Ready/);
  await server.waitForLine(/^held before the mold$/, { count: 2 });
  await openGate(join(folder, "gate"));
  await server.waitForLine(/\[INFO\] Reloaded/);
  assert.deepEqual(await server.stop(), { status: 0, signal: null });
  assert.deepEqual(complaintsOf(server), []);
});

/** A worker is held as soon as it is forked, where there is a file "hold". */
const HELD_WORKER = `
import os
def hold():
    if os.path.exists("hold"):
        print("held after the fork:", os.getpid(), flush=True)
        open("gate").read()
os.register_at_fork(after_in_child=hold)
def worker_int(worker):
    worker.log.info("worker_int in %s", worker.pid)
`;

test("a worker hears what it was told before it could listen", async (t) => {
  const folder = await gatedFolder(t, { "gunicorn.conf.py": HELD_WORKER });
  const server = await startServer(t, { cwd: folder, args: [...LOOPBACK, "app"] });
  await server.waitForLine(/\[INFO\] Ready/);
  await writeFiles(folder, { hold: "" });
  server.signal("SIGTTIN");
  const [, worker = ""] = await server.waitForLine(/^held after the fork: (\d+)$/);
  process.kill(Number(worker), "SIGINT");
  await rm(join(folder, "hold"));
  await openGate(join(folder, "gate"));
  await server.waitForLine(new RegExp(`worker_int in ${worker}$`));
  assert.deepEqual(await server.stop(), { status: 0, signal: null });
});

test("a worker that is killed while it boots is replaced at once, then after a pause that the log tells of", async (t) => {
  const folder = await gatedFolder(t, { "gunicorn.conf.py": HELD_WORKER, hold: "" });
  const server = launch(t, { cwd: folder, args: [...LOOPBACK, "app"] });
  const killHeld = async (count: number): Promise<void> => {
    const [, worker = ""] = await server.waitForLine(/^held after the fork: (\d+)$/, { count });
    process.kill(Number(worker), "SIGKILL");
  };
  for (const count of [1, 2]) await killHeld(count);
  await server.waitForLine(/^held after the fork/, { count: 3 });
  await rm(join(folder, "hold"));
  await openGate(join(folder, "gate"));
  await server.waitForLine(/\[INFO\] Ready/);
  assert.doesNotMatch(server.text, /WARNING/);

  await writeFiles(folder, { hold: "" });
  server.signal("SIGTTIN");
  await killHeld(4);
  await server.waitForLine(/\[WARNING\] .* the next follow in 0\.5 s\. .*kill -HUP/);
  await server.waitForLine(/^held after the fork/, { count: 5 });
  await rm(join(folder, "hold"));
  await openGate(join(folder, "gate"));
  assert.deepEqual(await server.stop(), { status: 0, signal: null });
});
