import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { request } from "../helpers/client.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { fixtureApps, LOOPBACK, launch, runCommand, startFixture, startServer } from "../helpers/server.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

/** Makes the fixtures importable from a working folder that holds only settings. */
const WITH_FIXTURES = { PYTHONPATH: fixtureApps };

interface Surroundings {
  readonly folder: string;
  readonly multiprocess: boolean;
  readonly env: Readonly<Record<string, string | null>>;
  readonly path: readonly string[];
}

async function askSurroundings(port: number, ...names: string[]): Promise<Surroundings> {
  const query = names.map((name) => `env=${name}`).join("&");
  return JSON.parse((await request(port, `/?${query}`)).text) as Surroundings;
}

const layers = [
  { layer: "the default", expected: "30" },
  { layer: "gunicorn.conf.py in the working folder", expected: "31", file: "timeout = 31\n" },
  { layer: "GUNICORN_CMD_ARGS", expected: "32", file: "timeout = 31\n", variable: "--timeout 32" },
  {
    layer: "the command line",
    expected: "33",
    file: "timeout = 31\n",
    variable: "--timeout=32",
    args: ["--timeout", "33"],
  },
] as const;

test("each layer of the settings goes before the ones below it", async (t) => {
  for (const { layer, expected, ...given } of layers) {
    await t.test(layer, async (t) => {
      const files = "file" in given ? { "gunicorn.conf.py": given.file } : {};
      const { status, stdout, text } = await runCommand(t, {
        cwd: await temporaryFolder(t, files),
        args: [...("args" in given ? given.args : []), "--print-config", "pid"],
        env: { ...WITH_FIXTURES, ...("variable" in given ? { GUNICORN_CMD_ARGS: given.variable } : {}) },
      });
      assert.equal(status, 0, text);
      assert.match(stdout, new RegExp(`^timeout\\s+= ${expected}$`, "m"));
    });
  }
});

test("-c names another settings file, also from GUNICORN_CMD_ARGS", async (t) => {
  const cwd = await temporaryFolder(t, {
    "gunicorn.conf.py": "timeout = 31\n",
    "other.py": "timeout = 34\n",
    "third.py": "timeout = 35\n",
  });
  const ask = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const end = await runCommand(t, {
      cwd,
      args: [...args, "--print-config", "pid"],
      env: { ...WITH_FIXTURES, ...env },
    });
    return /^timeout\s+= (\d+)$/m.exec(end.stdout)?.[1];
  };

  assert.equal(await ask(["-c", "other.py"]), "34");
  assert.equal(await ask([], { GUNICORN_CMD_ARGS: "-c third.py" }), "35");
  assert.equal(await ask(["-c", "other.py"], { GUNICORN_CMD_ARGS: "-c third.py" }), "34");
});

test("GUNICORN_CMD_ARGS is split as a shell would", async (t) => {
  const server = await startFixture(t, "surroundings", {
    env: { GUNICORN_CMD_ARGS: "--env 'GREETING=good day' -w 2" },
    workers: 2,
  });
  assert.equal((await askSurroundings(server.port, "GREETING")).env["GREETING"], "good day");
});

test("WEB_CONCURRENCY is the default number of workers", async (t) => {
  await t.test("when nothing else names one", async (t) => {
    const server = await startFixture(t, "surroundings", { env: { WEB_CONCURRENCY: "3" }, workers: 3 });
    assert.equal((await askSurroundings(server.port)).multiprocess, true);
  });

  await t.test("and the settings file goes before it", async (t) => {
    const { stdout } = await runCommand(t, {
      cwd: await temporaryFolder(t, { "gunicorn.conf.py": "workers = 2\n" }),
      args: ["--print-config", "pid"],
      env: { ...WITH_FIXTURES, WEB_CONCURRENCY: "3" },
    });
    assert.match(stdout, /^workers\s+= 2$/m);
  });
});

