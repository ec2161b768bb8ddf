import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { sections } from "../../src/config/setting.ts";
import { fixtureApps, repositoryRoot, runCommand } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const manifest = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8")) as {
  readonly version: string;
};

for (const flag of ["--version", "-v"]) {
  test(`tunicorn ${flag} prints the version of the package and nothing else`, async (t) => {
    const { status, stdout, stderr } = await runCommand(t, { args: [flag], cwd: fixtureApps });
    assert.equal(stdout, `tunicorn (version ${manifest.version})`);
    assert.equal(stderr, "");
    assert.equal(status, 0);
  });
}

for (const flag of ["--help", "-h"]) {
  test(`tunicorn ${flag} prints the flags in the groups of the settings`, async (t) => {
    const { status, stdout, stderr } = await runCommand(t, { args: [flag], cwd: fixtureApps });
    const positions = sections.map((section) => stdout.indexOf(`\n${section}:\n`));
    assert.ok(positions.every((position) => position > 0));
    assert.deepEqual(
      positions,
      positions.toSorted((a, b) => a - b),
    );
    assert.match(stdout, /-w, --workers <INT>/);
    assert.equal(stderr, "");
    assert.equal(status, 0);
  });
}

test("tunicorn --help needs no Python and no settings that are right", async (t) => {
  const { status } = await runCommand(t, {
    args: ["--help", "--workers", "many"],
    cwd: fixtureApps,
    python: "/nonexistent/python",
    env: { GUNICORN_CMD_ARGS: "--no-such-flag" },
  });
  assert.equal(status, 0);
});

interface RefusedCase {
  readonly what: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly python?: string;
  readonly status: number;
  readonly says: readonly RegExp[];
}

const refused: readonly RefusedCase[] = [
  {
    what: "an unknown flag",
    args: ["--wrokers", "4", "echo:app"],
    status: 2,
    says: [/^tunicorn: .*--wrokers/, /--workers/, /--help/],
  },
  {
    what: "a flag without its value",
    args: ["echo:app", "--workers"],
    status: 2,
    says: [/^tunicorn: .*--workers/],
  },
  {
    what: "an abbreviation of more than one flag",
    args: ["--worker", "4", "echo:app"],
    status: 2,
    says: [/^tunicorn: --worker .*--workers, --worker-class/],
  },
  {
    what: "an abbreviation of more than one flag in GUNICORN_CMD_ARGS",
    args: ["echo:app"],
    env: { GUNICORN_CMD_ARGS: "--lo x" },
    status: 2,
    says: [/--lo .*--log-file.*GUNICORN_CMD_ARGS/],
  },
  {
    what: "a key without a certificate",
    args: ["--keyfile", "echo.py", "echo:application"],
    status: 1,
    says: [/^tunicorn: keyfile is \S+echo\.py, but there is no certfile/, /--certfile FILE/],
  },
  { what: "two applications", args: ["echo:app", "slow:app"], status: 2, says: [/^tunicorn: /] },
  {
    what: "an unknown flag in GUNICORN_CMD_ARGS",
    args: ["echo:app"],
    env: { GUNICORN_CMD_ARGS: "--wrokers 4" },
    status: 2,
    says: [/--wrokers/, /GUNICORN_CMD_ARGS/],
  },
  {
    what: "an open quote in GUNICORN_CMD_ARGS",
    args: ["echo:app"],
    env: { GUNICORN_CMD_ARGS: "--name 'my app" },
    status: 2,
    says: [/GUNICORN_CMD_ARGS/],
  },
  { what: "no application", args: [], status: 1, says: [/^tunicorn: No application/, /tunicorn wsgi:app/] },
  {
    what: "text in the place of a number",
    args: ["--timeout", "soon", "echo:app"],
    status: 2,
    says: [/^tunicorn: Invalid value for timeout/, /the command line/, /"soon"/, /whole number/],
  },
  {
    what: "a value of the environment that cannot be",
    args: ["echo:app"],
    env: { WEB_CONCURRENCY: "many" },
    status: 1,
    says: [/WEB_CONCURRENCY/, /"many"/],
  },
  {
    what: "a configuration file that is not there",
    args: ["-c", "missing.py", "echo:app"],
    status: 1,
    says: [/^tunicorn: /, /missing\.py/],
  },
  {
    what: "a worker class that is not there",
    args: ["-k", "gaiohttp", "echo:app"],
    status: 1,
    says: [/^tunicorn: /, /"gaiohttp"/, /sync/],
  },
  {
    what: "a Python that is not there",
    args: ["echo:app"],
    python: "/nonexistent/python",
    status: 1,
    says: [/^tunicorn: No Python at "\/nonexistent\/python"/, /3\.10/],
  },
  {
    what: "a Python that is no Python",
    args: ["echo:app"],
    python: "/bin/true",
    status: 1,
    says: [/^tunicorn: The mold process ended/m],
  },
];

