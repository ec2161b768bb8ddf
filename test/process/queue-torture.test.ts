import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { ClientConnection, ConnectionCut } from "../helpers/client.ts";
import { EXIT_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startFixture, type Server } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** How long the load lasts. The full minute: TUNICORN_TORTURE_SECONDS=60. */
const LOAD_SECONDS = Number(process.env["TUNICORN_TORTURE_SECONDS"] ?? 6);
const CLIENTS = 24;
const WORKERS = 3;
/** One that dies younger is forked anew only after a pause. */
const YOUNG_MS = 2_200;

/** How each request ended, by its id: the status, or "cut". */
type Outcomes = Map<number, number | "cut">;

/** Sends requests, each with an id of its own, until the time is up. Every one of them must come to an end. */
async function sendUntil(t: TestContext, server: Server, endAt: number): Promise<Outcomes> {
  const outcomes: Outcomes = new Map();
  let lastId = 0;
  const client = async (): Promise<void> => {
    let connection = await ClientConnection.open(t, server.port);
    while (performance.now() < endAt) {
      lastId += 1;
      const id = lastId;
      try {
        const { status, text } = await connection.request(`/${id}`);
        outcomes.set(id, status);
        if (status === 200) assert.equal(text, String(id));
      } catch (failure) {
        if (!(failure instanceof ConnectionCut)) throw failure;
        outcomes.set(id, "cut");
      }
      if (outcomes.get(id) !== 200) connection = await ClientConnection.open(t, server.port);
    }
    connection.destroy();
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return outcomes;
}

/** Kills a worker that has served for a while, whenever there is one, at a random moment. Returns how many. */
async function killWorkers(server: Server, endAt: number): Promise<number> {
  const bornAt = new Map<number, number>();
  let killed = 0;
  while (performance.now() < endAt) {
    const now = performance.now();
    for (const pid of server.bootedPids) if (!bornAt.has(pid)) bornAt.set(pid, now);
    const victim = [...bornAt].find(([, at]) => now - at > YOUNG_MS);
    if (victim !== undefined) {
      const [pid] = victim;
      bornAt.set(pid, Infinity);
      process.kill(pid, "SIGKILL");
      killed += 1;
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
  }
  return killed;
}

function readCalls(path: string): Map<number, { begun: number; done: number }> {
  const calls = new Map<number, { begun: number; done: number }>();
  for (const line of readFileSync(path, "utf8").trimEnd().split("\n")) {
    const [what, id] = line.split(" ");
    const call = calls.get(Number(id)) ?? { begun: 0, done: 0 };
    calls.set(Number(id), call);
    if (what === "begun") call.begun += 1;
    else call.done += 1;
  }
  return calls;
}

for (const { way, args, threads } of [
  { way: "the shared queue", args: ["--queue-dir", "/dev/shm"], threads: 1 },
  { way: "the shared queue, to threads", args: ["-k", "gthread", "--threads", "3"], threads: 3 },
  { way: "the shared queue of two routers", args: ["--routers", "2"], threads: 1 },
  { way: "the channels", args: ["--queue-dir", "/proc"], threads: 1 },
]) {
  test(`over ${way}, while workers are killed, every request is answered exactly once or with 502, and begun at most once`, async (t) => {
    const calls = join(await temporaryFolder(t), "calls");
    const server = await startFixture(t, "counting", {
      args: ["-w", String(WORKERS), ...args, "--log-level", "debug"],
      env: { CALLS: calls },
      workers: WORKERS,
    });
    const endAt = performance.now() + LOAD_SECONDS * 1000;

    const [outcomes, killed] = await Promise.all([sendUntil(t, server, endAt), killWorkers(server, endAt)]);

    assert(killed >= 2, `only ${killed} workers were killed`);
    const made = readCalls(calls);
    for (const [id, outcome] of outcomes) {
      const call = made.get(id) ?? { begun: 0, done: 0 };
      const what = `request ${id}: ${outcome}, begun ${call.begun} times, done ${call.done} times`;
      assert(call.begun <= 1, what);
      assert(outcome === 200 || outcome === 502, what);
      if (outcome === 200) assert.equal(call.done, 1, what);
    }
    const failed = [...outcomes.values()].filter((outcome) => outcome !== 200).length;
    assert(failed <= killed * threads, `${failed} requests failed, but only ${killed} workers were killed`);

    await server.stop({ deadlineMs: EXIT_DEADLINE_MS });
    if (way !== "the channels") {
      assert.match(
        server.text,
        /\[DEBUG\] Shared queue at the end: 0 slots are taken, 0 places are taken, 0 tokens are left/,
      );
    }
    t.diagnostic(`${outcomes.size} requests, ${killed} workers killed, ${failed} answered with 502`);
    await untilTrue(() => server.processTree().length === 0, { deadlineMs: EXIT_DEADLINE_MS, what: "end" });
  });
}