test("the settings file is Python: imports, functions and the environment work in it", async (t) => {
  const file = `
import multiprocessing
import os
from helper import seconds


def half(number):
    return number // 2


workers = half(multiprocessing.cpu_count() * 4)
timeout = seconds(minutes=int(os.environ.get("MINUTES", 1)))
proc_name = os.path.basename(__file__)
`;
  const helper = "def seconds(minutes):\n    return 60 * minutes\n";
  const { status, stdout, text } = await runCommand(t, {
    cwd: await temporaryFolder(t, { "gunicorn.conf.py": file, "helper.py": helper }),
    args: ["--print-config", "pid"],
    env: { MINUTES: "3", PYTHONPATH: `.:${fixtureApps}` },
  });
  assert.equal(status, 0, text);
  assert.match(stdout, /^timeout\s+= 180$/m);
  assert.match(stdout, /^proc_name\s+= gunicorn\.conf\.py$/m);
});

test("--print-config prints every setting in order and starts nothing", async (t) => {
  const { status, stdout } = await runCommand(t, {
    cwd: await temporaryFolder(t),
    args: ["-b", "127.0.0.1:1", "--print-config", "pid"],
    env: WITH_FIXTURES,
  });
  assert.equal(status, 0);
  const names = stdout.split("\n").flatMap((line) => /^(\w+)\s+= /.exec(line)?.[1] ?? []);
  const sorted = names.toSorted((left, right) => (left < right ? -1 : 1));
  assert.deepEqual(names, sorted);
  for (const name of ["bind", "backlog", "workers", "worker_class", "keepalive", "graceful_timeout"]) {
    assert(names.includes(name), name);
  }
  assert.match(stdout, /^bind\s+= \['127\.0\.0\.1:1'\]$/m);
  assert.doesNotMatch(stdout, /Listening/);
});

test("--http-parser takes Gunicorn's words, and no others", async (t) => {
  for (const [word, status] of [
    ["fast", 0],
    ["python", 0],
    ["quick", 1],
  ] as const) {
    const args = ["--http-parser", word, "--check-config", "pid"];
    const end = await runCommand(t, { cwd: fixtureApps, args });
    assert.equal(end.status, status, end.text);
    if (status === 1) assert.match(end.stderr, /http_parser .*"quick", want one of auto, fast, python/);
  }
});

test("--check-config loads the application and says with its status whether it could", async (t) => {
  const cwd = await temporaryFolder(t);
  const good = await runCommand(t, { cwd, args: ["--check-config", "pid"], env: WITH_FIXTURES });
  assert.equal(good.status, 0, good.text);
  assert.doesNotMatch(good.text, /Listening/);

  const bad = await runCommand(t, { cwd, args: ["--check-config", "boot_raises"], env: WITH_FIXTURES });
  assert.notEqual(bad.status, 0);
  assert.match(bad.stderr, /no database at import/);
});

test("--check-config finds an application through pythonpath and chdir, as a start would", async (t) => {
  const cwd = await temporaryFolder(t);
  for (const option of ["--pythonpath", "--chdir"]) {
    const end = await runCommand(t, { cwd, args: [option, fixtureApps, "--check-config", "pid"] });
    assert.equal(end.status, 0, end.text);
  }
});

test("raw_env puts variables into the application's environment", async (t) => {
  const cwd = await temporaryFolder(t, {
    "gunicorn.conf.py": 'raw_env = ["COLOUR=green", "EQUATION=a=b"]\n',
  });
  await t.test("from the settings file", async (t) => {
    const server = await startServer(t, { cwd, args: [...LOOPBACK, "surroundings"], env: WITH_FIXTURES });
    const { env } = await askSurroundings(server.port, "COLOUR", "EQUATION");
    assert.deepEqual(env, { COLOUR: "green", EQUATION: "a=b" });
  });
  await t.test("from repeated -e, which replace those of the file", async (t) => {
    const args = [...LOOPBACK, "-e", "SHAPE=round", "--env", "SIZE=big", "surroundings"];
    const server = await startServer(t, { cwd, args, env: WITH_FIXTURES });
    const { env } = await askSurroundings(server.port, "COLOUR", "SHAPE", "SIZE");
    assert.deepEqual(env, { COLOUR: null, SHAPE: "round", SIZE: "big" });
  });
});