for (const { what, args, status, says, ...options } of refused) {
  test(`tunicorn ends with status ${status} and says why, without a stack, at ${what}`, async (t) => {
    const end = await runCommand(t, { args, cwd: fixtureApps, ...options });
    assert.equal(end.status, status, end.text);
    assert.equal(end.stdout, "");
    for (const said of says) {
      assert.match(end.stderr, said);
    }
    assert.doesNotMatch(end.stderr, /\n\s+at |Traceback/);
    assert.ok(end.stderr.split("\n").length <= 3, end.stderr);
  });
}

test("tunicorn takes flags and the application from GUNICORN_CMD_ARGS", async (t) => {
  const { status, stdout } = await runCommand(t, {
    args: ["--print-config"],
    cwd: fixtureApps,
    env: { GUNICORN_CMD_ARGS: "--workers 3 --name 'my app' echo:application" },
  });
  assert.match(stdout, /^workers +=\s3$/m);
  assert.match(stdout, /^proc_name +=\smy app$/m);
  assert.match(stdout, /^wsgi_app +=\secho:application$/m);
  assert.equal(status, 0);
});

test("tunicorn takes flags that are abbreviated, and a short one with =", async (t) => {
  const { status, stdout } = await runCommand(t, {
    args: ["--print", "-w=3", "--time", "7", "--access-logfi=-", "echo:application"],
    cwd: fixtureApps,
  });
  assert.match(stdout, /^workers +=\s3$/m);
  assert.match(stdout, /^timeout +=\s7$/m);
  assert.match(stdout, /^accesslog +=\s-$/m);
  assert.equal(status, 0);
});

test("tunicorn warns of flags that have no effect yet, and of names that only look like settings", async (t) => {
  const folder = await temporaryFolder(t, {
    "app.py": "def app(environ, start_response): pass\n",
    "gunicorn.conf.py":
      'access_logfile = "-"\nwrokers = 2\ntimeout: 5\nkeyfile = None\ndirty_apps = ["a:B"]\n',
  });
  const args = ["--check-config", "--http-protocols", "h2,h1", "app:app"];
  const { status, stderr } = await runCommand(t, { args, cwd: folder });
  assert.equal(status, 0, stderr);
  const warnings = stderr.split("\n").map((line) => line.replace(/^.*\[WARNING\] (\S*\/)?/, ""));
  assert.deepEqual(warnings.toSorted(), [
    'gunicorn.conf.py: "timeout: ..." is a type annotation and sets nothing. Write "timeout = ..."',
    "gunicorn.conf.py: the setting dirty_apps has no effect yet: dirty arbiters are not there yet",
    "gunicorn.conf.py: there is no setting access_logfile. Did you mean accesslog?",
    "gunicorn.conf.py: there is no setting wrokers. Did you mean workers?",
    "the command line: the setting http_protocols has no effect yet: HTTP/2 is not there yet, clients get HTTP/1.1",
  ]);
});

test("tunicorn --check-config is silent when all is well", async (t) => {
  const folder = await temporaryFolder(t, {
    "app.py": "def app(environ, start_response): pass\n",
    // Variables on the way to settings, as in files that others publish.
    "gunicorn.conf.py":
      'log_level = "debug"\nuse_loglevel = log_level\nloglevel = use_loglevel\n' +
      'timeout_str = "120"\ntimeout = int(timeout_str)\n',
  });
  const { status, stdout, stderr } = await runCommand(t, {
    args: ["--check-config", "app:app"],
    cwd: folder,
  });
  assert.deepEqual({ stdout, stderr }, { stdout: "", stderr: "" });
  assert.equal(status, 0);
});
