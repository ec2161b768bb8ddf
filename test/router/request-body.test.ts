import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import type { RequestBody } from "../../src/channel/messages.ts";
import { RequestBodyCollector } from "../../src/router/request-body.ts";
import { countingBytes } from "../helpers/bodies.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { runProgram } from "../helpers/program.ts";
import { repositoryRoot } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { openFilesBelow } from "../system/open-files.ts";
import { Recording } from "./recording.ts";

const MEMORY_BYTES = 1024;

interface OpenedCollector {
  readonly collector: RequestBodyCollector;
  /** What it asked for. */
  readonly told: Recording;
  readonly folder: string;
}

async function openCollector(
  t: TestContext,
  directory?: string,
  memoryBytes: () => number = () => MEMORY_BYTES,
): Promise<OpenedCollector> {
  const folder = await temporaryFolder(t);
  const told = new Recording();
  const collector = new RequestBodyCollector({
    directory: directory ?? folder,
    memoryBytes,
    onPause: () => told.add("pause"),
    onResume: () => told.add("resume"),
    onError: () => told.add("error"),
  });
  onTeardown(t, () => collector.discard());
  return { collector, told, folder };
}

function bytesOf(body: RequestBody | null): Buffer {
  assert.ok(body !== null);
  assert.ok(body.type !== "placed");
  return body.type === "file" ? readFileSync(body.path) : Buffer.concat(body.pieces);
}

test("RequestBodyCollector is complete without a body", async (t) => {
  const { collector } = await openCollector(t);
  assert.equal(collector.bytes, 0);
  assert.deepEqual(collector.inMemory(), { type: "memory", pieces: [], bytes: 0 });
  assert.deepEqual(await collector.complete(), { type: "memory", pieces: [], bytes: 0 });
});

test("RequestBodyCollector takes to its file what it holds once the limit has shrunk below that", async (t) => {
  let limit = MEMORY_BYTES;
  const { collector, folder } = await openCollector(t, undefined, () => limit);
  const bytes = countingBytes(MEMORY_BYTES);
  collector.add(bytes.subarray(0, 1000));
  limit = 100;
  assert.ok(collector.inMemory() !== null);
  collector.add(bytes.subarray(1000));
  assert.equal(collector.inMemory(), null);
  const body = await collector.complete();
  assert.ok(bytesOf(body).equals(bytes));
  assert.equal(collector.memoryBytes, 0);
  assert.equal(openFilesBelow(folder).length, 1);
});

test("RequestBodyCollector keeps a body up to the limit in memory", async (t) => {
  const { collector, folder, told } = await openCollector(t);
  const bytes = countingBytes(MEMORY_BYTES);
  collector.add(bytes.subarray(0, 1000));
  collector.add(bytes.subarray(1000));
  assert.equal(collector.bytes, MEMORY_BYTES);
  assert.equal(collector.memoryBytes, MEMORY_BYTES);
  const body = collector.inMemory();
  assert.equal(body?.type === "memory" && body.bytes, MEMORY_BYTES);
  assert.deepEqual(bytesOf(body), bytes);
  assert.deepEqual(bytesOf(await collector.complete()), bytes);
  assert.deepEqual(openFilesBelow(folder), []);
  assert.deepEqual(told.lines, []);
});

test("RequestBodyCollector puts a body above the limit into a file, all of it", async (t) => {
  const { collector } = await openCollector(t);
  const bytes = countingBytes(MEMORY_BYTES + 1);
  collector.add(bytes.subarray(0, MEMORY_BYTES));
  assert.notEqual(collector.inMemory(), null);
  collector.add(bytes.subarray(MEMORY_BYTES));
  assert.equal(collector.inMemory(), null);
  const body = await collector.complete();
  assert.equal(body?.type, "file");
  assert.deepEqual(bytesOf(body), bytes);
  assert.equal(collector.bytes, MEMORY_BYTES + 1);
  assert.equal(collector.memoryBytes, 0);
});

for (const { what, pieceBytes, count } of [
  { what: "single octets", pieceBytes: 1, count: 3000 },
  { what: "pieces that just do not fit", pieceBytes: 1023, count: 9 },
  { what: "large pieces", pieceBytes: 100_000, count: 40 },
]) {
  test(`RequestBodyCollector keeps the order of a body that comes in ${what}`, async (t) => {
    const { collector } = await openCollector(t);
    const bytes = countingBytes(pieceBytes * count);
    for (let start = 0; start < bytes.length; start += pieceBytes) {
      collector.add(bytes.subarray(start, start + pieceBytes));
    }
    assert.ok(bytesOf(await collector.complete()).equals(bytes));
  });
}

test("RequestBodyCollector keeps a body that comes octet by octet in few pieces", async (t) => {
  const { collector } = await openCollector(t);
  const bytes = countingBytes(MEMORY_BYTES);
  for (const octet of bytes) {
    collector.add(Buffer.from([octet]));
  }
  const body = collector.inMemory();
  assert.ok(body?.type === "memory" && body.pieces.length < MEMORY_BYTES / 4);
  assert.deepEqual(bytesOf(body), bytes);
});

test("RequestBodyCollector keeps its file from other users, and lets a process of this user open it", async (t) => {
  const { collector } = await openCollector(t);
  collector.add(Buffer.alloc(MEMORY_BYTES + 1, "x"));
  const body = await collector.complete();
  assert.ok(body?.type === "file");
  assert.equal(statSync(body.path).mode & 0o777, 0o600);
  const { stdout, stderr } = spawnSync("cat", [body.path], { encoding: "utf8" });
  assert.equal(stdout, "x".repeat(MEMORY_BYTES + 1), stderr);
});

