import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import type { AccessRecord } from "../../src/log/access-format.ts";
import { AccessLog } from "../../src/log/access-log.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { runProgram } from "../helpers/program.ts";
import { repositoryRoot } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { openFilesBelow } from "../system/open-files.ts";

const FORMAT = "%(m)s %(U)s %(s)s";

function record(path: string): AccessRecord {
  const missing = (): undefined => undefined;
  return {
    remoteAddress: "127.0.0.1",
    method: "GET",
    target: path,
    path,
    query: "",
    protocol: "HTTP/1.1",
    status: 200,
    bodyBytes: 0,
    durationMs: 1,
    pid: 1,
    requestField: missing,
    responseField: missing,
    environ: missing,
    source: () => ({ requestFields: [], responseLines: "", environ: "" }),
  };
}

async function waitForText(path: string, text: string): Promise<void> {
  await untilTrue(() => existsSync(path) && readFileSync(path, "utf8") === text, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `${JSON.stringify(text)} in ${path}, which has ${readFileSync(path, "utf8")}`,
  });
}

test("AccessLog writes a line for each record, in their order", async (t) => {
  const path = join(await temporaryFolder(t), "access.log");
  const log = new AccessLog(path, FORMAT);
  log.write(record("/a"));
  log.write(record("/b"));
  await waitForText(path, "GET /a 200\nGET /b 200\n");
  log.write(record("/c"));
  await waitForText(path, "GET /a 200\nGET /b 200\nGET /c 200\n");
  await log.close();
});

test("AccessLog appends to a file that is there", async (t) => {
  const folder = await temporaryFolder(t, { "access.log": "before\n" });
  const path = join(folder, "access.log");
  const log = new AccessLog(path, FORMAT);
  log.write(record("/a"));
  await waitForText(path, "before\nGET /a 200\n");
  await log.close();
});

test("AccessLog loses and mixes no line of many", async (t) => {
  const path = join(await temporaryFolder(t), "access.log");
  const log = new AccessLog(path, FORMAT);
  const targets = Array.from({ length: 20_000 }, (_, index) => `/${index}`);
  for (const [index, target] of targets.entries()) {
    log.write(record(target));
    if (index % 100 === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await waitForText(path, targets.map((target) => `GET ${target} 200\n`).join(""));
  await log.close();
});

test("AccessLog.reopen() goes on in a new file when the old one was moved away, and loses no line", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "access.log");
  const log = new AccessLog(path, FORMAT);
  log.write(record("/a"));
  await waitForText(path, "GET /a 200\n");
  renameSync(path, `${path}.1`);
  log.write(record("/b"));
  log.reopen();
  log.write(record("/c"));
  await untilTrue(() => existsSync(path) && readFileSync(path, "utf8").includes("/c"), {
    deadlineMs: LOG_DEADLINE_MS,
    what: "a line in the new file",
  });
  const all = readFileSync(`${path}.1`, "utf8") + readFileSync(path, "utf8");
  assert.equal(all, "GET /a 200\nGET /b 200\nGET /c 200\n");
  assert.ok(statSync(`${path}.1`).size > 0);
  await log.close();
});

test("AccessLog.close() has written everything when it returns", async (t) => {
  const path = join(await temporaryFolder(t), "access.log");
  const log = new AccessLog(path, FORMAT);
  log.write(record("/a"));
  await waitForText(path, "GET /a 200\n");
  log.write(record("/b"));
  log.write(record("/c"));
  await log.close();
  await log.close();
  assert.equal(readFileSync(path, "utf8"), "GET /a 200\nGET /b 200\nGET /c 200\n");
});

test("AccessLog.close() has written everything though the file was opened only just before", async (t) => {
  const path = join(await temporaryFolder(t), "access.log");
  const log = new AccessLog(path, FORMAT);
  log.write(record("/a"));
  await log.close();
  assert.equal(readFileSync(path, "utf8"), "GET /a 200\n");
});

test("AccessLog.close() lets go of the file: a reload may open another one", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "access.log");
  const log = new AccessLog(path, FORMAT);
  log.write(record("/a"));
  await waitForText(path, "GET /a 200\n");
  await log.close();
  await untilTrue(() => openFilesBelow(folder).length === 0, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `release of ${openFilesBelow(folder).join()}`,
  });
});

for (const { what, name } of [
  { what: "in a folder that is not there", name: "missing/access.log" },
  { what: "in a file", name: "file/access.log" },
  { what: "that is a folder", name: "folder" },
]) {
  test(`AccessLog refuses a file ${what} when it is made, and says what to do`, async (t) => {
    const folder = await temporaryFolder(t, { file: "", "folder/x": "" });
    assert.throws(() => new AccessLog(join(folder, name), FORMAT), {
      code: "ERR_LOG_FILE",
      message: new RegExp(name),
      hint: /folder|writable/,
    });
  });
}

/** Writes two lines to standard output, with a reopening between them that must not touch it. */
const STANDARD_OUTPUT_PROGRAM = `
const { AccessLog } = await import(process.argv[1]);
const missing = () => undefined;
const record = { remoteAddress: "", method: "GET", target: "/", path: "/", query: "", protocol: "HTTP/1.1", status: 200,
  bodyBytes: 0, durationMs: 1, pid: 1, requestField: missing, responseField: missing, environ: missing };
const log = new AccessLog("-", "%(s)s");
log.write(record);
log.reopen();
log.write({ ...record, status: 404 });
await log.close();
process.exit(0);
`;

test("AccessLog writes to standard output when the file is a hyphen", async (t) => {
  const source = join(repositoryRoot, "src/log/access-log.ts");
  const args = ["--import", "tsx", "--input-type=module", "-e", STANDARD_OUTPUT_PROGRAM, source];
  const { status, stdout, stderr } = await runProgram(t, process.execPath, args);
  assert.equal(stderr, "");
  assert.equal(stdout, "200\n404\n");
  assert.equal(status, 0);
});

test("AccessLog outlives a full disk", async () => {
  const log = new AccessLog("/dev/full", FORMAT);
  log.write(record("/a"));
  await new Promise((resolve) => setImmediate(resolve));
  log.write(record("/b"));
  await assert.doesNotReject(() => log.close());
});
