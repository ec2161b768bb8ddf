import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { ErrorLog } from "../../src/log/error-log.ts";
import { isLogLevel, type LogLevel, logLevels } from "../../src/log/log-level.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { runProgram } from "../helpers/program.ts";
import { repositoryRoot } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { openFilesBelow } from "../system/open-files.ts";

const PREFIX = /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[(\d+)\] \[([A-Z]+)\] /;

async function logPath(t: TestContext): Promise<string> {
  return join(await temporaryFolder(t), "error.log");
}

function linesOf(path: string): string[] {
  return readFileSync(path, "utf8").split("\n").slice(0, -1);
}

/** The lines without time and pid. */
function messagesOf(path: string): string[] {
  return linesOf(path).map((line) => line.replace(PREFIX, "$2 "));
}

/** Lines are written in the background; the file must come to hold exactly these. */
async function holds(path: string, messages: readonly string[]): Promise<void> {
  const isThere = (): boolean => existsSync(path) && messagesOf(path).length >= messages.length;
  await untilTrue(isThere, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `${messages.length} lines in ${path}`,
  });
  assert.deepEqual(messagesOf(path), messages);
}

function writeAll(log: ErrorLog): void {
  for (const level of logLevels) {
    log[level](`at ${level}`);
  }
}

test("ErrorLog writes lines in Gunicorn's format", async (t) => {
  const path = await logPath(t);
  const log = new ErrorLog(path, "info");
  log.info("Listening at: http://127.0.0.1:8000");
  await holds(path, ["INFO Listening at: http://127.0.0.1:8000"]);
  const [line = ""] = linesOf(path);
  assert.equal(PREFIX.exec(line)?.[1], String(process.pid));
  log.critical("second");
  await holds(path, ["INFO Listening at: http://127.0.0.1:8000", "CRITICAL second"]);
});

for (const [index, level] of logLevels.entries()) {
  test(`ErrorLog of the level ${level} leaves out what weighs less`, async (t) => {
    const path = await logPath(t);
    writeAll(new ErrorLog(path, level));
    await holds(
      path,
      logLevels.slice(index).map((each) => `${each.toUpperCase()} at ${each}`),
    );
  });
}

test("ErrorLog keeps the lines of a message together", async (t) => {
  const path = await logPath(t);
  new ErrorLog(path, "info").error("Traceback:\n  line 1\n  line 2");
  await holds(path, ["ERROR Traceback:", "  line 1", "  line 2"]);
});

