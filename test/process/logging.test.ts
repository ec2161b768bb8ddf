import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, existsSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { BOOT_DEADLINE_MS, LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import {
  fixtureApps,
  launch,
  type LaunchOptions,
  type ServerProcess,
  startFixture,
} from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

type Members = Readonly<Record<string, unknown>>;

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

function jsonLines(path: string): Members[] {
  return textOf(path)
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Members);
}

async function untilHas(path: string, pattern: RegExp): Promise<void> {
  await untilTrue(() => pattern.test(textOf(path)), {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `${pattern} in ${path}:\n${textOf(path)}`,
  });
}

interface QuietServer {
  readonly server: ServerProcess;
  /** The unix socket on which it listens. */
  readonly address: string;
}

/** Starts a server whose lines cannot be read, and waits until it answers. */
async function startQuiet(
  t: TestContext,
  args: readonly string[],
  options: Partial<LaunchOptions> = {},
): Promise<QuietServer> {
  const address = join(await temporaryFolder(t), "s");
  const server = launch(t, { cwd: fixtureApps, ...options, args: ["-b", `unix:${address}`, ...args] });
  const answers = async (): Promise<boolean> => {
    try {
      return (await request(address, "/ready")).status === 200;
    } catch {
      return false;
    }
  };
  await untilTrue(answers, { deadlineMs: BOOT_DEADLINE_MS, what: () => `an answer:\n${server.text}` });
  return { server, address };
}

async function logPaths(t: TestContext) {
  const folder = await temporaryFolder(t);
  const paths = { folder, access: join(folder, "access.log"), error: join(folder, "error.log") };
  return { ...paths, args: ["--access-logfile", paths.access, "--error-logfile", paths.error] };
}

test("the access log's atoms are Gunicorn's", async (t) => {
  const { access } = await logPaths(t);
  const atoms = [
    ..."h l u m U q H s B b f a".split(" "),
    ..."{x-tag}i {X-Twice}o {content-length}o {content-type}o {missing}o".split(" "),
    ..."{REMOTE_ADDR}e {wsgi.url_scheme}e {SERVER_SOFTWARE}e {wsgi.version}e {missing}e".split(" "),
  ];
  const format = `%(r)s|${atoms.map((atom) => `%(${atom})s`).join("|")}|%(s)6s|%(m)-5s|%(m).1s`;
  const args = ["--access-logfile", access, "--access-logformat", format];
  const server = await startFixture(t, "logs", { args: [...args, "-e", "SCRIPT_NAME=/shop"] });

  const client = await ClientConnection.open(t, server.port);
  client.send(
    "GET /shop/a%20b?x=%20y HTTP/1.1\r\nHost: a\r\nX-Tag: 1\r\nX-Tag: 2\r\n" +
      'User-Agent: say "hi"\r\nReferer: http://from/\r\nAuthorization: Basic QWRhOng=\r\n\r\n',
  );
  await client.readAnswer();
  await client.request("/shop", { method: "HEAD" });
  await request(server.port, "/elsewhere");
  await server.stop();

  const [software = ""] = /tunicorn\/[\d.]+/.exec(textOf(access)) ?? [];
  const environ = `127.0.0.1|http|${software}|(1, 0)|-`;
  assert.deepEqual(textOf(access).trimEnd().split("\n"), [
    `GET /shop/a%20b?x=%20y HTTP/1.1|127.0.0.1|-|Ada|GET|/a b|x=%20y|HTTP/1.1|200|8|8|http://from/|say \\"hi\\"` +
      `|2|2|8|text/plain|-|${environ}|   200|GET  |G`,
    `HEAD /shop HTTP/1.1|127.0.0.1|-|-|HEAD|||HTTP/1.1|200|0|0|-|-` +
      `|-|2|8|text/plain|-|${environ}|   200|HEAD |H`,
    // It was refused before it had an environ.
    `GET /elsewhere HTTP/1.1|127.0.0.1|-|-|GET|/elsewhere||HTTP/1.1|400|109|109|-|-` +
      `|-|-|109|text/html; charset=utf-8|-|-|-|-|-|-|   400|GET  |G`,
  ]);
});

