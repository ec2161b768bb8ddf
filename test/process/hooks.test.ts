import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { request } from "../helpers/client.ts";
import { fixtureApps, LOOPBACK, runCommand, type Server, startServer } from "../helpers/server.ts";
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


def nworkers_changed(server, new_value, old_value):
    record("nworkers_changed", numbers=[new_value, old_value, server.num_workers])


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


def pre_request(worker, req):
    record("pre_request", worker_pid=worker.pid, said=[req.method, req.path, req.query])


def post_request(worker, req, environ, resp):
    said = [req.path, environ["PATH_INFO"], resp.status, resp.status_code, resp.sent]
    record("post_request", worker_pid=worker.pid, said=said)


def worker_int(worker):
    record("worker_int", worker_pid=worker.pid)


def worker_abort(worker):
    record("worker_abort", worker_pid=worker.pid)


def child_exit(server, worker):
    record("child_exit", age=worker.age, worker_pid=worker.pid)


def on_reload(server):
    record("on_reload", workers=server.num_workers)


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
  readonly numbers?: readonly (number | null)[];
  readonly said?: readonly unknown[];
}

async function startWithHooks(t: TestContext, args: readonly string[] = [], application = "pid") {
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": SETTINGS });
  const path = join(cwd, "hooks.jsonl");
  const server: Server = await startServer(t, {
    cwd,
    args: [...LOOPBACK, "--pythonpath", fixtureApps, ...args, application],
    env: { HOOK_RECORD: path },
  });
  const readRecords = async (): Promise<HookRecord[]> => {
    const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
    return lines.map((line) => JSON.parse(line) as HookRecord);
  };
  return { server, readRecords };
}

const IN_WORKER = new Set(["post_fork", "post_worker_init", "pre_request", "post_request", "worker_exit"]);

