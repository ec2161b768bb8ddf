import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { request } from "../helpers/client.ts";
import { fixtureApps, LOOPBACK, type Server, startServer } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const SETTINGS = `
import json
import os

workers = 1
timeout = 41
RECORD = os.environ["HOOK_RECORD"]


def record(hook, **facts):
    with open(RECORD, "a") as file:
        file.write(json.dumps({"hook": hook, "pid": os.getpid(), **facts}) + "\\n")


def on_starting(server):
    server.log.info("on_starting says %s", "hello")
    record("on_starting", workers=server.cfg.workers, timeout=server.cfg.timeout)


def when_ready(server):
    server.log.info("when_ready says hello")
    record("when_ready", workers=server.cfg.workers)


def pre_fork(server, worker):
    record("pre_fork", age=worker.age, workers=server.cfg.workers)


def post_fork(server, worker):
    server.log.info("post_fork says hello from %s", worker.pid)
    record("post_fork", age=worker.age, worker_pid=worker.pid, workers=server.cfg.workers)


def post_worker_init(worker):
    worker.log.info("post_worker_init says hello")
    record("post_worker_init", age=worker.age, worker_pid=worker.pid, timeout=worker.cfg.timeout)


def worker_exit(server, worker):
    worker.log.warning("worker_exit says goodbye")
    record("worker_exit", age=worker.age, worker_pid=worker.pid, workers=server.cfg.workers)


def on_exit(server):
    server.log.info("on_exit says goodbye")
    record("on_exit", workers=server.cfg.workers)
`;

interface HookRecord {
  readonly hook: string;
  readonly pid: number;
  readonly worker_pid?: number;
  readonly workers?: number;
  readonly timeout?: number;
  readonly age?: number;
}

async function startWithHooks(t: TestContext, args: readonly string[] = []) {
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": SETTINGS });
  const path = join(cwd, "hooks.jsonl");
  const server: Server = await startServer(t, {
    cwd,
    args: [...LOOPBACK, "--pythonpath", fixtureApps, ...args, "pid"],
    env: { HOOK_RECORD: path },
  });
  const readRecords = async (): Promise<HookRecord[]> => {
    const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
    return lines.map((line) => JSON.parse(line) as HookRecord);
  };
  return { server, readRecords };
}

const IN_WORKER = new Set(["post_fork", "post_worker_init", "worker_exit"]);

for (const args of [[], ["--preload"]]) {
  test(["the hooks run in their order and in the right process", ...args].join(" with "), async (t) => {
    const { server, readRecords } = await startWithHooks(t, args);
    const workerPid = Number((await request(server.port, "/")).text);
    assert.deepEqual(await server.stop(), { status: 0, signal: null });
    const records = await readRecords();

    await t.test("in the order of a server's life", () => {
      assert.deepEqual(
        records.map(({ hook }) => hook),
        ["on_starting", "when_ready", "pre_fork", "post_fork", "post_worker_init", "worker_exit", "on_exit"],
      );
    });

    await t.test("a worker's hooks in the worker, the others outside of it", () => {
      for (const { hook, pid } of records) {
        assert.equal(pid === workerPid, IN_WORKER.has(hook), hook);
      }
      const outside = records.filter(({ hook }) => !IN_WORKER.has(hook)).map(({ pid }) => pid);
      assert.equal(new Set(outside).size, 1);
    });

    await t.test("with the settings at server.cfg and worker.cfg", () => {
      for (const { hook, workers, timeout } of records) {
        assert(workers === undefined || workers === 1, hook);
        assert(timeout === undefined || timeout === 41, hook);
      }
    });

    await t.test("with worker.pid and worker.age", () => {
      for (const { hook, worker_pid: toldPid, age } of records) {
        assert(toldPid === undefined || toldPid === workerPid, hook);
        assert(age === undefined || age === 1, hook);
      }
    });

    await t.test("with loggers that write to the error log", () => {
      const own = /^\[\d{4}-\d\d-\d\d [\d:]{8} [+-]\d{4}\] \[\d+\] \[(INFO|WARNING)\] /;
      for (const said of [
        "on_starting says hello",
        "when_ready says hello",
        `post_fork says hello from ${workerPid}`,
        "post_worker_init says hello",
        "worker_exit says goodbye",
        "on_exit says goodbye",
      ]) {
        const lines = server.linesOf("stderr").filter((line) => line.endsWith(said));
        assert.equal(lines.length, 1, `${said}\n${server.text}`);
        assert.match(lines[0] ?? "", own);
      }
    });
  });
}

test("each new worker runs the worker hooks with an age of its own", async (t) => {
  const { server, readRecords } = await startWithHooks(t, ["--max-requests", "1"]);
  await request(server.port, "/");
  await server.waitForLine(/Booting worker/, { count: 2 });
  await request(server.port, "/");
  await server.stop();

  const inits = (await readRecords()).filter(({ hook }) => hook === "post_worker_init");
  const ages = inits.map(({ age }) => age);
  assert(inits.length >= 2);
  assert.deepEqual(
    ages,
    ages.map((_, index) => index + 1),
  );
  assert.equal(new Set(inits.map(({ pid }) => pid)).size, inits.length);
});
