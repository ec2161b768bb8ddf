import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { RuntimeDirectory } from "../../src/arbiter/runtime-directory.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** A path of more bytes does not fit into a socket address: 108 on Linux, 104 on macOS, each with a NUL at its end. */
const SOCKET_PATH_LIMIT_BYTES = process.platform === "darwin" ? 103 : 107;

test("RuntimeDirectory makes a directory of its own that only this user may enter", async (t) => {
  const folder = await temporaryFolder(t);
  const directory = new RuntimeDirectory(folder);
  assert.equal(dirname(directory.path), folder);
  assert.equal(statSync(directory.path).mode & 0o777, 0o700);
});

test("RuntimeDirectory makes it in the system's folder for temporary files when none is named", (t) => {
  const directory = new RuntimeDirectory(null);
  onTeardown(t, () => directory.remove());
  assert.equal(dirname(directory.path), tmpdir());
});

for (const [what, folder] of [
  ["is not there", "/nowhere/tmp"],
  ["has too long a path", `/${"f".repeat(120)}`],
] as const) {
  test(`RuntimeDirectory makes it elsewhere when the system's folder ${what}, and says so`, (t) => {
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = folder;
    onTeardown(t, () => {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    });
    const directory = new RuntimeDirectory(null);
    onTeardown(t, () => directory.remove());
    assert.equal(dirname(directory.path), "/tmp");
    const trouble = directory.trouble ?? "";
    assert(trouble.includes(folder) && trouble.endsWith(`${directory.path} takes its place`), trouble);
  });
}

test("RuntimeDirectory gives two servers two directories", async (t) => {
  const folder = await temporaryFolder(t);
  assert.notEqual(new RuntimeDirectory(folder).path, new RuntimeDirectory(folder).path);
});

test("RuntimeDirectory.remove() removes everything in it, and may be called twice", async (t) => {
  const folder = await temporaryFolder(t);
  const directory = new RuntimeDirectory(folder);
  mkdirSync(join(directory.path, "sub"));
  writeFileSync(join(directory.path, "sub", "body-1"), "x");
  directory.remove();
  directory.remove();
  assert.deepEqual(readdirSync(folder), []);
});

test("RuntimeDirectory has room for a socket in the longest folder that it takes", async (t) => {
  const base = await temporaryFolder(t);
  let longest: RuntimeDirectory | null = null;
  for (let bytes = base.length + 2; bytes < 120; bytes += 1) {
    const folder = join(base, "f".repeat(bytes - base.length - 1));
    mkdirSync(folder);
    try {
      longest = new RuntimeDirectory(folder);
    } catch {
      break;
    }
  }
  assert.ok(longest !== null);
  const channelPath = longest.channelPath(0);
  assert.ok(
    Buffer.byteLength(channelPath) <= SOCKET_PATH_LIMIT_BYTES,
    `a path of ${Buffer.byteLength(channelPath)} bytes is more than ${SOCKET_PATH_LIMIT_BYTES}`,
  );
  const server = createServer();
  const listening = new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(channelPath, resolve);
  });
  onTeardown(t, () => void server.close());
  await withDeadline(listening, { deadlineMs: ANSWER_DEADLINE_MS, what: `listening at ${channelPath}` });
  assert.ok(existsSync(channelPath));
});

test("RuntimeDirectory refuses a folder whose path is too long for a socket, and says what to do", async (t) => {
  const folder = join(await temporaryFolder(t), "f".repeat(100));
  mkdirSync(folder);
  assert.throws(() => new RuntimeDirectory(folder), {
    code: "ERR_RUNTIME_DIRECTORY",
    message: /too long/,
    hint: /--worker-tmp-dir/,
  });
  assert.deepEqual(readdirSync(folder), []);
});

test("RuntimeDirectory counts the length of a path in bytes", async (t) => {
  const folder = join(await temporaryFolder(t), "é".repeat(40));
  mkdirSync(folder);
  assert.throws(() => new RuntimeDirectory(folder), { code: "ERR_RUNTIME_DIRECTORY" });
});

for (const name of ["missing", "file"]) {
  test(`RuntimeDirectory refuses a folder that is ${name === "file" ? "a file" : "not there"}, and names it`, async (t) => {
    const folder = join(await temporaryFolder(t, { file: "" }), name);
    assert.throws(() => new RuntimeDirectory(folder), {
      code: "ERR_RUNTIME_DIRECTORY",
      message: new RegExp(folder),
      hint: /--worker-tmp-dir/,
    });
  });
}