for (const args of [[], ["--preload"]]) {
  test(["the hooks run in their order and in the right process", ...args].join(" with "), async (t) => {
    const { server, readRecords } = await startWithHooks(t, args);
    const workerPid = Number((await request(server.port, "/a%20b?c=d")).text);
    assert.deepEqual(await server.stop(), { status: 0, signal: null });
    const records = await readRecords();

    await t.test("in the order of a server's life", () => {
      assert.deepEqual(
        records.map(({ hook }) => hook),
        [
          "nworkers_changed",
          "on_starting",
          "when_ready",
          "pre_fork",
          "post_fork",
          "post_worker_init",
          "pre_request",
          "post_request",
          "worker_exit",
          "child_exit",
          "on_exit",
        ],
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

    await t.test("with what the request and its response were", () => {
      const said = new Map(records.map((record) => [record.hook, record.said]));
      assert.deepEqual(said.get("pre_request"), ["GET", "/a%20b", "c=d"]);
      const length = String(workerPid).length;
      assert.deepEqual(said.get("post_request"), ["/a%20b", "/a b", "200 OK", 200, length]);
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

    await t.test("with their lines in Gunicorn's order", () => {
      const stages = [
        "Starting",
        "Listening at",
        "Using worker",
        "when_ready",
        "Booting worker",
        "post_fork",
      ];
      const lines = server.linesOf("stderr").map((line) => line.replace(/^.*\[INFO\] /, ""));
      const told = lines.map((line) => stages.find((stage) => line.startsWith(stage)));
      assert.deepEqual(
        told.filter((stage) => stage !== undefined),
        stages,
      );
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

test("TTIN, TTOU and HUP tell nworkers_changed the numbers, and HUP runs on_reload in the next mold", async (t) => {
  const { server, readRecords } = await startWithHooks(t);
  server.signal("SIGTTIN");
  await server.waitForLine(/Booting worker/, { count: 2 });
  server.signal("SIGTTOU");
  await server.waitForLine(/1 worker wanted/);
  server.signal("SIGTTOU");
  await server.waitForLine(/1 worker wanted/, { count: 2 });
  server.signal("SIGHUP");
  await server.waitForLine(/Reloaded: /);
  await server.stop();

  const records = await readRecords();
  const numbers = records.filter(({ hook }) => hook === "nworkers_changed").map((record) => record.numbers);
  assert.deepEqual(numbers, [
    [1, null, 1],
    [2, 1, 2],
    [1, 2, 1],
    [1, 1, 1],
  ]);
  const [changed, forked] = ["nworkers_changed", "pre_fork"].map((hook) =>
    records.findIndex((record) => record.hook === hook && (record.numbers?.[1] === 1 || record.age === 2)),
  );
  assert((changed ?? 0) < (forked ?? 0), "the hook comes before the worker is forked");
  const firstMold = records[0]?.pid;
  const reload = records.findIndex(({ hook }) => hook === "on_reload");
  assert.equal(records[reload - 1]?.hook, "nworkers_changed");
  assert.notEqual(records[reload]?.pid, firstMold);
  assert.equal(records.at(-1)?.hook, "on_exit");
  assert.equal(records.at(-1)?.pid, records[reload]?.pid);
  for (const hook of ["on_starting", "when_ready", "on_reload", "on_exit"]) {
    assert.equal(records.filter((record) => record.hook === hook).length, 1, hook);
  }
});

/** As exporters of metrics do: a server of their own in a thread, always on the same port. */
const WITH_A_THREAD = `
import http.server
import os
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())

    def log_message(self, *arguments):
        pass


def when_ready(server):
    port = int(open("port").read()) if os.path.exists("port") else 0
    metrics = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    with open("port", "w") as file:
        file.write(str(metrics.server_port))
    threading.Thread(target=metrics.serve_forever, daemon=True).start()
    server.log.info("metrics from %s", os.getpid())
`;

test("when_ready runs again after a reload if it has left a thread, which ended with its mold", async (t) => {
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": WITH_A_THREAD });
  const server = await startServer(t, { cwd, args: [...LOOPBACK, "--pythonpath", fixtureApps, "pid"] });
  const seenFrom = new Set<string>();
  for (const count of [1, 2, 3]) {
    if (count > 1) server.signal("SIGHUP");
    await server.waitForLine(/metrics from \d+$/, { count });
    const port = Number(await readFile(join(cwd, "port"), "utf8"));
    seenFrom.add((await request(port, "/")).text);
  }
  assert.equal(seenFrom.size, 3);
});

test("worker_int runs in the workers on QUIT, worker_abort in one that took too long", async (t) => {
  const { server, readRecords } = await startWithHooks(t, ["--timeout", "2"], "hang");
  assert.equal((await request(server.port, "/hang")).status, 504);
  await server.waitForLine(/Booting worker/, { count: 2 });
  server.signal("SIGQUIT");
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  const [aborted, replaced] = server.bootedPids;
  const of = (await readRecords()).filter(({ hook }) => ["worker_abort", "worker_int"].includes(hook));
  assert.deepEqual(
    of.map(({ hook, worker_pid: pid }) => [hook, pid]),
    [
      ["worker_abort", aborted],
      ["worker_int", replaced],
    ],
  );
});

const RAISING = `
import json
import os

def make(name, count):
    def raise_it(*arguments):
        if name in open("raising").read().split():
            raise RuntimeError(f"{name} has no vault")
        with open("called", "a") as file:
            file.write(name + "\\n")
    return eval("lambda " + ", ".join("abcd"[:count]) + ": raise_it()", {"raise_it": raise_it})

COUNTS = {
    "nworkers_changed": 3, "on_starting": 1, "when_ready": 1, "pre_fork": 2, "post_fork": 2, "post_worker_init": 1,
    "pre_request": 2, "post_request": 4, "worker_exit": 2, "child_exit": 2, "on_reload": 1, "on_exit": 1,
}
for name, count in COUNTS.items():
    globals()[name] = make(name, count)
`;

const HOOK_FAILED = 1;
const BOOT_FAILED = 3;

for (const [hook, status, isOnExitDue] of [
  ["nworkers_changed", HOOK_FAILED, false],
  ["on_starting", HOOK_FAILED, false],
  ["when_ready", HOOK_FAILED, true],
  ["pre_fork", BOOT_FAILED, true],
  ["post_fork", BOOT_FAILED, true],
  ["post_worker_init", BOOT_FAILED, true],
] as const) {
  test(`${hook} that raises ends the start with status ${status}, and its traceback is shown once`, async (t) => {
    const cwd = await temporaryFolder(t, { "gunicorn.conf.py": RAISING, raising: hook, called: "" });
    const end = await runCommand(t, { cwd, args: [...LOOPBACK, "--pythonpath", fixtureApps, "pid"] });
    assert.equal(end.status, status, end.text);
    assert.equal(end.text.split(`RuntimeError: ${hook} has no vault`).length, 2, end.text);
    assert.match(end.stderr, new RegExp(`^tunicorn: The hook ${hook} raised\\nTraceback `, "m"));
    const called = (await readFile(join(cwd, "called"), "utf8")).split("\n");
    assert.equal(called.includes("on_exit"), isOnExitDue);
  });
}

test("a hook that raises while the server runs is logged by its name, and the server goes on", async (t) => {
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": RAISING, raising: "", called: "" });
  const server = await startServer(t, { cwd, args: [...LOOPBACK, "--pythonpath", fixtureApps, "pid"] });
  const raise = (...hooks: string[]): Promise<void> => writeFile(join(cwd, "raising"), hooks.join(" "));
  const answers = async (status: number): Promise<void> =>
    assert.equal((await request(server.port, "/")).status, status);
  const logged = (hook: string): Promise<unknown> =>
    server.waitForLine(new RegExp(`The hook ${hook} raised`));
  await answers(200);

  await t.test("pre_request: that request gets 500", async () => {
    await raise("pre_request");
    await answers(500);
    await logged("pre_request");
    await server.waitForLine(/RuntimeError: pre_request has no vault/);
  });

  await t.test("post_request: the client has its answer", async () => {
    await raise("post_request");
    await answers(200);
    await logged("post_request");
  });

  await t.test("nworkers_changed: the number is changed all the same", async () => {
    await raise("nworkers_changed");
    server.signal("SIGTTIN");
    await logged("nworkers_changed");
    await server.waitForLine(/Booting worker/, { count: 2 });
  });

  await t.test("worker_exit and child_exit: the worker leaves", async () => {
    await raise("worker_exit", "child_exit");
    server.signal("SIGTTOU");
    await logged("worker_exit");
    await logged("child_exit");
    await answers(200);
  });

  await t.test("on_reload: the reload is given up, and the old workers go on", async () => {
    await raise("on_reload");
    const before = (await request(server.port, "/")).text;
    server.signal("SIGHUP");
    await server.waitForLine(/The reload failed.*The hook on_reload raised/);
    assert.equal((await request(server.port, "/")).text, before);
  });

  await t.test("on_exit: the server ends with status 0", async () => {
    await raise("on_exit");
    assert.deepEqual(await server.stop(), { status: 0, signal: null });
    await logged("on_exit");
  });
});

test("a hook that takes other arguments than it is called with is refused with both forms", async (t) => {
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": "def pre_fork(server): pass\n" });
  const end = await runCommand(t, { cwd, args: ["--check-config", "--pythonpath", fixtureApps, "pid"] });
  assert.equal(end.status, 1);
  assert.match(
    end.stderr,
    /The hook pre_fork is called as pre_fork\(server, worker\), but it is defined as \(server\)/,
  );
});

test("a hook may be named as a dotted string; one that is not called yet is named by a warning", async (t) => {
  const cwd = await temporaryFolder(t, {
    "gunicorn.conf.py": "on_starting = 'own.hooks.say_hello'\ndef dirty_post_fork(arbiter, worker): pass\n",
    "own/hooks.py": "def say_hello(server):\n    server.log.info('hello from own.hooks')\n",
  });
  const server = await startServer(t, { cwd, args: [...LOOPBACK, "--pythonpath", fixtureApps, "pid"] });
  await server.waitForLine(/\[INFO\] hello from own\.hooks$/);
  await server.waitForLine(/\[WARNING\] .*the hook dirty_post_fork has no effect yet: dirty arbiters/);
});

test("an ASGI worker calls the hooks of a request too, in the worker", async (t) => {
  const { server, readRecords } = await startWithHooks(t, ["-k", "asgi"], "asgi_pid");
  const workerPid = Number((await request(server.port, "/a%20b?c=d")).text);
  assert.equal(await server.stop().then(({ status }) => status), 0);
  const records = (await readRecords()).filter(({ hook }) => hook.endsWith("_request"));
  assert.deepEqual(
    records.map(({ hook, pid, said }) => [hook, pid, said]),
    [
      ["pre_request", workerPid, ["GET", "/a%20b", "c=d"]],
      ["post_request", workerPid, ["/a%20b", "/a b", "200 OK", 200, String(workerPid).length]],
    ],
  );
});

const APPLICATION_HOOKS = `
def on_starting(server):
    server.log.info("starting with %s", server.app.wsgi().__name__)


def post_fork(server, worker):
    server.log.info("forked with it: %s", worker.app.callable is server.app.wsgi())


def on_exit(server):
    server.log.info("ending with %s", server.app.wsgi().__name__)
`;

test("a hook that asks server.app.wsgi() gets the application, which the workers have then as well", async (t) => {
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": APPLICATION_HOOKS });
  const server = await startServer(t, { cwd, args: [...LOOPBACK, "--pythonpath", fixtureApps, "pid"] });
  await server.waitForLine(/starting with application$/);
  await server.waitForLine(/forked with it: True$/);
  await server.stop();
  await server.waitForLine(/ending with application$/);
});
