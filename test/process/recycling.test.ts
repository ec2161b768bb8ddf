import assert from "node:assert/strict";
import { test } from "node:test";

import { request } from "../helpers/client.ts";
import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { type Server, startFixture } from "../helpers/server.ts";

const LEFT = /Worker exiting \(pid: (\d+)\)$/;

/** Pids of the workers that have left, in their order. */
function leftPids(server: Server): number[] {
  return server.lines.flatMap((line) => Number(LEFT.exec(line)?.[1] ?? Number.NaN)).filter(Number.isInteger);
}

async function pidOf(server: Server, path = "/"): Promise<number> {
  const answer = await request(server.port, path);
  assert.equal(answer.status, 200, server.text);
  return Number(answer.text);
}

/** Each worker that leaves has been replaced by then: at each moment as many are there as are wanted. */
function assertStaggered(server: Server, workers: number): void {
  let booted = 0;
  let left = 0;
  for (const line of server.lines) {
    if (/Booting worker with pid/.test(line)) booted += 1;
    if (LEFT.test(line)) left += 1;
    if (/Handling signal/.test(line)) break;
    if (left > 0) assert(booted - left >= workers, server.text);
    // One may still finish what it has while the place of the next is filled.
    assert(booted - left <= workers + 2, server.text);
  }
}

test("max_requests: workers that are due together are replaced one at a time, each when another is ready", async (t) => {
  const server = await startFixture(t, "pid", { args: ["-w", "3", "--max-requests", "10"], workers: 3 });
  await server.waitForLine(/Ready: 3 workers/);
  const first = new Set(server.bootedPids);
  await untilTrue(
    async () => {
      await Promise.all(Array.from({ length: 6 }, () => pidOf(server)));
      return [...first].every((pid) => leftPids(server).includes(pid));
    },
    { deadlineMs: CLEANUP_DEADLINE_MS, what: () => `the end of the first workers\n${server.text}` },
  );
  assertStaggered(server, 3);
});

test("max_requests_jitter: a worker serves up to so many requests more", async (t) => {
  const args = ["--max-requests", "5", "--max-requests-jitter", "3"];
  const server = await startFixture(t, "pid", { args });
  for (let count = 0; count < 4; count += 1) await pidOf(server);
  assert.doesNotMatch(server.text, /Autorestarting/);
  for (let count = 4; count < 5 + 3; count += 1) await pidOf(server);
  await server.waitForLine(/Autorestarting worker after current request/);
});

test("max_requests 1: each request has a process of its own", async (t) => {
  const server = await startFixture(t, "pid", { args: ["--max-requests", "1"] });
  const pids = [await pidOf(server), await pidOf(server), await pidOf(server)];
  assert.equal(new Set(pids).size, pids.length);
});

test("max_worker_age: old workers are replaced one at a time, and clients notice nothing", async (t) => {
  const server = await startFixture(t, "pid", { args: ["-w", "2", "--max-worker-age", "1s"], workers: 2 });
  await server.waitForLine(/Ready: 2 workers/);
  const first = new Set(server.bootedPids);
  await untilTrue(
    async () => {
      await pidOf(server);
      return [...first].every((pid) => leftPids(server).includes(pid));
    },
    { deadlineMs: CLEANUP_DEADLINE_MS, what: () => `the end of the first workers\n${server.text}` },
  );
  assert.match(server.text, /Worker \(pid:\d+\) has served for 1 s \(max_worker_age\): it is replaced/);
  assertStaggered(server, 2);
});

test("max_worker_memory: a worker that has grown too large is replaced, another is left alone", async (t) => {
  const args = ["-w", "2", "--max-worker-memory", "150M"];
  const server = await startFixture(t, "grows", { args, workers: 2 });
  await server.waitForLine(/Ready: 2 workers/);
  const grown = await pidOf(server, "/grow");
  await server.waitForLine(
    new RegExp(`Worker \\(pid:${grown}\\) takes \\d+ MiB, more than max_worker_memory`),
  );
  await server.waitForLine(new RegExp(`Worker exiting \\(pid: ${grown}\\)`));
  assertStaggered(server, 2);
  assert.deepEqual(leftPids(server), [grown]);
  assert.equal(server.bootedPids.length, 3);
});

test("max_worker_memory below what a new worker takes has no effect, and the log says so", async (t) => {
  const server = await startFixture(t, "grows", { args: ["--max-worker-memory", "1M"] });
  await server.waitForLine(
    /\[ERROR\] max_worker_memory has no effect: it is 1 MiB, but a worker .* takes \d+ MiB/,
  );
  const pid = await pidOf(server);
  await pidOf(server, "/grow");
  assert.equal(await pidOf(server), pid);
  assert.deepEqual(server.bootedPids, [pid]);
});
