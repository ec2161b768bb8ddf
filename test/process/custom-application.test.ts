import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";

import { request } from "../helpers/client.ts";
import { type LaunchOptions, python, repositoryRoot, runCommand, startServer } from "../helpers/server.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

/** The program of Gunicorn's documentation, with tunicorn in the place of gunicorn. */
function program(greeting: string): string {
  return `
import os, sys
from gunicorn.glogging import Logger
from tunicorn.app.base import BaseApplication

class Log(Logger):
    def info(self, msg, *args, **kwargs):
        super().info("our " + msg, *args, **kwargs)

def handler(environ, start_response):
    start_response("200 OK", [])
    return [f"${greeting} {sys.argv[1:]} {__name__} {made_in == os.getpid()}".encode()]

def post_fork(server, worker):
    worker.log.info("post_fork saw %s", worker.cfg.workers)

class StandaloneApplication(BaseApplication):
    def __init__(self, app, options=None):
        self.options = options or {}
        self.application = app
        super().__init__()

    def load_config(self):
        config = {key: value for key, value in self.options.items()
                  if key in self.cfg.settings and value is not None}
        for key, value in config.items():
            self.cfg.set(key.lower(), value)

    def load(self):
        global made_in
        made_in = os.getpid()
        return self.application

if __name__ == "__main__":
    options = {"bind": "127.0.0.1:0", "workers": 2, "post_fork": post_fork, "logger_class": Log, "own": 1}
    try:
        StandaloneApplication(handler, options).run()
    except:
        sys.exit("the program was interrupted")
`;
}

/** How a program finds tunicorn, which pip would have installed, and the Node of these tests. */
function started(cwd: string, ...command: string[]): LaunchOptions {
  const path = [dirname(process.execPath), process.env["PATH"]].join(":");
  const env = { PYTHONPATH: join(repositoryRoot, "python"), PATH: path };
  return { cwd, env, command: [python, ...command], args: [] };
}

async function failure(t: TestContext, text: string): Promise<{ status: number | null; stderr: string }> {
  const cwd = await temporaryFolder(t, { "failing.py": text });
  return runCommand(t, started(cwd, "failing.py"));
}

test("a program that derives from BaseApplication is the server", async (t) => {
  const folder = await temporaryFolder(t, { "main.py": program("Hello") });
  const server = await startServer(t, { ...started(folder, "main.py", "--colour", "red"), workers: 2 });

  await t.test("with its own application, arguments and settings", async () => {
    await server.waitForLine(/our Ready: 2 workers/);
    const { text } = await request(server.port, "/");
    assert.equal(text, "Hello ['--colour', 'red'] __main__ True");
  });

  await t.test("with its own hooks and its own logger class", async () => {
    await server.waitForLine(/our post_fork saw 2/, { count: 2 });
  });

  await t.test("and is run anew by a reload", async () => {
    await writeFiles(folder, { "main.py": program("Good evening") });
    server.signal("SIGHUP");
    await server.waitForLine(/Reloaded: 2 workers/);
    assert.match((await request(server.port, "/")).text, /^Good evening /);
  });

  await t.test("and goes on when it cannot be run anew", async () => {
    await writeFiles(folder, { "main.py": "1 / 0" });
    server.signal("SIGHUP");
    await server.waitForLine(/ZeroDivisionError/);
    assert.match((await request(server.port, "/")).text, /^Good evening /);
  });

  await t.test("and ends with status 0", async () => {
    assert.deepEqual(await server.stop(), { status: 0, signal: null });
  });
});

test("a program may be a module that -m runs, with ways to its package", async (t) => {
  const main = program("Hello").replace("{__name__}", "{greeting.WORD}");
  const folder = await temporaryFolder(t, {
    "shop/__init__.py": "",
    "shop/greeting.py": 'WORD = "from the shop"\n',
    "shop/__main__.py": `from . import greeting\n${main}`,
  });
  const server = await startServer(t, { ...started(folder, "-m", "shop"), workers: 2 });
  assert.equal((await request(server.port, "/")).text, "Hello [] from the shop True");
});

const FAILING = "from tunicorn.app.base import BaseApplication\nclass Own(BaseApplication):\n";
const RUN = '\nif __name__ == "__main__":\n    Own().run()\n';

test("a program whose load() raises ends with the traceback and status 4", async (t) => {
  const { status, stderr } = await failure(
    t,
    `${FAILING}    def load_config(self): self.cfg.set("bind", "127.0.0.1:0")\n    def load(self): 1 / 0${RUN}`,
  );
  assert.equal(status, 4);
  assert.match(stderr, /failing\.py", line 4, in load\n[^]*ZeroDivisionError/);
});

test("a value that a program sets is checked as one of a configuration file", async (t) => {
  const { status, stderr } = await failure(
    t,
    `${FAILING}    def load_config(self): self.cfg.set("workers", "many")${RUN}`,
  );
  assert.equal(status, 1);
  assert.match(stderr, /Invalid value for workers.*many/);
});

test("a program that calls run() the first time only is told so", async (t) => {
  const once =
    'import os\nif os.environ.setdefault("TIMES", "") == "": os.environ["TIMES"] = "1"; Own().run()\n';
  const { status, stderr } = await failure(t, `${FAILING}    def load_config(self): pass\n${once}`);
  assert.equal(status, 1);
  assert.match(stderr, /failing\.py ended without a call of run\(\)/);
});

test("WSGIApplication serves the application that app_uri names, and run() is the command", async (t) => {
  const folder = await temporaryFolder(t, {
    "wsgi.py":
      'def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"by its name"]\n',
    "main.py": `
from tunicorn.app.wsgiapp import WSGIApplication

class Own(WSGIApplication):
    app_uri = "wsgi:app"
    def load_config(self):
        self.cfg.set("bind", "127.0.0.1:0")
        self.cfg.set("preload_app", True)

Own().run()
`,
  });
  const server = await startServer(t, started(folder, "main.py"));
  assert.equal((await request(server.port, "/")).text, "by its name");

  const command = started(folder, "-c", "from tunicorn.app.wsgiapp import run; run()", "--version");
  assert.match((await runCommand(t, command)).stdout, /^tunicorn \(version /);
});