test("the access log shows the environ as the application has left it", async (t) => {
  const { access } = await logPaths(t);
  const format = "%(h)s %(U)s %({REMOTE_USER}e)s %({shop.order}e)s %({HTTP_HOST}e)s %(r)s";
  const server = await startFixture(t, "authentication:changed", {
    args: ["--access-logfile", access, "--access-logformat", format],
  });
  await request(server.port, "/outer", { headers: { "X-Forwarded-For": "203.0.113.9" } });
  await server.stop();
  assert.equal(textOf(access), "203.0.113.9 /inner ann 7 127.0.0.1 GET /outer HTTP/1.1\n");
});

test("access and error log are JSON lines when they are asked for, the application's own text too", async (t) => {
  const { access, error, args } = await logPaths(t);
  const format = ["--access-logformat", "%({x-request-id}i)s"];
  const { server, address } = await startQuiet(t, [
    ...[...args, ...format, "--access-log-json", "--error-log-json"],
    "logs",
  ]);
  await request(address, "/caf%C3%A9?to=errors&text=one", { headers: { "X-Request-ID": "7" } });
  await request(address, "/?to=logger&text=two");
  await request(address, "/?to=raise&text=three");
  await server.stop();

  const [, first, , third] = jsonLines(access);
  const { time, duration_ms, pid, ...rest } = first ?? {};
  assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.ok(Number(duration_ms) > 0 && Number(pid) > 0);
  assert.deepEqual(rest, {
    remote_address: null,
    user: null,
    method: "GET",
    target: "/caf%C3%A9?to=errors&text=one",
    path: "/café",
    query: "to=errors&text=one",
    protocol: "HTTP/1.1",
    status: 200,
    bytes: 8,
    referer: null,
    user_agent: null,
    request_headers: { "x-request-id": "7" },
  });
  assert.equal(third?.["status"], 500);

  const records = jsonLines(error);
  const find = (message: RegExp) => records.find((each) => message.test(String(each["message"])));
  assert.equal(find(/^one$/)?.["stream"], "wsgi.errors");
  assert.equal(find(/^two$/)?.["level"], "warning");
  assert.match(String(find(/^Error handling request/)?.["exception"]), /ValueError: three$/);
  assert.equal(find(/^Listening at/)?.["pid"], server.pid);
});

