import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startFixture, type Server } from "../helpers/server.ts";

interface GreenAnswer {
  readonly pid: number;
  readonly multithread: boolean;
  readonly sha256: string;
}

async function ask(server: Server, body = ""): Promise<GreenAnswer> {
  const { status, text } = await request(server.port, "/", { method: "POST", body });
  assert.equal(status, 200);
  return JSON.parse(text) as GreenAnswer;
}

for (const workerClass of ["gevent", "eventlet"]) {
  test(`a ${workerClass} worker`, async (t) => {
    const server = await startFixture(t, "green", {
      args: ["-k", workerClass, "--worker-connections", "1000", "--max-requests", "3000"],
    });
    await server.waitForLine(new RegExp(`Using worker: ${workerClass}`));

    await t.test("handles a thousand requests that wait at the same time, in one process", async () => {
      const connections = await Promise.all(
        Array.from({ length: 1000 }, () => ClientConnection.open(t, server.port)),
      );
      for (const connection of connections) connection.sendRequest("/sleep");
      // One after another they would take a quarter of an hour.
      const answers = await Promise.all(
        connections.map((connection) => connection.readAnswer({ deadlineMs: ANSWER_DEADLINE_MS })),
      );
      const pids = answers.map(({ text }) => (JSON.parse(text) as GreenAnswer).pid);
      assert.deepEqual([...new Set(pids)], server.bootedPids);
      for (const connection of connections) connection.destroy();
    });

    await t.test("lets others run while one waits for a blocking socket", async () => {
      // It waits for an answer of its own worker, and there is no other.
      assert.equal((await request(server.port, "/fetch")).status, 200);
    });

    await t.test("shares a pool of two database connections among many requests", async () => {
      const answers = await Promise.all(Array.from({ length: 30 }, () => request(server.port, "/pool")));
      for (const { status, text } of answers) {
        assert.equal(status, 200, text);
        const { held, connections } = JSON.parse(text) as Record<string, number>;
        assert.ok(held !== undefined && held <= 2 && connections !== undefined && connections <= 2, text);
      }
    });

    await t.test("says that it is multithreaded", async () => {
      assert.equal((await ask(server)).multithread, true);
    });

    await t.test("gives the application bodies of every size", async () => {
      for (const size of [1, 200_000, 3_000_000]) {
        const body = "b".repeat(size);
        const sha256 = createHash("sha256").update(body).digest("hex");
        assert.equal((await ask(server, body)).sha256, sha256);
      }
    });

    await t.test("sends more than a window, and a reader that stands still holds up no other", async () => {
      const slow = await ClientConnection.open(t, server.port);
      slow.sendRequest("/stream");
      const { status, body } = await request(server.port, "/stream");
      assert.equal(status, 200);
      assert.equal(body.length, 96 * 65_536);
      assert.equal((await slow.readAnswer()).body.length, 96 * 65_536);
    });

    await t.test("goes on when a client leaves in the middle of its answer", async () => {
      const leaving = await ClientConnection.open(t, server.port);
      leaving.sendRequest("/stream");
      leaving.destroy();
      await ask(server);
    });

    await t.test("answers 500 when the application raises, with the traceback in the log", async () => {
      assert.equal((await request(server.port, "/raise")).status, 500);
      await server.waitForLine(/RuntimeError: green raises/);
    });

    await t.test("is replaced by HUP, and requests under way are answered", async () => {
      const { pid } = await ask(server);
      const held = await ClientConnection.open(t, server.port);
      held.sendRequest("/sleep");
      server.signal("SIGHUP");
      await server.waitForLine(/Reloaded/);
      assert.equal((await held.readAnswer()).status, 200);
      await server.waitForLine(new RegExp(`Worker exiting \\(pid: ${pid}\\)`));
      assert.notEqual((await ask(server)).pid, pid);
    });

    await t.test("leaves by TERM, and another takes its place", async () => {
      const { pid } = await ask(server);
      process.kill(pid, "SIGTERM");
      await server.waitForLine(new RegExp(`Worker exiting \\(pid: ${pid}\\)`));
      await untilTrue(async () => (await ask(server)).pid !== pid, {
        deadlineMs: ANSWER_DEADLINE_MS,
        what: "an answer of another worker",
      });
    });

    await t.test("finishes what it has when the server stops", async () => {
      const held = await ClientConnection.open(t, server.port);
      held.sendRequest("/sleep");
      await ask(server);
      const answer = held.readAnswer();
      assert.deepEqual(await server.stop(), { status: 0, signal: null });
      assert.equal((await answer).status, 200);
    });
  });
}

for (const workerClass of ["gevent", "eventlet"]) {
  test(`a ${workerClass} worker of which one greenlet lets no other run is found and replaced`, async (t) => {
    // It counts for the boot, too, which imports a good deal.
    const server = await startFixture(t, "green", { args: ["-k", workerClass, "--timeout", "6"] });
    const [stuck] = server.bootedPids;
    const { status } = await request(server.port, "/spin");
    assert.equal(status, 504);
    await server.waitForLine(/\[CRITICAL\].*WORKER TIMEOUT.*GET \/spin/);
    await server.waitForLine(/green\.py", line \d+,? in spin\b/);
    assert.notEqual((await ask(server)).pid, stuck);
  });
}

test("a gevent server leaves at once by QUIT", async (t) => {
  const server = await startFixture(t, "green", { args: ["-k", "gevent"] });
  await ask(server);
  server.signal("SIGQUIT");
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.waitForNoProcess();
});

test("with one connection a gevent worker handles one request after another", async (t) => {
  const server = await startFixture(t, "green", {
    args: ["-k", "gevent", "--worker-connections", "1"],
  });
  const answers = await Promise.all(Array.from({ length: 8 }, () => ask(server)));
  assert.deepEqual([...new Set(answers.map(({ pid }) => pid))], server.bootedPids);
});