test("RequestBodyCollector gives two bodies two files", async (t) => {
  const [first, second] = [await openCollector(t), await openCollector(t)];
  first.collector.add(Buffer.alloc(MEMORY_BYTES + 1, "a"));
  second.collector.add(Buffer.alloc(MEMORY_BYTES + 1, "b"));
  assert.match(bytesOf(await first.collector.complete()).toString(), /^a+$/);
  assert.match(bytesOf(await second.collector.complete()).toString(), /^b+$/);
});

test("RequestBodyCollector.discard() lets go of the file, at whatever time it comes, and may be called twice", async (t) => {
  for (const isCompleteFirst of [true, false]) {
    const { collector, folder, told } = await openCollector(t);
    collector.add(Buffer.alloc(2_000_000, "x"));
    if (isCompleteFirst) {
      await collector.complete();
      assert.equal(openFilesBelow(folder).length, 1);
    }
    collector.discard();
    collector.discard();
    collector.add(Buffer.alloc(2_000_000, "y"));
    await collector.complete();
    await untilTrue(() => openFilesBelow(folder).length === 0, {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: () => `release of ${openFilesBelow(folder).join()}`,
    });
    assert.deepEqual(readdirSync(folder), []);
    assert.ok(!told.lines.includes("error"));
  }
});

test("RequestBodyCollector.discard() of a body in memory needs no file", async (t) => {
  const { collector, folder } = await openCollector(t);
  collector.add(Buffer.from("abc"));
  collector.discard();
  assert.deepEqual(readdirSync(folder), []);
});

test("RequestBodyCollector holds the client back while much waits for the disk, and lets it go on", async (t) => {
  const { collector, told } = await openCollector(t);
  for (let piece = 0; piece < 4; piece += 1) {
    collector.add(Buffer.alloc(1024 * 1024, "x"));
  }
  assert.deepEqual(told.lines, ["pause"]);
  assert.equal(collector.memoryBytes, 4 * 1024 * 1024);
  await told.waitFor("resume");
  collector.add(Buffer.alloc(2 * 1024 * 1024, "x"));
  await told.waitFor("resume", 2);
  assert.deepEqual(told.lines, ["pause", "resume", "pause", "resume"]);
  assert.equal(bytesOf(await collector.complete()).length, 6 * 1024 * 1024);
});

test("RequestBodyCollector holds the client back sooner while memory is short", async (t) => {
  let limit = 1024 * 1024;
  const { collector, told } = await openCollector(t, undefined, () => limit);
  const piece = Buffer.alloc(200_000, "x");
  collector.add(piece);
  limit = 100_000;
  collector.add(piece);
  assert.deepEqual(told.lines, ["pause"]);
  await told.waitFor("resume");
  limit = 1024 * 1024;
  collector.add(piece);
  assert.deepEqual(told.lines, ["pause", "resume"]);
  assert.equal(bytesOf(await collector.complete()).length, 600_000);
});

test("RequestBodyCollector tells once that no file can be made, and has no body then", async (t) => {
  const { collector, told, folder } = await openCollector(t, "/nonexistent/folder");
  collector.add(Buffer.alloc(MEMORY_BYTES + 1));
  collector.add(Buffer.alloc(MEMORY_BYTES + 1));
  assert.equal(await collector.complete(), null);
  collector.add(Buffer.alloc(MEMORY_BYTES + 1));
  assert.equal(await collector.complete(), null);
  assert.equal(collector.inMemory(), null);
  assert.deepEqual(
    told.lines.filter((line) => line === "error"),
    ["error"],
  );
  collector.discard();
  assert.deepEqual(readdirSync(folder), []);
});

test("RequestBodyCollector does not hold the client back for ever when no file can be made", async (t) => {
  const { collector, told } = await openCollector(t, "/nonexistent/folder");
  for (let piece = 0; piece < 4; piece += 1) {
    collector.add(Buffer.alloc(1024 * 1024));
  }
  await collector.complete();
  const holds = told.lines.filter((line) => line !== "error");
  assert.notEqual(holds.at(-1), "pause", "the client was held back and not let go");
});

/** Collects a body under a limit on the size of files, which stands in for a full disk. */
const FULL_DISK_PROGRAM = `
const { RequestBodyCollector } = await import(process.argv[1]);
const told = [];
const collector = new RequestBodyCollector({
  directory: process.argv[2],
  memoryBytes: () => 1024,
  onPause: () => {},
  onResume: () => {},
  onError: (error) => told.push(error.code),
});
for (let piece = 0; piece < 32; piece += 1) collector.add(Buffer.alloc(65536, "x"));
const body = await collector.complete();
console.log(JSON.stringify({ body, told }));
`;

test("RequestBodyCollector tells once that a file cannot be written, and has no body then", async (t) => {
  const folder = await temporaryFolder(t, { "program.mjs": FULL_DISK_PROGRAM });
  // A file beyond the limit raises SIGXFSZ, which ends a program that does not ignore it.
  const command = `trap '' XFSZ; ulimit -f 512; exec "$@"`;
  const source = join(repositoryRoot, "src/router/request-body.ts");
  const program = [process.execPath, "--import", "tsx", "--input-type=module", "-e", FULL_DISK_PROGRAM];
  const { stdout, stderr } = await runProgram(t, "bash", ["-c", command, "bash", ...program, source, folder]);
  assert.deepEqual(JSON.parse(stdout || `"${stderr}"`), { body: null, told: ["EFBIG"] });
});
