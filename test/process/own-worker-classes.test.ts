import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { parseEcho } from "../helpers/bodies.ts";
import { bareInterpreter } from "../helpers/bare-interpreter.ts";
import { ClientConnection, request } from "../helpers/client.ts";
import {
  LOOPBACK,
  fixtureApps,
  runCommand,
  startFixture,
  startServer,
  type Server,
} from "../helpers/server.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

/** What a class of fixtures/apps/own_workers.py has told. */
function told(server: Server): readonly string[] {
  return server.lines.filter((line) => line.startsWith("own: ")).map((line) => line.slice("own: ".length));
}

function startOwn(
  t: TestContext,
  name: string,
  application: string,
  args: readonly string[] = [],
): Promise<Server> {
  return startFixture(t, application, { args: ["-k", `own_workers.${name}`, ...args] });
}

test("a class that derives from SyncWorker has its overrides called, in Gunicorn's order", async (t) => {
  const server = await startOwn(t, "Own", "echo");
  await server.waitForLine(/Using worker: own_workers\.Own$/);
  const echo = parseEcho(await request(server.port, "/"));
  assert.equal(echo.headers["X_OWN"], "wrapped");
  assert.deepEqual(await server.stop(), { status: 0, signal: null });
  await server.outputClosed;
  assert.deepEqual(told(server), [
    "setup",
    "__init__ 1 [] 15.0 own_workers.Own",
    "init_signals",
    "init_process True",
    "load_wsgi",
    "run True True",
    "handle_exit",
    "the end of run 1",
    "the end of init_process",
  ]);
});

test("a class that derives from ThreadWorker has its threads, and one signal handled by itself", async (t) => {
  const server = await startOwn(t, "OwnThreads", "threads", ["--threads", "3"]);
  assert.equal((await request(server.port, "/")).status, 200);
  server.signal("SIGQUIT");
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.waitForLine(/^own: handle_quit/);
});

test("a class that derives from GeventWorker patches more than that", async (t) => {
  const server = await startOwn(t, "OwnGreenlets", "green");
  await server.waitForLine(/^own: patch/);
  const answers = await Promise.all(Array.from({ length: 20 }, () => request(server.port, "/sleep")));
  assert(answers.every(({ status }) => status === 200));
});

test("a class that derives from TornadoWorker serves Tornado; what it overrides in vain is told once", async (t) => {
  const server = await startOwn(t, "OwnTornado", "tornado_app:app");
  assert.equal((await request(server.port, "/hello")).text, "hello");
  await server.waitForLine(/^own: run/);
  const warnings = server.lines.filter((line) => /\[WARNING\]/.test(line));
  assert.equal(warnings.length, 1, server.text);
  assert.match(warnings[0] ?? "", /watchdog\(\) of the worker class own_workers\.OwnTornado is not called: /);
});

