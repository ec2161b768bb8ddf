import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { LogFile } from "../../src/log/log-file.ts";
import { LOG_DEADLINE_MS, untilTrue, withDeadline } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

interface Opened {
  readonly file: LogFile;
  readonly troubles: string[];
}

function open(t: TestContext, path: string): Opened {
  const troubles: string[] = [];
  const file = new LogFile({ path, standardFd: 1, onTrouble: (message) => troubles.push(message) });
  onTeardown(t, () => file.close());
  return { file, troubles };
}

function untilTold(troubles: readonly string[], pattern: RegExp): Promise<void> {
  return untilTrue(() => troubles.some((each) => pattern.test(each)), {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `${pattern} in ${JSON.stringify(troubles)}`,
  });
}

function makePipe(folder: string): string {
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  return path;
}

test("written() awaits the lines so far, and not a reader who is stuck", async (t) => {
  const folder = await temporaryFolder(t);
  const { file } = open(t, join(folder, "log"));
  await file.written();
  for (let count = 1; count <= 3; count += 1) {
    file.write(`line ${count}\n`);
    await file.written();
    assert.match(readFileSync(join(folder, "log"), "utf8"), new RegExp(`line ${count}\\n$`));
  }

  const path = makePipe(folder);
  const { file: stuck } = open(t, path);
  const length = 256 * 1024;
  stuck.write("x".repeat(length));
  await withDeadline(stuck.written(), { deadlineMs: LOG_DEADLINE_MS, what: "the end of a wait for nobody" });
  const reader = openReader(t, path);
  const buffer = Buffer.alloc(length);
  let bytes = 0;
  await untilTrue(() => (bytes += readAvailable(reader, buffer)) === length, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `${length} bytes, got ${bytes}`,
  });
});

test("LogFile says once that its disk is full", async (t) => {
  const { file, troubles } = open(t, "/dev/full");
  for (let count = 0; count < 5; count += 1) {
    file.write("line\n");
    await untilTold(troubles, /Cannot write to log file "\/dev\/full", lines wait: ENOSPC/);
  }
  assert.equal(troubles.length, 1);
});

test("LogFile keeps the old file when the folder is gone at a reopening, and says so", async (t) => {
  const folder = await temporaryFolder(t, { "logs/app.log": "" });
  const path = join(folder, "logs", "app.log");
  const { file, troubles } = open(t, path);
  file.write("first\n");
  await untilTrue(() => readFileSync(path, "utf8") === "first\n", {
    deadlineMs: LOG_DEADLINE_MS,
    what: "the first line",
  });
  renameSync(path, join(folder, "moved.log"));
  rmSync(join(folder, "logs"), { recursive: true });
  file.reopen();
  await untilTold(troubles, /Cannot reopen log file ".*app\.log", the old one stays: ENOENT/);
  file.write("second\n");
  await file.close();
  assert.equal(readFileSync(join(folder, "moved.log"), "utf8"), "first\nsecond\n");
});

test("LogFile opens a pipe that nobody reads, and what it writes is there for a reader who comes", async (t) => {
  const path = makePipe(await temporaryFolder(t));
  const { file } = open(t, path);
  file.write("line\n");
  const reader = openReader(t, path);
  const buffer = Buffer.alloc(100);
  let text = "";
  await untilTrue(() => (text += buffer.toString("utf8", 0, readAvailable(reader, buffer))) === "line\n", {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `the line, got ${text}`,
  });
});

test("LogFile waits for a stuck reader with bounded memory, and tells what is lost when it reads again", async (t) => {
  const path = makePipe(await temporaryFolder(t));
  const { file, troubles } = open(t, path);
  const reader = openReader(t, path);
  const block = `${"x".repeat(1023)}\n`.repeat(1024);
  for (let count = 0; count < 20; count += 1) file.write(block);
  assert.equal(troubles.length, 1);
  assert.match(troubles[0] ?? "", /lines wait: its reader is stuck/);

  const buffer = Buffer.alloc(1024 * 1024);
  let bytes = 0;
  const readAll = async (): Promise<void> => {
    while (troubles.length < 2) {
      bytes += readAvailable(reader, buffer);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await withDeadline(readAll(), {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `the end of the trouble after ${bytes} bytes`,
  });
  bytes += readAvailable(reader, buffer);
  const lost = Number(/takes lines again; (\d+) lines are lost/.exec(troubles[1] ?? "")?.[1]);
  assert.ok(lost > 0);
  assert.equal(bytes / 1024 + lost, 20 * 1024);
});

function openReader(t: TestContext, path: string): number {
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  onTeardown(t, () => closeSync(reader));
  return reader;
}

function readAvailable(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
    throw error;
  }
}

test("LogFile takes /dev/stdout for the stream itself, which may be no file that can be opened", (t) => {
  const { file } = open(t, "/dev/stdout");
  assert.doesNotThrow(() => file.reopen());
});
