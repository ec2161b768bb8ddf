import assert from "node:assert/strict";
import { test } from "node:test";

import { ClientConnection, ConnectionCut, request } from "../helpers/client.ts";
import { startGatedServer } from "../helpers/gate.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { startFixture } from "../helpers/server.ts";

for (const [how, ending] of [
  ["exit", "exits"],
  ["kill", "is killed"],
] as const) {
  test(`a worker that ${ending} in a request costs that client a 502 and nobody else anything`, async (t) => {
    const server = await startFixture(t, "crash", { args: ["-w", "2"], workers: 2 });
    const before = server.lines.length;
    const neighbour = request(server.port, "/?s=1");
    await server.waitForLine(/crash waits/);

    const answer = await request(server.port, `/broken?how=${how}`);

    assert.equal(answer.status, 502);
    assert.equal((await neighbour).status, 200);
    await server.waitForLine(/Booting worker/, { from: before });
    await server.waitForLine(/GET \/broken/, { from: before });
    assert.equal((await request(server.port, "/")).status, 200);
  });
}

test("requests that wait while the only worker dies are answered by the next one", async (t) => {
  const server = await startFixture(t, "crash");
  const held = request(server.port, "/?s=0.5");
  await server.waitForLine(/crash waits/);
  const crashed = await ClientConnection.open(t, server.port);
  crashed.sendRequest("/?how=kill");
  const waiting = Array.from({ length: 5 }, () => request(server.port, "/"));

  const pids = (await Promise.all(waiting)).map(({ text }) => Number(text));
  assert.equal((await held).status, 200);
  assert(pids.every((pid) => server.bootedPids.includes(pid)));
});

test("a kept-alive connection outlives the 502 of a worker's death", async (t) => {
  const server = await startFixture(t, "crash");
  const connection = await ClientConnection.open(t, server.port);
  assert.equal((await connection.request("/?how=exit")).status, 502);
  const reopened = connection.isOpen ? connection : await ClientConnection.open(t, server.port);
  assert.equal((await reopened.request("/")).status, 200);
});

test("a worker silent past timeout costs 504, and the log tells where it hangs", async (t) => {
  const server = await startFixture(t, "hang", { args: ["--timeout", "2"] });
  const before = server.lines.length;

  const answer = await request(server.port, "/hang", { method: "POST", body: "x" });

  assert.equal(answer.status, 504);
  await server.waitForLine(/\[CRITICAL\].*WORKER TIMEOUT/);
  await server.waitForLine(/POST \/hang/);
  await server.waitForLine(/hang\.py", line \d+,? in hang\b/);
  await server.waitForLine(/Booting worker/, { from: before });
  assert.equal((await request(server.port, "/")).text, String(server.bootedPids.at(-1)));
});

test("neither an idle worker nor many short requests count as silence", async (t) => {
  const server = await startFixture(t, "slow", { args: ["--timeout", "2", "-w", "2"], workers: 2 });
  for (let count = 0; count < 4; count += 1) {
    assert.equal((await request(server.port, "/?s=0.8")).status, 200);
  }
  assert.doesNotMatch(server.text, /WORKER TIMEOUT/);
  assert.equal(server.bootedPids.length, 2);
});

test("max_requests recycles the workers and loses none of 200 requests", async (t) => {
  const server = await startFixture(t, "pid", { args: ["-w", "2", "--max-requests", "20"], workers: 2 });
  const pids = new Map<string, number>();
  const ask = async (): Promise<void> => {
    for (let count = 0; count < 50; count += 1) {
      const answer = await request(server.port, "/");
      assert.equal(answer.status, 200);
      pids.set(answer.text, (pids.get(answer.text) ?? 0) + 1);
    }
  };

  await Promise.all([ask(), ask(), ask(), ask()]);

  assert(pids.size > 2, `only ${pids.size} workers answered`);
  assert.match(server.text, /Autorestarting worker after current request/);
});

for (const workerClass of ["sync", "gthread", "gevent"]) {
  test(`${workerClass}: a process that the application forks has no part in what its worker and the router say`, async (t) => {
    const args = ["-k", workerClass, "--threads", "2"];
    const server = await startGatedServer(t, args, { application: "forks" });
    for (const path of ["/works", "/exits", "/returns"]) {
      const answer = await request(server.port, path);
      assert.deepEqual([answer.status, Number(answer.text)], [200, server.bootedPids[0]], path);
    }

    await t.test("nor does it keep the client of a dead worker waiting", async () => {
      assert.equal((await request(server.port, "/dies")).status, 502);
      await server.openGate();
    });

    assert.equal((await request(server.port, "/")).status, 200);
    assert.doesNotMatch(server.text, /protocol/);
  });
}

test("a response that a signal handler of the application cuts off has nothing of the next one in it", async (t) => {
  const server = await startGatedServer(t, [], { application: "gives_up" });
  const large = await ClientConnection.open(t, server.port);
  large.sendRequest("/large");
  await server.waitForLine(/called \/large$/);
  const { pid } = new RouterProcess(server);
  // So the worker cannot send all of it before the signal comes.
  process.kill(pid, "SIGSTOP");
  await server.openGate();
  await server.waitForLine(/TimeoutError: of the application/);
  process.kill(pid, "SIGCONT");

  assert.equal((await request(server.port, "/")).text, "small");
  await assert.rejects(
    large.readAnswer(),
    (error) => error instanceof ConnectionCut && error.received.every((byte) => byte === "x".charCodeAt(0)),
  );
});
