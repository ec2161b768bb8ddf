import assert from "node:assert/strict";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { request } from "../helpers/client.ts";
import { fixtureApps, LOOPBACK, python, runCommand, startServer } from "../helpers/server.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

const SHOP = `
def make(global_conf, greeting):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [greeting.encode()]
    return app
`;

function pasteFile(greeting: string): string {
  return `
[app:main]
paste.app_factory = shop:make
greeting = main

[app:coloured]
paste.app_factory = shop:make
greeting = ${greeting}, %(colour)s
`;
}

test("--paste serves the application of a PasteDeploy file", async (t) => {
  const folder = await temporaryFolder(t, { "shop.py": SHOP, "conf/shop.ini": pasteFile("Hello") });
  const args = [...LOOPBACK, "--paste", "conf/shop.ini#coloured", "--paste-global", "colour=red"];
  const server = await startServer(t, { cwd: folder, args });
  assert.equal((await request(server.port, "/")).text, "Hello, red");
  await server.waitForLine(new RegExp(`Ready: 1 worker for ${folder}/conf/shop\\.ini#coloured, `));

  await t.test("and reads it anew on a reload", async () => {
    await writeFiles(folder, { "conf/shop.ini": pasteFile("Good evening") });
    server.signal("SIGHUP");
    await server.waitForLine(/Reloaded: 1 worker/);
    assert.equal((await request(server.port, "/")).text, "Good evening, red");
  });

  await t.test("with the settings in the configuration file as well", async (t) => {
    await writeFiles(folder, {
      "gunicorn.conf.py": 'paste = "conf/shop.ini#coloured"\nraw_paste_global_conf = ["colour=blue"]\n',
    });
    const configured = await startServer(t, { cwd: folder, args: LOOPBACK });
    assert.equal((await request(configured.port, "/")).text, "Good evening, blue");
  });

  await t.test("and ends the boot with one message when the section is missing", async (t) => {
    const failing = { cwd: folder, args: [...LOOPBACK, "-w", "3", "--paste", "conf/shop.ini#none"] };
    const { status, stderr } = await runCommand(t, failing);
    assert.equal(status, 4);
    assert.equal(stderr.match(/No section 'none'/g)?.length, 1, stderr);
    assert.doesNotMatch(stderr, /Traceback/);
  });
});

test("--paste says of a file that is not there that it is not", async (t) => {
  const { status, stderr } = await runCommand(t, { cwd: fixtureApps, args: ["--paste", "none.ini"] });
  assert.equal(status, 1);
  assert.match(stderr, /^tunicorn: Invalid value for paste .*none\.ini/);
});

const MODULE = 'workers = 2\nwsgi_app = "echo:application"\nproc_name = __name__\n';

for (const [config, name] of [
  ["python:settings.production", "settings.production"],
  ["file:settings/production.py", "__config__"],
  ["settings/production.py", "__config__"],
  ["settings/production.conf", "__config__"],
] as const) {
  test(`-c ${config} takes the settings from there`, async (t) => {
    const cwd = await temporaryFolder(t, {
      "settings/__init__.py": "",
      "settings/production.py": MODULE,
      "settings/production.conf": MODULE,
    });
    const { status, stdout, stderr } = await runCommand(t, {
      cwd,
      args: ["-c", config, "--print-config"],
      env: { PYTHONPATH: fixtureApps },
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^workers +=\s2$/m);
    assert.match(stdout, new RegExp(`^proc_name +=\\s${name}$`, "m"));
  });
}

test("-c python: says of a module that is not there that it is not", async (t) => {
  const { status, stderr } = await runCommand(t, {
    cwd: fixtureApps,
    args: ["-c", "python:settings.none", "pid"],
  });
  assert.equal(status, 1);
  assert.match(stderr, /^tunicorn: .*python:settings\.none/);
  assert.match(stderr, /No module named 'settings'/);
});

test("--check-config and --print-config end with status 1, however the application fails", async (t) => {
  for (const flag of ["--check-config", "--print-config"]) {
    for (const application of ["boot_raises", "no_app", "factory:create_failure()", "none"]) {
      const { status, stderr } = await runCommand(t, { cwd: fixtureApps, args: [flag, application] });
      assert.equal(status, 1, stderr);
      assert.match(stderr, /^tunicorn: Cannot load application/);
    }
  }
});

test("A configuration file cannot ask for a check, since it would never serve again, and is told so", async (t) => {
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": "check_config = True\nprint_config = False\n" });
  const args = [...LOOPBACK, "--chdir", fixtureApps, "pid"];
  const server = await startServer(t, { cwd, args });
  await server.waitForLine(/\[WARNING\] .*check_config has an effect only on the command line$/);
  assert.doesNotMatch(server.text, /print_config/);
  assert.equal((await request(server.port, "/")).status, 200);
});

test("The settings of pserve come before those of the configuration file", async (t) => {
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": "workers = 2\ntimeout = 5\n" });
  const settings = ["--paste-setting", "workers=3", "--paste-setting", "bind=127.0.0.1:1,127.0.0.1:2"];
  const args = [...settings, "--chdir", fixtureApps, "--print-config", "pid"];
  const { stdout } = await runCommand(t, { cwd, args });
  assert.match(stdout, /^workers +=\s3$/m);
  assert.match(stdout, /^timeout +=\s5$/m);
  assert.match(stdout, /^bind +=\s\['127\.0\.0\.1:1', '127\.0\.0\.1:2'\]$/m);

  const unknown = await runCommand(t, { cwd, args: ["--paste-setting", "wrokers=3", "pid"] });
  assert.equal(unknown.status, 2);
  assert.match(unknown.stderr, /\[server:\].*wrokers=3/);
});

test("--python may be a script that runs Python below a tool, as coverage and debuggers are run", async (t) => {
  const folder = await temporaryFolder(t, {
    "tool.py":
      "import builtins, runpy, sys\nbuiltins.WATCHED = True\ndel sys.argv[0]\nrunpy.run_path(sys.argv[0], run_name='__main__')\n",
    "watched.py":
      "import builtins\ndef app(environ, start_response):\n    start_response('200 OK', [])\n" +
      "    return [str(hasattr(builtins, 'WATCHED')).encode()]\n",
    below: `#!/bin/sh\nexec "${python}" tool.py "$@"\n`,
  });
  await chmod(join(folder, "below"), 0o755);
  const server = await startServer(t, { cwd: folder, python: "./below", args: [...LOOPBACK, "watched:app"] });
  assert.equal((await request(server.port, "/")).text, "True");
  server.signal("SIGHUP");
  await server.waitForLine(/Reloaded/);
  assert.equal((await request(server.port, "/")).text, "True");
});