test("chdir is where the application is found and runs", async (t) => {
  const cwd = await temporaryFolder(t);
  const server = await startServer(t, { cwd, args: [...LOOPBACK, "--chdir", fixtureApps, "surroundings"] });
  const { folder, path } = await askSurroundings(server.port);
  assert.equal(folder, fixtureApps);
  assert.equal(path[0], fixtureApps);
});

test("log files of all processes are relative to chdir, as the application's own files are", async (t) => {
  const folder = await temporaryFolder(t);
  const args = [...LOOPBACK, "--access-logfile", "access.log", "--error-logfile", "error.log"];
  const server = launch(t, {
    cwd: await temporaryFolder(t),
    env: WITH_FIXTURES,
    args: [...args, "--chdir", folder, "surroundings"],
  });
  const log = (name: string): Promise<string> => readFile(join(folder, name), "utf8").catch(() => "");
  const address = /Listening at: http:\/\/\S+:(\d+)/;
  await untilTrue(async () => address.test(await log("error.log")), {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `the address in error.log\n${server.text}`,
  });
  await request(Number(address.exec(await log("error.log"))?.[1]), "/");
  await untilTrue(async () => /"GET \/ HTTP/.test(await log("access.log")), {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => "the request in access.log",
  });
});

test("pythonpath adds folders to look for the application in, and leaves the working folder", async (t) => {
  const cwd = await temporaryFolder(t);
  const other = await temporaryFolder(t);
  const args = [...LOOPBACK, "--pythonpath", `${other},${fixtureApps}`, "surroundings"];
  const server = await startServer(t, { cwd, args });
  const { folder, path } = await askSurroundings(server.port);
  assert.equal(folder, cwd);
  assert(path.includes(other));
});

test("the pidfile holds the pid of the command and goes with it", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "server.pid");
  const server = await startFixture(t, "pid", { args: ["-p", path] });
  await request(server.port, "/");
  assert.equal(await readFile(path, "utf8"), `${server.pid}\n`);

  await t.test("a second server refuses to take it over while it runs", async (t) => {
    const second = await runCommand(t, { cwd: fixtureApps, args: [...LOOPBACK, "-p", path, "pid"] });
    assert.equal(second.status, 1, second.text);
    assert(second.stderr.includes(String(server.pid)));
    assert.equal(await readFile(path, "utf8"), `${server.pid}\n`);
  });

  await server.stop();
  assert(!existsSync(path));
});

test("a reload moves the pidfile to where the settings have it by then, and restores one that is gone", async (t) => {
  const folder = await temporaryFolder(t, { "gunicorn.conf.py": "pidfile = 'first.pid'\n" });
  const at = (name: string): string => join(folder, name);
  const server = await startServer(t, {
    cwd: folder,
    args: [...LOOPBACK, "--pythonpath", fixtureApps, "pid"],
  });
  assert.equal(await readFile(at("first.pid"), "utf8"), `${server.pid}\n`);
  await server.waitForLine(/Ready: /);

  await writeFiles(folder, { "gunicorn.conf.py": "pidfile = 'second.pid'\n" });
  server.signal("SIGHUP");
  await server.waitForLine(/Reloaded: /);
  assert.equal(await readFile(at("second.pid"), "utf8"), `${server.pid}\n`);
  assert(!existsSync(at("first.pid")));

  await rm(at("second.pid"));
  server.signal("SIGHUP");
  await server.waitForLine(/Reloaded: /, { count: 2 });
  assert.equal(await readFile(at("second.pid"), "utf8"), `${server.pid}\n`);

  await writeFiles(folder, { "gunicorn.conf.py": "pidfile = 'missing/third.pid'\n" });
  server.signal("SIGHUP");
  await server.waitForLine(/The reload failed.*missing\/third\.pid/);
  assert.equal(await readFile(at("second.pid"), "utf8"), `${server.pid}\n`);

  await server.stop();
  assert(!existsSync(at("second.pid")));
});

test("a pidfile left by a process that is gone is overwritten", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "server.pid");
  const first = await startFixture(t, "pid");
  await first.stop();
  await writeFiles(folder, { "server.pid": `${first.pid}\n` });

  const server = await startFixture(t, "pid", { args: ["-p", path] });
  assert.equal(await readFile(path, "utf8"), `${server.pid}\n`);
});

