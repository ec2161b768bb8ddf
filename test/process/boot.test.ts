import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";

import { request } from "../helpers/client.ts";
import { BIND_DEADLINE_MS } from "../helpers/deadlines.ts";
import { examples, fixtureApps, LOOPBACK, runCommand, startFixture, startServer } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const IMPORT_FAILED = 3;
const NO_APPLICATION = 4;

/** Where a traceback would name our own code, in either language. */
const OWN_CODE = /\/(?:dist|src)\/(?:cli|arbiter|router)\/|\/tunicorn\/\w+\.py/;

interface BrokenSpec {
  readonly failure: string;
  readonly spec: string;
  readonly status: number;
  /** What the message must name, and the hint. */
  readonly says: readonly RegExp[];
}

const brokenSpecs: readonly BrokenSpec[] = [
  {
    failure: "no such module",
    spec: "nowhere:app",
    status: IMPORT_FAILED,
    says: [/nowhere/, /fixtures\/apps/],
  },
  {
    failure: "a file name instead of a module name",
    spec: "no_app.py:app",
    status: IMPORT_FAILED,
    says: [/no_app\.py/, /no_app:app/],
  },
  {
    failure: "a path instead of a module name",
    spec: "package/inner/wsgi",
    status: IMPORT_FAILED,
    says: [/package\/inner\/wsgi/, /package\.inner\.wsgi/],
  },
  {
    failure: "a module inside a package that is not there",
    spec: "package.outer.wsgi",
    status: IMPORT_FAILED,
    says: [/package\.outer/, /fixtures\/apps/],
  },
  {
    failure: "a module that raises when it is imported",
    spec: "boot_raises",
    status: IMPORT_FAILED,
    says: [/RuntimeError: no database at import/, /boot_raises\.py", line 3/],
  },
  {
    failure: "a module that ends its process when it is imported",
    spec: "boot_ends",
    status: IMPORT_FAILED,
    says: [/A worker \(pid:\d+\) was ended with status 7 while it booted\n {2}What it wrote last/],
  },
  {
    failure: "a factory that is not called",
    spec: "factory:create_failure",
    status: NO_APPLICATION,
    says: [/Cannot serve "factory:create_failure"/, /A factory is called: 'factory:create_failure\(\)'/],
  },
  {
    failure: "a module without the default name",
    spec: "no_app",
    status: NO_APPLICATION,
    says: [/application/, /no_app\.py/, /no_app:app/],
  },
  {
    failure: "a module without the given name",
    spec: "no_app:aap",
    status: NO_APPLICATION,
    says: [/aap/, /no_app\.py/, /no_app:app/],
  },
  {
    failure: "a name that is not callable",
    spec: "no_app:not_callable",
    status: NO_APPLICATION,
    says: [/not_callable/, /no_app/, /callable/, /str/],
  },
  {
    failure: "a factory that raises",
    spec: "factory:create_failure()",
    status: NO_APPLICATION,
    says: [/create_failure/, /ValueError: the factory cannot work/, /factory\.py", line \d+/],
  },
  {
    failure: "a factory that returns nothing",
    spec: "factory:create_nothing()",
    status: NO_APPLICATION,
    says: [/create_nothing/, /None/],
  },
  {
    failure: "a factory called with the wrong arguments",
    spec: "factory:create_app(1, 2, 3)",
    status: NO_APPLICATION,
    says: [/create_app/, /argument/],
  },
];

for (const { failure, spec, status, says } of brokenSpecs) {
  test(`${failure} (${spec}) ends the boot with status ${status} and a message that helps`, async (t) => {
    const end = await runCommand(t, { cwd: fixtureApps, args: [...LOOPBACK, spec] });
    assert.equal(end.status, status, end.text);
    for (const pattern of says) {
      assert.match(end.stderr, pattern);
    }
    assert.doesNotMatch(end.text, OWN_CODE, "a traceback of our own");
  });
}

const variants = [["-w", "3"], ["--preload"], ["-w", "3", "--preload"]];

for (const variant of variants) {
  test(`the exit status of a failed boot is the same with ${variant.join(" ")}`, async (t) => {
    for (const { spec, status } of brokenSpecs.filter((broken) =>
      /^boot_raises|^no_app$/.test(broken.spec),
    )) {
      const end = await runCommand(t, { cwd: fixtureApps, args: [...LOOPBACK, ...variant, spec] });
      assert.equal(end.status, status, end.text);
    }
  });
}

for (const [spec, answer] of [
  ["factory:create_app()", "default 0"],
  ["factory:create_app('x', key=1)", "x 1"],
  ["no_app:create_app()", "app"],
  ["package.inner.wsgi", "dotted"],
  ["package.inner.wsgi:application", "dotted"],
] as const) {
  test(`${spec} is an application`, async (t) => {
    const server = await startFixture(t, spec);
    const { status, text } = await request(server.port, "/");
    assert.deepEqual([status, text], [200, answer]);
  });
}

test("the application finds the command line in sys.argv", async (t) => {
  const shop =
    "import sys\ndef app(environ, start_response):\n" +
    "    start_response('200 OK', [])\n    return [repr(sys.argv).encode()]\n";
  const cwd = await temporaryFolder(t, { "shop.py": shop });
  const args = [...LOOPBACK, "--name", "a shop", "shop:app"];
  const server = await startServer(t, { cwd, args });
  const { text } = await request(server.port, "/");
  const [first, ...rest] = JSON.parse(text.replaceAll("'", '"')) as string[];
  assert.match(first ?? "", /\/tunicorn$/);
  assert.deepEqual(rest.slice(-args.length), args);
});

test("the application may stand in the settings file", async (t) => {
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": 'wsgi_app = "pid"\n' });
  const args = [...LOOPBACK, "--check-config"];
  const end = await runCommand(t, { cwd, args, env: { PYTHONPATH: fixtureApps } });
  assert.equal(end.status, 0, end.text);
});

test("no application at all is a failure that says what is missing", async (t) => {
  const end = await runCommand(t, { cwd: await temporaryFolder(t), args: LOOPBACK });
  assert.equal(end.status, 1, end.text);
  assert.match(end.stderr, /application/i);
});

test("a port in use ends the boot with status 1 and names the address", async (t) => {
  const occupant = createServer();
  t.after(() => occupant.close());
  await new Promise<void>((resolve) => occupant.listen(0, "127.0.0.1", resolve));
  const address = occupant.address();
  assert(typeof address === "object" && address !== null);

  const bind = `127.0.0.1:${address.port}`;
  const end = await runCommand(t, {
    cwd: fixtureApps,
    args: ["-b", bind, "pid"],
    deadlineMs: BIND_DEADLINE_MS,
  });

  assert.equal(end.status, 1, end.text);
  assert.match(end.stderr, /in use/i);
  assert(end.stderr.includes(String(address.port)));
});

for (const [failure, text, says] of [
  ["a syntax error", "workers = = 2\n", /SyntaxError|invalid syntax/],
  ["an exception", "raise ValueError('no settings today')\n", /ValueError: no settings today/],
  ["a value that no setting takes", 'workers = "many"\n', /workers|many/],
] as const) {
  test(`a settings file with ${failure} ends the boot with status 1 and names the file`, async (t) => {
    const cwd = await temporaryFolder(t, { "settings.py": text });
    const args = [...LOOPBACK, "-c", "settings.py", "--pythonpath", fixtureApps, "pid"];
    const end = await runCommand(t, { cwd, args });
    assert.equal(end.status, 1, end.text);
    assert.match(end.stderr, says);
    assert.match(end.stderr, /settings\.py/);
  });
}

test("a settings file that is not there ends the boot with status 1 and names its path", async (t) => {
  const cwd = await temporaryFolder(t);
  const end = await runCommand(t, { cwd, args: [...LOOPBACK, "-c", "missing.py", "pid"] });
  assert.equal(end.status, 1, end.text);
  assert.match(end.stderr, /missing\.py/);
});

test("an unknown name in the settings file is told together with the nearest known one", async (t) => {
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": "wrokers = 2\n" });
  const args = ["--check-config", "pid"];
  const end = await runCommand(t, { cwd, args, env: { PYTHONPATH: fixtureApps } });
  assert.equal(end.status, 0, end.text);
  assert.match(end.stderr, /wrokers/);
  assert.match(end.stderr, /\bworkers\b/);
});

test("an unknown option ends with status 2 and names the option", async (t) => {
  const end = await runCommand(t, { cwd: fixtureApps, args: ["--no-such-option", "pid"] });
  assert.equal(end.status, 2, end.text);
  assert.match(end.stderr, /--no-such-option/);
});

test("an option with a value it cannot take ends the boot with Gunicorn's status and names the value", async (t) => {
  for (const { value, status } of [
    { value: "many", status: 2 },
    { value: "-1", status: 1 },
  ]) {
    const end = await runCommand(t, { cwd: fixtureApps, args: ["-w", value, "pid"] });
    assert.equal(end.status, status, end.text);
    assert(end.stderr.includes(`"${value}", want a whole number`), end.text);
  }
});

for (const { mistake, args, says } of [
  {
    mistake: "an access log in a folder that is not there",
    args: ["--access-logfile", "/nowhere/access.log"],
    says: /Cannot open log file "\/nowhere\/access\.log": ENOENT[^]*\n {2}Create its folder/,
  },
  {
    mistake: "a unix socket in a folder that is not there",
    args: ["-b", "unix:/nowhere/app.sock"],
    says: /Cannot listen at unix:\/nowhere\/app\.sock: no such folder\n {2}Create the folder/,
  },
  {
    mistake: "a host that nobody knows",
    args: ["-b", "no-such-host.invalid:8000"],
    says: /Cannot listen at no-such-host\.invalid:8000: .*\n {2}No such host/,
  },
  {
    mistake: "a folder in the place of the settings file",
    args: ["-c", "."],
    says: /Configuration file ".*" is a folder/,
  },
]) {
  test(`${mistake} ends the boot with status 1 and a message that says what to do, and no other`, async (t) => {
    const end = await runCommand(t, { cwd: fixtureApps, args: [...LOOPBACK, "-w", "2", ...args, "pid"] });
    assert.equal(end.status, 1, end.text);
    assert.match(end.stderr, says);
    assert.doesNotMatch(end.text, / \[(?:WARNING|ERROR|CRITICAL)\] /);
    assert.doesNotMatch(end.text, OWN_CODE, "a traceback of our own");
  });
}

test("--version prints the version and ends with status 0", async (t) => {
  const end = await runCommand(t, { cwd: examples, args: ["--version"] });
  assert.equal(end.status, 0);
  assert.match(end.stdout, /\d+\.\d+\.\d+/);
});

test("--help lists the options with their flags and ends with status 0", async (t) => {
  const end = await runCommand(t, { cwd: examples, args: ["--help"] });
  assert.equal(end.status, 0);
  for (const flag of ["-w", "--workers", "-b", "--bind", "--timeout", "--preload", "--check-config"]) {
    assert(end.stdout.includes(flag), flag);
  }
});
