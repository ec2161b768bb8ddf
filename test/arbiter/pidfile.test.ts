import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { Pidfile } from "../../src/arbiter/pidfile.ts";
import { EXIT_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { python } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** The path of a pidfile in a folder of its own; `text` is written into it. */
async function pidfilePath(t: TestContext, text?: string): Promise<string> {
  const folder = await temporaryFolder(t, text === undefined ? {} : { "app.pid": text });
  return join(folder, "app.pid");
}

function livingPid(t: TestContext): number {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  onTeardown(t, () => void child.kill("SIGKILL"));
  return child.pid ?? assert.fail("no process");
}

/** The pid of a process that has ended and was reaped. */
function deadPid(): number {
  return spawnSync(process.execPath, ["-e", ""]).pid;
}

const ownText = `${process.pid}\n`;

test("Pidfile.write() writes our pid on a line of its own, for everybody to read whatever our umask is", async (t) => {
  const path = await pidfilePath(t);
  const before = process.umask(0o077);
  onTeardown(t, () => void process.umask(before));
  new Pidfile(path).write();
  assert.equal(readFileSync(path, "utf8"), ownText);
  assert.equal(statSync(path).mode & 0o777, 0o644);
});

test("Pidfile.write() is content with what a process of our pid has left that was killed as it wrote", async (t) => {
  const path = await pidfilePath(t);
  writeFileSync(`${path}.${process.pid}`, "");
  new Pidfile(path).write();
  assert.equal(readFileSync(path, "utf8"), ownText);
  assert.deepEqual(readdirSync(join(path, "..")), ["app.pid"]);
});

test("Pidfile.write() leaves no other file behind", async (t) => {
  const path = await pidfilePath(t);
  new Pidfile(path).write();
  assert.deepEqual(readdirSync(join(path, "..")), ["app.pid"]);
});

test("Pidfile.write() refuses to take the place of a process that lives, and names it", async (t) => {
  const pid = livingPid(t);
  const path = await pidfilePath(t, `${pid}\n`);
  assert.throws(() => new Pidfile(path).write(), {
    code: "ERR_PIDFILE",
    message: new RegExp(`${path}.*${pid}`),
    hint: /--pid/,
  });
  assert.equal(readFileSync(path, "utf8"), `${pid}\n`);
});

for (const { what, text } of [
  { what: "of a process that is gone", text: `${deadPid()}\n` },
  { what: "that names ourselves already", text: ownText },
  { what: "that is empty", text: "" },
  { what: "without a number", text: "nobody\n" },
  { what: "with a pid that cannot be", text: "-1\n" },
  { what: "with 0, which would mean our own process group", text: "0\n" },
  { what: "with a number beyond all pids", text: "99999999999999999999\n" },
]) {
  test(`Pidfile.write() takes over a pidfile ${what}`, async (t) => {
    const path = await pidfilePath(t, text);
    new Pidfile(path).write();
    assert.equal(readFileSync(path, "utf8"), ownText);
  });
}

test("Pidfile.write() takes over the pidfile of a process whose parent has not waited for it yet", async (t) => {
  const path = await pidfilePath(t, "");
  const program = `import os, sys, time
pid = os.fork()
if pid == 0:
    os._exit(0)
open(sys.argv[1], "w").write(str(pid))
time.sleep(600)`;
  const parent = spawn(python, ["-c", program, path], { stdio: "ignore" });
  onTeardown(t, () => void parent.kill("SIGKILL"));
  const state = (): string => {
    const pid = readFileSync(path, "utf8").trim();
    return pid === "" ? "" : readFileSync(`/proc/${pid}/status`, "utf8");
  };
  await untilTrue(() => /^State:\tZ/m.test(state()), {
    deadlineMs: EXIT_DEADLINE_MS,
    what: "the end of a child",
  });
  new Pidfile(path).write();
  assert.equal(readFileSync(path, "utf8"), ownText);
});

test("Pidfile.write() replaces a symbolic link instead of writing to where it leads", async (t) => {
  const folder = await temporaryFolder(t, { target: "precious" });
  const path = join(folder, "app.pid");
  symlinkSync(join(folder, "target"), path);
  new Pidfile(path).write();
  assert.equal(readFileSync(join(folder, "target"), "utf8"), "precious");
  assert.equal(readFileSync(path, "utf8"), ownText);
});

for (const { what, name } of [
  { what: "a folder that does not exist", name: "missing/app.pid" },
  { what: "a file in place of the folder", name: "file/app.pid" },
  { what: "a folder in place of the file", name: "folder" },
]) {
  test(`Pidfile.write() says which file it cannot write: ${what}`, async (t) => {
    const folder = await temporaryFolder(t, { file: "", "folder/x": "" });
    const path = join(folder, name);
    assert.throws(() => new Pidfile(path).write(), { code: "ERR_PIDFILE", message: new RegExp(path) });
    assert.deepEqual(readdirSync(folder).toSorted(), ["file", "folder"]);
  });
}

test("Pidfile.remove() removes the file, and may be called twice", async (t) => {
  const path = await pidfilePath(t);
  const pidfile = new Pidfile(path);
  pidfile.write();
  pidfile.remove();
  pidfile.remove();
  assert.ok(!existsSync(path));
});

test("Pidfile.remove() leaves a file alone that names another process by now", async (t) => {
  const path = await pidfilePath(t);
  const pidfile = new Pidfile(path);
  pidfile.write();
  writeFileSync(path, "1\n");
  pidfile.remove();
  assert.equal(readFileSync(path, "utf8"), "1\n");
});

test("Pidfile.write() takes the place of no device: where the pidfile is /dev/null, that is still there", async (t) => {
  const path = await pidfilePath(t);
  symlinkSync("/dev/null", path);
  assert.throws(() => new Pidfile(path).write(), { code: "ERR_PIDFILE", message: /is no plain file/ });
  assert(statSync(path).isCharacterDevice());
});