test("a class that derives from UvicornWorker brings uvicorn's options", async (t) => {
  const server = await startOwn(t, "OwnAsgi", "asgi_app:app");
  await server.waitForLine(/Ready: 1 worker/);
  const connection = await ClientConnection.open(t, server.port);
  const answer = await connection.request("/echo/a", { headers: { "X-Forwarded-Proto": "https" } });
  const scope = JSON.parse(answer.text) as { root_path: string; scheme: string };
  assert.equal(answer.headers.get("x-default"), "one, two");
  assert.equal(answer.headers.has("server"), false);
  assert.deepEqual([scope.root_path, scope.scheme], ["/echo", "http"]);
  await server.waitForLine(
    /CONFIG_KWARGS of own_workers\.OwnAsgi without effect: log_level \(.*\), workers \(/,
  );
  assert.doesNotMatch(server.text, /lifespan began/);
  server.signal("SIGHUP");
  await server.waitForLine(/^own: handle_exit/);
  await server.waitForLine(/Reloaded/);
  server.signal("SIGINT");
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.waitForLine(/^own: handle_quit/);
});

test("what __init__ changes in uvicorn's options is taken, or told to be too late", async (t) => {
  const server = await startOwn(t, "LateAsgi", "asgi_app:app");
  await server.waitForLine(
    /\[WARNING\] CONFIG_KWARGS of the worker class own_workers\.LateAsgi was changed .*, too late for limit_concurrency: /,
  );
  assert.equal((await request(server.port, "/echo")).headers.get("x-late"), "taken");
});

test("--print-config shows the class by its name, and the settings that it makes of its options", async (t) => {
  const { stdout, status } = await runCommand(t, {
    cwd: fixtureApps,
    args: ["-k", "own_workers.OwnAsgi", "--print-config", "asgi_app:app"],
  });
  assert.equal(status, 0);
  for (const [name, value] of [
    ["worker_class", "own_workers.OwnAsgi"],
    ["asgi_lifespan", "off"],
    ["root_path", "/echo"],
    ["keepalive", "60"],
    ["worker_connections", "7"],
    ["websocket_max_message_size", "100000"],
    ["websocket_ping_interval", "0"],
    ["websocket_ping_timeout", "20"],
  ]) {
    assert.match(stdout, new RegExp(`^${name} += ${value}$`, "m"));
  }
});

test("a configuration file may define the class, and a reload takes a changed one", async (t) => {
  const config = (mark: string): string => `
from gunicorn.workers.sync import SyncWorker

class Mine(SyncWorker):
    def init_process(self):
        print("own: ${mark}", flush=True)
        super().init_process()

worker_class = Mine
`;
  const folder = await temporaryFolder(t, { "gunicorn.conf.py": config("first") });
  const server = await startServer(t, {
    cwd: folder,
    args: [...LOOPBACK, "--chdir", fixtureApps, "echo"],
  });
  await server.waitForLine(/^own: first/);
  await writeFiles(folder, { "gunicorn.conf.py": config("second") });
  server.signal("SIGHUP");
  await server.waitForLine(/Reloaded/);
  assert.deepEqual(told(server), ["first", "second"]);
});

test("neither Gunicorn nor uvicorn need be installed for a class that derives from theirs", async (t) => {
  const folder = await temporaryFolder(t, {
    "mine.py": `
from uvicorn.workers import UvicornWorker
from uvicorn_worker import UvicornH11Worker

class Mine(UvicornWorker):
    def run(self):
        print("own: run", flush=True)
        super().run()
`,
    "app.py": `
import importlib.util

async def application(scope, receive, send):
    body = str([importlib.util.find_spec(name) is None for name in ("uvicorn", "gunicorn.app")]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
`,
  });
  const server = await startServer(t, {
    cwd: folder,
    python: await bareInterpreter(t),
    args: [...LOOPBACK, "-k", "mine.Mine", "app"],
  });
  assert.equal((await request(server.port, "/")).text, "[True, True]", "the application finds no uvicorn");
  assert.deepEqual(told(server), ["run"]);
});

test("Gunicorn's own classes may be named by their entry points", async (t) => {
  const server = await startFixture(t, "threads", { args: ["-k", "egg:gunicorn#gthread"] });
  await server.waitForLine(/Using worker: gthread$/);
  assert.equal((await request(server.port, "/")).status, 200);
});

for (const [name, says] of [
  [
    "own_workers.Handles",
    /"own_workers\.Handles" overrides handle_request\(\), which cannot be honoured: .*\n.*middleware/,
  ],
  [
    "own_workers.Alone",
    /"own_workers\.Alone" derives from gunicorn\.workers\.base\.Worker, and from no .*\n.*SyncWorker.* aiohttp .*its own server/,
  ],
  [
    "own_workers.Unrelated",
    /"own_workers\.Unrelated" derives from builtins\.object, and from no worker class/,
  ],
  ["own_workers.function", /"own_workers\.function" is <function function .*, want a class/],
  ["own_workers.Missing", /the module "own_workers" has no "Missing"/],
  [
    "nowhere.Missing",
    /Cannot import the worker class "nowhere\.Missing"\nModuleNotFoundError: .*'nowhere'\n {2}.* install it there/,
  ],
  ["uvicorn.worker.UvicornWorker", /\n {2}Did you mean uvicorn\.workers\.UvicornWorker\?/],
  [
    "boot_raises.Worker",
    /Cannot import the worker class "boot_raises\.Worker"\nTraceback[^]*boot_raises\.py/,
  ],
  ["egg:nothing#worker", /The package "nothing" of a worker class is not installed/],
  [
    "own_workers.WrongLifespan",
    /asgi_lifespan from CONFIG_KWARGS of own_workers\.WrongLifespan: "sometimes"/,
  ],
  ["own_workers.Secure", /CONFIG_KWARGS of own_workers\.Secure: ssl_keyfile_password is not possible yet/],
] as const) {
  test(`the class ${name} is refused with a reason`, async (t) => {
    const { status, stderr } = await runCommand(t, {
      cwd: fixtureApps,
      args: [...LOOPBACK, "-k", name, "echo"],
    });
    assert.equal(status, 1);
    assert.match(stderr, says);
  });
}

for (const [name, says] of [
  ["RaisesEarly", /The worker class own_workers\.RaisesEarly raised\nTraceback[^]*RuntimeError: early/],
  ["RaisesInProcess", /Exception in worker process\nTraceback[^]*RuntimeError: in the process/],
  ["ReadsSockets", /no attribute 'sockets': the router process holds the sockets/],
] as const) {
  test(`what the class ${name} raises ends the start with 3, and is told`, async (t) => {
    const { status, stderr } = await runCommand(t, {
      cwd: fixtureApps,
      args: [...LOOPBACK, "-k", `own_workers.${name}`, "echo"],
    });
    assert.equal(status, 3);
    assert.match(stderr, says);
  });
}

test("a module beside the application is found with chdir and pythonpath", async (t) => {
  const folder = await temporaryFolder(t, {
    "lib/mine.py": "from gunicorn.workers.sync import SyncWorker\nclass Mine(SyncWorker): pass\n",
  });
  const server = await startServer(t, {
    cwd: folder,
    args: [
      ...LOOPBACK,
      "--pythonpath",
      join(folder, "lib"),
      "--chdir",
      fixtureApps,
      "-k",
      "mine.Mine",
      "echo",
    ],
  });
  assert.equal((await request(server.port, "/")).status, 200);
});
