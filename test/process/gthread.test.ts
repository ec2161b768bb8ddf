import assert from "node:assert/strict";
import { test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startGatedServer } from "../helpers/gate.ts";
import { startFixture, type Server } from "../helpers/server.ts";

interface ThreadAnswer {
  readonly pid: number;
  readonly thread: string;
  readonly multithread: boolean;
}

async function ask(server: Server): Promise<ThreadAnswer> {
  const { status, text } = await request(server.port, "/");
  assert.equal(status, 200);
  return JSON.parse(text) as ThreadAnswer;
}

const ways = [
  ["the shared queue", []],
  ["the channels", ["--queue-dir", "/proc"]],
] as const;

for (const [way, args] of ways) {
  test(`a gthread worker handles as many requests at once as it has threads, over ${way}`, async (t) => {
    const server = await startGatedServer(t, ["-k", "gthread", "--threads", "3", ...args]);
    const held = await Promise.all(
      Array.from({ length: 4 }, async (_, index) => {
        const connection = await ClientConnection.open(t, server.port);
        connection.sendRequest(`/hold/${index}`);
        return connection;
      }),
    );
    await server.waitForLine(/called \/hold/, { count: 3 });
    assert.equal(server.calledPaths().length, 3);
    await server.openGate();
    await server.waitForLine(/called \/hold/, { count: 4 });
    await server.openGate();
    for (const connection of held) assert.equal((await connection.readAnswer()).status, 200);
    assert.equal(server.bootedPids.length, 1);
  });
}

test("--threads with the sync class means gthread, and wsgi.multithread says so", async (t) => {
  const server = await startFixture(t, "threads", { args: ["--threads", "2"] });
  await server.waitForLine(/Using worker: gthread/);
  assert.equal((await ask(server)).multithread, true);
});

test("a gthread worker with one thread is not multithreaded", async (t) => {
  const server = await startFixture(t, "threads", { args: ["-k", "gthread"] });
  assert.equal((await ask(server)).multithread, false);
});

test("a thread past timeout costs its client 504, its stack is logged, the other threads serve until the worker is replaced", async (t) => {
  const server = await startFixture(t, "threads", {
    args: ["-k", "gthread", "--threads", "2", "--timeout", "2", "--graceful-timeout", "2"],
  });
  const stuck = request(server.port, "/hang");
  const [pid = 0] = server.bootedPids;
  assert.equal((await ask(server)).pid, pid);

  assert.equal((await stuck).status, 504);

  assert.equal((await request(server.port, "/")).status, 200);
  await server.waitForLine(/\[CRITICAL\].*WORKER TIMEOUT.*GET \/hang.*its thread is given up/);
  await server.waitForLine(/threads\.py", line \d+,? in hang\b/);
  await server.waitForLine(/Booting worker/, { count: 2 });
  await untilTrue(async () => (await ask(server)).pid !== pid, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "an answer of the worker that takes its place",
  });
  await untilTrue(() => server.processTree().every((process) => process.pid !== pid), {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "the end of the worker with the stuck thread",
  });
});

for (const [way, args] of ways) {
  test(`an idle gthread worker that is told to leave by TERM leaves in order, over ${way}, and another takes its place`, async (t) => {
    const server = await startFixture(t, "threads", { args: ["-k", "gthread", "--threads", "4", ...args] });
    const { pid } = await ask(server);
    process.kill(pid, "SIGTERM");
    await server.waitForLine(new RegExp(`Worker exiting \\(pid: ${pid}\\)`));
    await untilTrue(() => server.processTree().every((process) => process.pid !== pid), {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: "the end of the worker",
    });
    assert.notEqual((await ask(server)).pid, pid);
    assert.doesNotMatch(server.text, /\[ERROR\]/);
  });
}

test("a gthread worker leaves after max_requests, and no request is lost", async (t) => {
  const server = await startFixture(t, "threads", {
    args: ["-k", "gthread", "--threads", "3", "--max-requests", "20"],
  });
  const pids = new Set<number>();
  // The first one serves until another is ready, which takes as long as the machine is busy.
  await untilTrue(
    async () => {
      const answers = await Promise.all(Array.from({ length: 5 }, () => ask(server)));
      for (const { pid } of answers) pids.add(pid);
      return pids.size > 1;
    },
    { deadlineMs: ANSWER_DEADLINE_MS, what: "answers of another worker" },
  );
});

test("TERM lets the requests in all threads finish", async (t) => {
  const server = await startGatedServer(t, ["-k", "gthread", "--threads", "2"]);
  const first = await server.holdWorker();
  const second = await ClientConnection.open(t, server.port);
  second.sendRequest("/hold/second");
  await server.waitForLine(/called \/hold\/second/);
  server.signal("SIGTERM");
  await server.waitForLine(/Handling signal: term/);
  // One opening may let both go, or one of them: the other may not have come to the gate yet.
  await server.openGate();
  const answers = [first.readAnswer(), second.readAnswer()];
  await Promise.race(answers);
  await Promise.race([server.openGate(), Promise.all(answers)]);
  for (const answer of await Promise.all(answers)) assert.equal(answer.status, 200);
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
});

test("QUIT ends a gthread server at once, also with a stuck thread", async (t) => {
  const server = await startFixture(t, "threads", { args: ["-k", "gthread", "--threads", "2"] });
  const stuck = await ClientConnection.open(t, server.port);
  stuck.sendRequest("/hang");
  await ask(server);
  server.signal("SIGQUIT");
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.waitForNoProcess();
});

test("SystemExit in a thread answers its client, and another worker takes the place of its worker", async (t) => {
  const server = await startFixture(t, "threads", { args: ["-k", "gthread", "--threads", "2"] });
  const { pid } = await ask(server);
  assert.equal((await request(server.port, "/exit")).status, 500);
  await server.waitForLine(/Booting worker/, { count: 2 });
  await untilTrue(async () => (await ask(server)).pid !== pid, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "an answer of another worker",
  });
});

test("HUP takes a gthread server to a next generation", async (t) => {
  const server = await startFixture(t, "threads", { args: ["-k", "gthread", "--threads", "3"] });
  const { pid } = await ask(server);
  server.signal("SIGHUP");
  await server.waitForLine(/Reloaded/);
  await server.waitForLine(new RegExp(`Worker exiting \\(pid: ${pid}\\)`));
  assert.notEqual((await ask(server)).pid, pid);
});

test("a request that outlasts graceful_timeout at a reload is named, with its worker or without", async (t) => {
  const args = ["-k", "gthread", "--threads", "2", "--graceful-timeout", "1"];
  const server = await startGatedServer(t, args);
  const held = await ClientConnection.open(t, server.port);
  held.sendRequest("/hold");
  await server.waitForLine(/called \/hold/);
  server.signal("SIGHUP");
  assert.equal((await held.readAnswer()).status, 502);
  await server.waitForLine(/(?:Worker \(pid:[1-9]\d*\)|A worker) died while it handled GET \/hold after/);
});
