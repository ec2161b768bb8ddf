import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { OWN_IDENTITY } from "../../src/arbiter/identity.ts";
import { QueueDirectory } from "../../src/arbiter/queue-directory.ts";
import { Ring } from "../../src/queue/ring.ts";
import { memoryFolder } from "../helpers/memory-folder.ts";
import { mountSmall } from "../helpers/small-file-system.ts";
import { makeFifos } from "../router/fake-puller.ts";

const skip = process.platform === "linux" ? false : "only Linux has the shared queue";

test("QueueDirectory makes a private directory with a ring that a router can take over", { skip }, (t) => {
  const folder = memoryFolder(t);
  const directory = new QueueDirectory(folder, 1);
  assert.equal(dirname(directory.path), folder);
  assert.equal(statSync(directory.path).mode & 0o777, 0o700);
  assert.equal(statSync(directory.ringPath(0)).mode & 0o777, 0o600);
  const ring = new Ring(directory.ringPath(0));
  assert.equal(ring.epoch, 1);
  ring.close();
});

test("QueueDirectory gives two servers two directories", { skip }, (t) => {
  const folder = memoryFolder(t);
  assert.notEqual(new QueueDirectory(folder, 1).path, new QueueDirectory(folder, 1).path);
});

for (const name of [
  "sync",
  "gunicorn.workers.sync.SyncWorker",
  "gthread",
  "gunicorn.workers.gthread.ThreadWorker",
]) {
  test(`QueueDirectory has a FIFO for each generation of ${name} workers, which block`, { skip }, (t) => {
    const directory = new QueueDirectory(memoryFolder(t), 1);
    const paths = [1, 2].map((generation) => directory.tokensPath(generation, name));
    assert.deepEqual(paths, [join(directory.path, "tokens-1"), join(directory.path, "tokens-2")]);
  });
}

for (const name of ["gevent", "eventlet", "asgi"]) {
  test(`QueueDirectory has no FIFO for ${name} workers`, { skip }, (t) => {
    assert.equal(new QueueDirectory(memoryFolder(t), 1).tokensPath(1, name), null);
  });
}

test("QueueDirectory.removeTokens() removes the FIFO of that generation, if there is one", { skip }, (t) => {
  const directory = new QueueDirectory(memoryFolder(t), 1);
  makeFifos(directory.path, 2);
  directory.removeTokens(1);
  directory.removeTokens(1);
  assert.deepEqual(readdirSync(directory.path).toSorted(), ["owner", "ring-0", "tokens-2"]);
});

test("QueueDirectory.remove() removes everything in it, and may be called twice", { skip }, (t) => {
  const folder = memoryFolder(t);
  const directory = new QueueDirectory(folder, 1);
  makeFifos(directory.path, 3);
  directory.remove();
  directory.remove();
  assert.deepEqual(readdirSync(folder), []);
});

test("QueueDirectory.giveTo() leaves to ourselves what nobody else is to have", { skip }, (t) => {
  const directory = new QueueDirectory(memoryFolder(t), 1);
  directory.giveTo(OWN_IDENTITY);
  assert.equal(statSync(directory.ringPath(0)).uid, process.geteuid?.());
});

test(
  "QueueDirectory refuses a folder that is on no memory file system, and leaves nothing in it",
  { skip },
  () => {
    assert.throws(() => new QueueDirectory("/proc", 1), { message: '"/proc" is not a memory file system' });
  },
);

test("QueueDirectory refuses a folder that is not there, and a file", { skip }, (t) => {
  const folder = memoryFolder(t);
  assert.throws(() => new QueueDirectory(join(folder, "missing"), 1), { code: "ENOENT" });
  writeFileSync(join(folder, "file"), "");
  assert.throws(() => new QueueDirectory(join(folder, "file"), 1), { code: "ENOTDIR" });
});

test(
  "QueueDirectory refuses a folder in which it may not write",
  { skip: skip || process.geteuid?.() === 0 },
  (t) => {
    const folder = join(memoryFolder(t), "closed");
    mkdirSync(folder);
    chmodSync(folder, 0o500);
    assert.throws(() => new QueueDirectory(folder, 1), { code: "EACCES" });
  },
);

test(
  "QueueDirectory refuses a file system with too little room at once, and leaves nothing in it",
  { skip },
  async (t) => {
    const folder = await mountSmall(t, 1024 * 1024);
    if (folder === undefined) {
      t.skip("only root may mount the small file system that this fills");
      return;
    }
    assert.throws(() => new QueueDirectory(folder, 1), { code: "ENOSPC" });
    assert.deepEqual(readdirSync(folder), []);
  },
);