test("ErrorLog writes JSON objects when it is told to, a message with all its lines in one", async (t) => {
  const path = await logPath(t);
  const log = new ErrorLog(path, "info", { isJson: true });
  log.error('say "hi"\nand more');
  log.debug("left out");
  log.configure(path, "info", { isJson: true });
  log.info("second");
  await log.close();
  const records = linesOf(path).map((line) => JSON.parse(line) as Record<string, unknown>);
  for (const record of records) {
    assert.match(String(record["time"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    delete record["time"];
  }
  assert.deepEqual(records, [
    { level: "error", pid: process.pid, message: 'say "hi"\nand more' },
    { level: "info", pid: process.pid, message: "second" },
  ]);
});

test("ErrorLog keeps what it is given until it is told where to, by the level that it is told then", async (t) => {
  const path = await logPath(t);
  const log = new ErrorLog(join(path, "..", "nowhere", "error.log"), "error", { isHeld: true });
  log.debug("first");
  log.info("second");
  log.configure(path, "info");
  log.info("third");
  await holds(path, ["INFO second", "INFO third"]);
});

test("ErrorLog writes what it has kept when it is closed before it was told where to", async (t) => {
  const path = await logPath(t);
  const log = new ErrorLog(path, "info", { isHeld: true });
  log.info("first");
  await log.close();
  assert.deepEqual(messagesOf(path), ["INFO first"]);
});

test("ErrorLog.configure() takes over a level", async (t) => {
  const path = await logPath(t);
  const log = new ErrorLog(path, "error");
  log.info("no");
  log.configure(path, "debug");
  log.debug("yes");
  await holds(path, ["DEBUG yes"]);
});

test("ErrorLog.configure() goes on in another file, and lets go of the one before", async (t) => {
  const path = await logPath(t);
  const log = new ErrorLog(path, "info");
  log.info("first");
  log.configure(`${path}.2`, "info");
  log.info("second");
  await holds(path, ["INFO first"]);
  await holds(`${path}.2`, ["INFO second"]);
  await untilTrue(() => openFilesBelow(path).join() === `${path}.2`, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `release of the first of ${openFilesBelow(path).join()}`,
  });
});

test("ErrorLog.configure() keeps the old file when the other one cannot be opened", async (t) => {
  const path = await logPath(t);
  const log = new ErrorLog(path, "info");
  assert.throws(() => log.configure(join(path, "..", "missing", "error.log"), "info"), {
    code: "ERR_LOG_FILE",
  });
  log.info("still here");
  await holds(path, ["INFO still here"]);
});

test("ErrorLog.reopen() goes on in a new file when the old one was moved away", async (t) => {
  const path = await logPath(t);
  const log = new ErrorLog(path, "info");
  log.info("first");
  await holds(path, ["INFO first"]);
  renameSync(path, `${path}.1`);
  log.info("second");
  await holds(`${path}.1`, ["INFO first", "INFO second"]);
  log.reopen();
  log.info("third");
  await holds(`${path}.1`, ["INFO first", "INFO second"]);
  await holds(path, ["INFO third"]);
});

for (const { what, name, hint } of [
  { what: "in a folder that is not there", name: "missing/error.log", hint: /mkdir -p .*\/missing$/ },
  { what: "in a file", name: "file/error.log", hint: /folder|writable/ },
  { what: "that is a folder", name: "folder", hint: /name a file in it/ },
]) {
  test(`ErrorLog refuses a file ${what}, and says what to do`, async (t) => {
    const folder = await temporaryFolder(t, { file: "", "folder/x": "" });
    assert.throws(() => new ErrorLog(join(folder, name), "info"), {
      code: "ERR_LOG_FILE",
      message: new RegExp(`^Cannot open log file "${join(folder, name)}": [^']*$`),
      hint,
    });
    assert.ok(!existsSync(join(folder, "missing")), "it makes no folders");
  });
}

const STANDARD_ERROR_PROGRAM = `
const { ErrorLog } = await import(process.argv[1]);
const log = new ErrorLog("-", "info");
log.info("first");
log.reopen();
log.error("second");
await log.close();
process.exit(0);
`;

test("ErrorLog writes to standard error when the file is a hyphen", async (t) => {
  const source = join(repositoryRoot, "src/log/error-log.ts");
  const args = ["--import", "tsx", "--input-type=module", "-e", STANDARD_ERROR_PROGRAM, source];
  const { status, stdout, stderr } = await runProgram(t, process.execPath, args);
  assert.equal(stdout, "");
  assert.deepEqual(
    stderr
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(PREFIX, "$2 ")),
    ["INFO first", "ERROR second"],
  );
  assert.equal(status, 0);
});

test("ErrorLog outlives a full disk", () => {
  const log = new ErrorLog("/dev/full", "info");
  assert.doesNotThrow(() => log.info("lost"));
  assert.doesNotThrow(() => log.info("lost too"));
});

test("isLogLevel() knows the levels in their own spelling alone", () => {
  for (const level of logLevels) {
    assert.ok(isLogLevel(level));
  }
  for (const other of ["INFO", "warn", "", "constructor"]) {
    assert.ok(!isLogLevel(other));
  }
  assert.deepEqual(logLevels, ["debug", "info", "warning", "error", "critical"] satisfies LogLevel[]);
});
