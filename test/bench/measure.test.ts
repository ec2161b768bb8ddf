/** Whole measurements with the real programs, on Linux only: what they cost is read from /proc. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { probe } from "../../bench/http/availability.ts";
import { own } from "../../bench/http/load/own.ts";
import { ExitGuard } from "../../bench/http/measure/exit-guard.ts";
import { measure } from "../../bench/http/measure/measure.ts";
import { ownCpuTicks, sumOf } from "../../bench/http/measure/process-table.ts";
import { serverOf } from "../../bench/http/plan.ts";
import { errorCount, type Sample } from "../../bench/http/report/sample.ts";
import type { Paths, Server } from "../../bench/http/servers/server.ts";
import { WORKS } from "../../bench/http/works/all.ts";
import { repositoryRoot } from "../helpers/server.ts";

const skip = process.platform !== "linux";
const guard = new ExitGuard();
const paths: Paths = {
  root: repositoryRoot,
  base: undefined,
  python: join(repositoryRoot, ".venv/bin/python"),
  node: process.execPath,
  tunicornArguments: [],
};

const server = (name: string): Server => serverOf(name) ?? assert.fail(name);

function run(workName: string, serverName: string): Promise<Sample> {
  return measure({
    label: serverName,
    server: server(serverName),
    work: WORKS.find(({ name }) => name === workName) ?? assert.fail(workName),
    round: 1,
    paths,
    workers: 1,
    connections: 4,
    seconds: 1,
    measuresOneClient: false,
    generator: own,
    guard,
    env: {},
  });
}

test("tunicorn is measured without an error, with what it costs", { skip }, async () => {
  const samples = await Promise.all([run("flask-page", "tunicorn"), run("upload", "tunicorn")]);
  for (const sample of samples) {
    assert.equal(errorCount(sample), 0, JSON.stringify(sample));
    for (const key of ["requestsPerSecond", "p50Ms", "memoryMebibytes", "startMs"] as const) {
      assert.ok(sample[key] > 0, `${sample.work}: ${key} is ${sample[key]}`);
    }
    const { client, router, workers } = sample.cpuProfile ?? assert.fail(JSON.stringify(sample));
    for (const part of [client, router, workers])
      assert.ok(part.user + part.system > 0, JSON.stringify(sample));
  }
});

test("The limits are measured without an error", { skip }, async () => {
  const samples = await Promise.all([
    run("hello", "node-net"),
    run("connect", "node-http"),
    run("flask", "loop"),
    run("sleep", "loop-asgi"),
  ]);
  for (const sample of samples) {
    assert.equal(errorCount(sample), 0, JSON.stringify(sample));
    assert.ok(sample.requestsPerSecond > 0, JSON.stringify(sample));
  }
});

test("What a loop computes is told from what others compute", { skip }, async () => {
  const before = sumOf(ownCpuTicks());
  const { requestsPerSecond, cpuMicrosecondsPerRequest } = await run("flask", "loop");
  const ownSeconds = (sumOf(ownCpuTicks()) - before) / 100;
  assert.ok(ownSeconds >= (requestsPerSecond * cpuMicrosecondsPerRequest) / 1e6, `${ownSeconds} s`);
});

test("A server that gives another answer than the work wants is not measured", { skip }, async () => {
  const work = WORKS.find(({ name }) => name === "hello") ?? assert.fail();
  const answer = { contentType: "text/plain", body: Buffer.from("Good morning") };
  const wrong = { ...work, request: { ...work.request, answer } };
  const options = {
    paths,
    workers: 1,
    connections: 1,
    seconds: 0.1,
    measuresOneClient: false,
    generator: own,
  };
  const measured = measure({
    ...options,
    label: "node-net",
    server: server("node-net"),
    work: wrong,
    round: 1,
    guard,
    env: {},
  });
  await assert.rejects(measured, ({ cause }: Error) => /body is "Hello, World!"/.test(String(cause)));
});

test("probe() leaves out what does not run here and says why in one line", { skip }, async () => {
  const cwd = join(repositoryRoot, "bench/apps");
  const found = await probe(server("tunicorn"), { paths, cwd, guard });
  assert.equal(found.type, "available");
  const missing = await probe(server("bjoern"), { paths, cwd, guard });
  assert.deepEqual(missing, {
    type: "left-out",
    reason: "bjoern: ModuleNotFoundError: No module named 'bjoern'",
  });
});