test("the access log goes to a file in the format that is asked for", async (t) => {
  const path = join(await temporaryFolder(t), "access.log");
  const format =
    "%(h)s|%(u)s|%(m)s|%(U)s|%(q)s|%(H)s|%(s)s|%(B)s|%(f)s|%(a)s|%({x-test}i)s|%({content-type}o)s|%(r)s";
  const server = await startFixture(t, "echo", {
    args: ["--access-logfile", path, "--access-logformat", format],
  });
  const headers = {
    Authorization: `Basic ${Buffer.from("Ada:secret").toString("base64")}`,
    Referer: "http://from.example/",
    "User-Agent": 'say "hi"',
    "X-Test": "42",
  };
  const { body } = await request(server.port, "/where?q=1", { headers });
  await server.stop();

  const fields = ["127.0.0.1", "Ada", "GET", "/where", "q=1", "HTTP/1.1", "200", String(body.length)];
  const rest = ["http://from.example/", 'say \\"hi\\"', "42", "application/json", "GET /where?q=1 HTTP/1.1"];
  assert.equal(await readFile(path, "utf8"), `${[...fields, ...rest].join("|")}\n`);
});

test("the error log goes to a file", async (t) => {
  const path = join(await temporaryFolder(t), "error.log");
  const server = launch(t, { cwd: fixtureApps, args: [...LOOPBACK, "--error-logfile", path, "pid"] });
  const text = async (): Promise<string> => (existsSync(path) ? readFile(path, "utf8") : "");
  await untilTrue(async () => /\[INFO\] Ready: /.test(await text()), {
    deadlineMs: LOG_DEADLINE_MS,
    what: "the end of the boot in the error log",
  });
  await server.stop();
  assert.match(await text(), /^\[\d{4}-\d\d-\d\d [\d:]{8} [+-]\d{4}\] \[\d+\] \[INFO\] Listening at: http/m);
  assert.doesNotMatch(server.text, /Listening at/);
});

test("the start-up lines name version, address, worker class and workers, in Gunicorn's order", async (t) => {
  const server = await startFixture(t, "pid", { args: ["-w", "2"], workers: 2 });
  const prefix = `^\\[[^\\]]+\\] \\[${server.pid}\\] \\[INFO\\] `;
  const expected = [
    /Starting \w+ \d+\.\d+\.\d+/,
    /Listening at: \S+ \(\d+\)/,
    /Using worker: sync/,
    /Ready: 2 workers for pid/,
  ];
  for (const pattern of expected) await server.waitForLine(new RegExp(prefix + pattern.source));
  assert.equal(server.bootedPids.length, 2);
  const order = [...server.text.matchAll(/\[INFO\] (Starting|Listening|Using|Booting|Ready)/g)];
  assert.deepEqual(
    order.map(([, word]) => word),
    ["Starting", "Listening", "Using", "Booting", "Booting", "Ready"],
  );
});

test("several binds are served at once, a Unix socket among them", async (t) => {
  const socket = join(await temporaryFolder(t), "server.sock");
  const server = await startFixture(t, "echo", { args: ["-b", "127.0.0.1:0", "-b", `unix:${socket}`] });
  assert.equal(server.addresses.length, 3);
  const ports = server.addresses.map((address) => Number(/:(\d+)$/.exec(address)?.[1]));
  for (const address of [...ports.filter(Number.isInteger), socket]) {
    assert.equal((await request(address, "/")).status, 200);
  }
});

test("limits on the request are those of the settings", async (t) => {
  const args = ["--limit-request-line", "100", "--limit-request-fields", "5"];
  const server = await startFixture(t, "echo", { args: [...args, "--limit-request-field_size", "200"] });
  const headers = Object.fromEntries(Array.from({ length: 6 }, (_, number) => [`X-${number}`, "1"]));

  assert.equal((await request(server.port, "/")).status, 200);
  const line = (await request(server.port, `/${"x".repeat(100)}`)).status;
  assert([400, 414].includes(line), String(line));
  assert.equal((await request(server.port, "/", { headers })).status, 431);
  assert.equal((await request(server.port, "/", { headers: { "X-Long": "x".repeat(250) } })).status, 431);
});