test("the stack of a worker that hangs is a record, where the error log is JSON lines", async (t) => {
  const { error } = await logPaths(t);
  const args = ["--error-logfile", error, "--error-log-json", "--timeout", "2", "hang"];
  const { server, address } = await startQuiet(t, args);
  assert.equal((await request(address, "/hang")).status, 504);
  await untilHas(error, /Stacks of worker/);
  const stacks = jsonLines(error).find(({ message }) => String(message).startsWith("Stacks of worker"));
  assert.match(String(stacks?.["message"]), /hang\.py", line \d+ in hang/);
  assert.equal((await server.stop()).status, 0);
});

test("the application's output goes to the error log when it is captured, and follows the file at USR1", async (t) => {
  for (const json of [[], ["--error-log-json"]]) {
    const { error } = await logPaths(t);
    const args = ["--error-logfile", error, "--capture-output", ...json, "logs"];
    const { server, address } = await startQuiet(t, args);
    for (const name of ["stdout", "stderr"]) {
      await request(address, `/?to=${name}&text=${name}-one`);
      await untilHas(error, new RegExp(json.length > 0 ? `"message": "${name}-one"` : `^${name}-one$`, "m"));
    }
    if (json.length > 0) {
      const streams = jsonLines(error).filter(({ stream }) => stream !== undefined);
      assert.deepEqual(
        streams.map(({ level, stream }) => [level, stream]),
        [
          ["info", "stdout"],
          ["error", "stderr"],
        ],
      );
    }
    renameSync(error, `${error}.1`);
    server.signal("SIGUSR1");
    await untilTrue(
      async () => {
        await request(address, "/?to=stdout&text=two");
        return textOf(error).includes("two");
      },
      { deadlineMs: LOG_DEADLINE_MS, what: () => `the application's line in ${error}:\n${textOf(error)}` },
    );
    assert.equal((await server.stop()).status, 0);
    assert.equal(server.text, "");
  }
});

test("all processes open their log files anew at USR1, and go on when their folder is gone", async (t) => {
  const { folder, access, error, args } = await logPaths(t);
  const { server, address } = await startQuiet(t, [...args, "--access-logformat", "%(q)s", "logs"]);
  for (const path of [access, error]) renameSync(path, `${path}.1`);
  server.signal("SIGUSR1");
  // Each process hears of it in its own time.
  await untilTrue(
    async () => {
      await request(address, "/?to=logger&text=new");
      return [access, error].every((path) => textOf(path).includes("new"));
    },
    { deadlineMs: LOG_DEADLINE_MS, what: () => `new files, have:\n${textOf(access)}\n${textOf(error)}` },
  );

  rmSync(folder, { recursive: true });
  server.signal("SIGUSR1");
  await server.waitForLine(/Cannot reopen log file ".*error\.log", the old one stays: ENOENT/);
  assert.equal((await request(address, "/?to=logger&text=lost")).status, 200);
  assert.equal((await server.stop()).status, 0);
});

test("a reload to an access log that cannot be opened keeps the old one, and says so", async (t) => {
  const { folder, access } = await logPaths(t);
  const file = (path: string): Promise<void> =>
    writeFiles(folder, { "gunicorn.conf.py": `accesslog = "${path}"\naccess_log_format = "%(U)s"\n` });
  await file(access);
  const server = await startFixture(t, "logs", { args: ["-c", join(folder, "gunicorn.conf.py")] });
  await request(server.port, "/before");
  await untilHas(access, /^\/before$/m);
  await file(join(folder, "missing", "access.log"));
  server.signal("SIGHUP");
  await server.waitForLine(/Cannot open log file ".*missing\/access\.log"/);
  assert.equal((await request(server.port, "/after")).status, 200);
  await untilHas(access, /^\/after$/m);
  assert.equal((await server.stop()).status, 0);
});

test("a full disk costs log lines and no request", async (t) => {
  const { server, address } = await startQuiet(t, [
    ...["--access-logfile", "/dev/full", "--error-logfile", "/dev/full"],
    "logs",
  ]);
  await server.waitForLine(/Cannot write to log file "\/dev\/full", lines wait: ENOSPC/);
  for (const target of ["errors", "logger"]) {
    assert.equal((await request(address, `/?to=${target}&text=x`)).status, 200);
  }
  assert.equal((await request(address, "/?to=raise&text=x")).status, 500);
  assert.equal((await server.stop()).status, 0);
});

for (const kind of ["a reader who is stuck", "a pipe that is closed"]) {
  test(`${kind} costs log lines and no request`, async (t) => {
    const path = join(await temporaryFolder(t), "pipe");
    execFileSync("mkfifo", [path]);
    const reader = openSync(path, constants.O_RDWR);
    const outputFd = openSync(path, constants.O_WRONLY);
    const { server, address } = await startQuiet(t, ["--access-logfile", "-", "logs"], { outputFd });
    closeSync(outputFd);
    if (kind === "a pipe that is closed") closeSync(reader);
    else onTeardown(t, () => closeSync(reader));
    const client = await ClientConnection.open(t, address);
    // More than the 64 KiB that a pipe holds, by every process that writes to it.
    for (let count = 0; count < 100; count += 1) {
      const target = count % 2 === 0 ? "errors" : "logger";
      const headers = { "User-Agent": "x".repeat(2000) };
      assert.equal((await client.request(`/?to=${target}&text=x&times=2000`, { headers })).status, 200);
    }
    server.signal("SIGHUP");
    await untilTrue(async () => (await client.request("/")).status === 200, {
      deadlineMs: LOG_DEADLINE_MS,
      what: "an answer",
    });
    assert.equal((await server.stop()).status, 0);
  });
}
