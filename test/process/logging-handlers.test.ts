import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { request } from "../helpers/client.ts";
import { BOOT_DEADLINE_MS, LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { fixtureApps, launch, repositoryRoot, runCommand, type ServerProcess } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** Writes a line of JSON for each record, with what a formatter of the user's own may ask of it. */
const HANDLERS = `
import json
import logging


class Lines(logging.Formatter):
    def format(self, record):
        line = {"logger": record.name, "level": record.levelname, "pid": record.process}
        if record.name == "gunicorn.access":
            atoms = record.args
            line["atoms"] = {name: atoms[name] for name in ("h", "r", "s", "{x-tag}i", "{x-twice}o", "p")}
            line["environ"] = atoms["{path_info}e"]
        return json.dumps({**line, "message": record.getMessage()})


def configuration(name):
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": Lines}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": name, "formatter": "lines"}},
        "root": {"level": "INFO", "handlers": ["file"]},
        "loggers": {
            "gunicorn.error": {"level": "INFO", "handlers": ["file"], "propagate": False},
            "gunicorn.access": {"level": "INFO", "handlers": ["file"], "propagate": False},
        },
    }
`;

interface Line {
  readonly logger: string;
  readonly level: string;
  readonly pid: number;
  readonly message: string;
  readonly atoms?: Readonly<Record<string, string>>;
  readonly environ?: string;
}

class Place {
  readonly folder: string;
  readonly address: string;

  constructor(folder: string) {
    this.folder = folder;
    this.address = join(folder, "s");
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  text(name: string): string {
    return existsSync(this.path(name)) ? readFileSync(this.path(name), "utf8") : "";
  }

  lines(name: string): Line[] {
    return this.text(name)
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line);
  }

  async untilHas(name: string, pattern: RegExp): Promise<void> {
    await untilTrue(() => pattern.test(this.text(name)), {
      deadlineMs: LOG_DEADLINE_MS,
      what: () => `${pattern} in ${name}:\n${this.text(name)}`,
    });
  }
}

/** Starts a server in a folder of its own with these files, and waits until it answers. */
async function start(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<{ readonly server: ServerProcess; readonly place: Place }> {
  const place = new Place(await temporaryFolder(t, files));
  const application = files["gunicorn.conf.py"]?.includes("wsgi_app") === true ? [] : ["logs"];
  const server = launch(t, {
    cwd: place.folder,
    args: ["-b", `unix:${place.address}`, "--pythonpath", fixtureApps, ...args, ...application],
  });
  const answers = async (): Promise<boolean> => {
    try {
      await request(place.address, "/ready");
      return true;
    } catch {
      return false;
    }
  };
  await untilTrue(answers, { deadlineMs: BOOT_DEADLINE_MS, what: () => `an answer:\n${server.text}` });
  return { server, place };
}

test("handlers of logconfig_dict get the records of arbiter, router and workers, with all their atoms", async (t) => {
  const { server, place } = await start(t, {
    "gunicorn.conf.py": `${HANDLERS}\nlogconfig_dict = configuration("a.log")\n`,
  });
  await request(place.address, "/a%20b?to=logger&text=hello", { headers: { "X-Tag": "7" } });
  await place.untilHas("a.log", /a%20b/);
  // The first answer may come before the arbiter has heard that the worker is ready.
  await place.untilHas("a.log", /Ready: 1 worker/);
  const lines = place.lines("a.log");
  const find = (pattern: RegExp): Line | undefined => lines.find(({ message }) => pattern.test(message));
  assert.equal(find(/^Starting tunicorn/)?.pid, server.pid);
  assert.equal(find(/^Ready: 1 worker/)?.pid, server.pid);
  const worker = Number(/\d+$/.exec(find(/^Booting worker with pid/)?.message ?? "")?.[0]);
  assert.deepEqual(find(/^hello$/), {
    logger: "gunicorn.error",
    level: "WARNING",
    pid: worker,
    message: "hello",
  });
  const access = find(/a%20b/);
  assert.deepEqual(access?.atoms, {
    h: "-",
    r: "GET /a%20b?to=logger&text=hello HTTP/1.1",
    s: "200",
    "{x-tag}i": "7",
    "{x-twice}o": "2",
    p: `<${worker}>`,
  });
  assert.equal(access?.environ, "/a b");
  assert.equal(access?.pid, worker);

  await t.test("and files of theirs are opened anew at USR1", async () => {
    renameSync(place.path("a.log"), place.path("a.log.1"));
    server.signal("SIGUSR1");
    await untilTrue(
      async () => {
        await request(place.address, "/again?to=logger&text=again");
        return /GET \/again/.test(place.text("a.log")) && /"message": "again"/.test(place.text("a.log"));
      },
      { deadlineMs: LOG_DEADLINE_MS, what: () => `lines of router and worker in:\n${place.text("a.log")}` },
    );
  });

  await t.test("and a reload puts others in their place", async () => {
    await writeFile(place.path("gunicorn.conf.py"), `${HANDLERS}\nlogconfig_dict = configuration("b.log")\n`);
    server.signal("SIGHUP");
    await place.untilHas("b.log", /Reloaded: 1 worker/);
    await request(place.address, "/after");
    await place.untilHas("b.log", /GET \/after/);
    assert.doesNotMatch(place.text("a.log"), /GET \/after/);
  });

  await t.test("and the end is logged, and leaves no process", async () => {
    assert.equal((await server.stop()).status, 0);
    assert.match(place.text("b.log"), /Shutting down: tunicorn/);
    assert.equal(server.text, "");
  });
});

test("the examples of docs/logging.md do what it says", async (t) => {
  const page = readFileSync(join(repositoryRoot, "docs/logging.md"), "utf8");
  const example = (name: string): string =>
    new RegExp(`\`\`\`python\\n(# ${name}[^]*?)\`\`\``).exec(page)?.[1] ?? assert.fail(name);
  const { server, place } = await start(t, {
    "gunicorn.conf.py": `${example("gunicorn.conf.py")}\nlogger_class = "shop.logging.ShopLogger"\n`,
    "shop/__init__.py": "",
    "shop/logging.py": example("shop/logging.py"),
  });
  await request(place.address, "/health");
  await request(place.address, "/page", { headers: { "X-Request-ID": "7" } });
  await place.untilHas("access.log", /\/page/);
  assert.match(
    place.text("access.log"),
    /^\{"client": "-?", "request": "GET \/page HTTP\/1\.1", "id": "7"\}$/m,
  );
  assert.doesNotMatch(place.text("access.log"), /health/);
  // The error log is not named, and stays where it is.
  assert.match(server.text, / \[INFO\] Ready: 1 worker/);
  assert.equal((await server.stop()).status, 0);
});

const INI = `
[loggers]
keys=root,error,access
[handlers]
keys=file
[formatters]
keys=lines
[logger_root]
level=INFO
handlers=file
[logger_error]
level=INFO
handlers=file
propagate=0
qualname=gunicorn.error
[logger_access]
level=INFO
handlers=file
propagate=0
qualname=gunicorn.access
[handler_file]
class=FileHandler
formatter=lines
args=('%(here)s/a.log',)
[formatter_lines]
format=%(name)s %(levelname)s %(message)s
`;

test("logconfig takes an ini file and logconfig_json a JSON file", async (t) => {
  const json = JSON.stringify({
    formatters: { lines: { format: "%(name)s %(levelname)s %(message)s" } },
    handlers: { file: { class: "logging.FileHandler", filename: "a.log", formatter: "lines" } },
    root: { level: "INFO", handlers: ["file"] },
    loggers: {
      "gunicorn.error": { level: "INFO", handlers: ["file"], propagate: false },
      "gunicorn.access": { level: "INFO", handlers: ["file"], propagate: false },
    },
  });
  for (const [name, flag, text] of [
    ["logging.ini", "--log-config", INI],
    ["logging.json", "--log-config-json", json],
  ] as const) {
    const { server, place } = await start(t, { [name]: text }, [
      flag,
      name,
      "--access-logformat",
      "%(m)s %(U)s",
    ]);
    await place.untilHas("a.log", /^gunicorn\.access INFO GET \/ready$/m);
    await place.untilHas("a.log", /^gunicorn\.error INFO Ready: /m);
    assert.equal((await server.stop()).status, 0);
  }
});

test("handlers see the environ as the application has left it, all of it", async (t) => {
  const { server, place } = await start(t, {
    "gunicorn.conf.py":
      "import logging\n\n\nclass Lines(logging.Formatter):\n    def format(self, record):\n" +
      '        return f\'{record.args["h"]} {record.args["{shop.order}e"]} {record.args["{remote_user}e"]}\'\n\n\n' +
      "logconfig_dict = {\n    'formatters': {'lines': {'()': Lines}},\n" +
      "    'handlers': {'file': {'class': 'logging.FileHandler', 'filename': 'a.log', 'formatter': 'lines'}},\n" +
      "    'root': {'level': 'INFO', 'handlers': []},\n" +
      "    'loggers': {'gunicorn.access': {'level': 'INFO', 'handlers': ['file'], 'propagate': False}},\n}\n" +
      "wsgi_app = 'authentication:changed'\n",
  });
  await request(place.address, "/outer", { headers: { "X-Forwarded-For": "203.0.113.9" } });
  await place.untilHas("a.log", /^203\.0\.113\.9 7 ann$/m);
  assert.equal((await server.stop()).status, 0);
});

for (const { what, files = {}, args, message } of [
  {
    what: "a logconfig that is not there",
    args: ["--log-config", "none.ini"],
    message: /Cannot read logconfig "none\.ini": there is no such file/,
  },
  {
    what: "a logconfig_dict whose handler cannot be made",
    files: {
      "gunicorn.conf.py":
        "logconfig_dict = {'handlers': {'file': {'class': 'logging.FileHandler', 'filename': '/no/such/a.log'}}}\n",
    },
    args: [],
    message: /Cannot use logconfig_dict: Unable to configure handler 'file': .*No such file or directory/,
  },
  {
    what: "a logger_class that raises",
    files: {
      "gunicorn.conf.py":
        "from gunicorn.glogging import Logger\nclass logger_class(Logger):\n" +
        "    def setup(self, cfg):\n        raise ValueError('no collector')\n",
    },
    args: [],
    message: /The logger_class "__config__\.logger_class" raised\nTraceback[^]*ValueError: no collector/,
  },
  {
    what: "a syslog facility that nobody knows",
    args: ["--log-syslog", "--log-syslog-facility", "local8"],
    message: /Invalid value for syslog_facility from the command line: "local8"/,
  },
]) {
  test(`${what} ends the start with a message`, async (t) => {
    const cwd = await temporaryFolder(t, files);
    const common = ["-b", `unix:${join(cwd, "s")}`, "--pythonpath", fixtureApps];
    const end = await runCommand(t, { cwd, args: [...common, ...args, "logs"] });
    assert.equal(end.status, 1, end.text);
    assert.match(end.stderr, message);
    assert.doesNotMatch(end.stderr, /python\/tunicorn\//);
  });
}

/** Derived from Gunicorn's class by its own name: the real one, where Gunicorn is installed beside. */
const LOGGER_CLASS = `
import json
import logging

import gunicorn.glogging


class Logger(gunicorn.glogging.Logger):
    def setup(self, cfg):
        super().setup(cfg)
        handler = logging.FileHandler("own.log")
        handler.setFormatter(logging.Formatter("%(name)s %(process)d %(message)s"))
        for log in (self.error_log, self.access_log):
            log.addHandler(handler)

    def atoms(self, resp, req, environ, request_time):
        atoms = super().atoms(resp, req, environ, request_time)
        headers = dict(req.headers)
        atoms["own"] = f"{req.method} {req.path} {headers.get('X-TAG')} {resp.status} {resp.sent} {dict(resp.headers)['X-Twice']}"
        return atoms

    def access(self, resp, req, environ, request_time):
        if environ["PATH_INFO"] == "/raise":
            raise RuntimeError(f"of {req.uri}")
        if environ["PATH_INFO"] != "/health":
            super().access(resp, req, environ, request_time)

    def warning(self, msg, *args, **kwargs):
        super().warning(f"own: {msg}", *args, **kwargs)
`;

test("a logger_class of the user's own decides what is logged, and how", async (t) => {
  const { server, place } = await start(
    t,
    {
      "own_logging.py": LOGGER_CLASS,
      "gunicorn.conf.py":
        'def on_starting(server):\n    server.log.warning("from %s", "a hook")\n' +
        "slip = 1\ntimeouts = 3\n",
    },
    ["--logger-class", "own_logging.Logger", "--access-logfile", "-", "--access-logformat", "%(own)s %(p)s"],
  );
  await request(place.address, "/health");
  await request(place.address, "/raise");
  await request(place.address, "/raise");
  await request(place.address, "/shop", { headers: { "X-Tag": "7" } });
  await place.untilHas("own.log", /\/shop/);
  const own = place.text("own.log");
  const worker = /Booting worker with pid: (\d+)/.exec(own)?.[1];
  assert.match(own, new RegExp(`^gunicorn\\.access ${worker} GET /shop 7 200 OK 8 2 <${worker}>$`, "m"));
  assert.match(
    own,
    new RegExp(`^gunicorn\\.error ${server.pid} own: .*no setting timeouts. Did you mean timeout`, "m"),
  );
  assert.match(own, /^gunicorn\.error \d+ own: from a hook$/m);
  assert.doesNotMatch(own, /health/);
  // Once, although it comes with every request.
  assert.equal(own.match(/The logger raised RuntimeError: of \/raise$/gm)?.length, 1);
  // Its own handlers stand beside the usual ones.
  await server.waitForLine(/^GET \/shop 7 200 OK 8 2/);
  assert.equal((await server.stop()).status, 0);
});

test("a log process that dies is replaced, and no request waits for it", async (t) => {
  const { server, place } = await start(t, {
    "gunicorn.conf.py": `${HANDLERS}\nlogconfig_dict = configuration("a.log")\n`,
  });
  await place.untilHas("a.log", /GET \/ready/);
  const logProcess = server.processTree().find(({ command }) => /tunicorn: log /.test(command));
  assert.ok(logProcess !== undefined, JSON.stringify(server.processTree()));
  process.kill(logProcess.pid, "SIGKILL");
  await request(place.address, "/meanwhile");
  await place.untilHas("a.log", /The log process ended by SIGKILL; another one takes over/);
  await request(place.address, "/afterwards");
  await place.untilHas("a.log", /GET \/meanwhile/);
  await place.untilHas("a.log", /GET \/afterwards/);
  assert.equal((await server.stop()).status, 0);
});

test("a handler that is stuck costs records, and neither requests nor the stop", async (t) => {
  const { server, place } = await start(t, {
    "gunicorn.conf.py":
      "import logging\nimport time\n\n\nclass Stuck(logging.Handler):\n" +
      "    def emit(self, record):\n        time.sleep(3600)\n\n\n" +
      "logconfig_dict = {\n" +
      "    'handlers': {'stuck': {'()': Stuck}},\n" +
      "    'root': {'level': 'INFO', 'handlers': []},\n" +
      "    'loggers': {'gunicorn.access': {'level': 'INFO', 'handlers': ['stuck'], 'propagate': False}},\n" +
      "}\n",
  });
  const headers = { "X-Large": "x".repeat(8000) };
  for (let count = 0; count < 300; count += 1) {
    assert.equal((await request(place.address, "/", { headers })).status, 200);
  }
  assert.equal((await server.stop()).status, 0);
});
