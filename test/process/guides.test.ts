/** What guides to Gunicorn tell their readers to type, but for the name of the command. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { examples, LOOPBACK, runCommand, startServer } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { WebSocketClient } from "../helpers/websocket-client.ts";

const ACCESS_LINE =
  /^127\.0\.0\.1 - - \[\d\d\/\w{3}\/\d{4}:[\d:]{8} [+-]\d{4}\] "GET \/ HTTP\/1\.1" 200 \d+ "-" "-"$/;

test("the hello example greets and tells the request it saw", async (t) => {
  const server = await startServer(t, { cwd: join(examples, "hello"), args: [...LOOPBACK, "hello:app"] });

  const answer = await request(server.port, "/caf%C3%A9?drink=tea", { headers: { "User-Agent": "a test" } });

  assert.equal(answer.status, 200);
  assert.match(answer.text, /served by tunicorn/);
  assert.match(answer.text, /GET \/café\?drink=tea HTTP\/1\.1/);
  assert.match(answer.text, /127\.0\.0\.1/);
  assert.match(answer.text, /a test/);
});

test("SmartCodexAI: -c gunicorn.conf.py wsgi:app", async (t) => {
  const cwd = join(examples, "smartcodexai");
  const command = ["-c", "gunicorn.conf.py", "wsgi:app"];

  await t.test("serves the factory's application in development by default", async (t) => {
    const server = await startServer(t, { cwd, args: [...command, ...LOOPBACK, "-w", "2"], workers: 2 });
    const answer = await request(server.port, "/");
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), "application/json");
    const expected = { application: "SmartCodexAI", environment: "development", debug: true };
    assert.deepEqual(JSON.parse(answer.text), expected);
  });

  await t.test("passes FLASK_ENV on to the factory", async (t) => {
    const server = await startServer(t, {
      cwd,
      args: [...command, ...LOOPBACK, "-w", "2"],
      env: { FLASK_ENV: "production" },
      workers: 2,
    });
    const answer = await request(server.port, "/");
    const expected = { application: "SmartCodexAI", environment: "production", debug: false };
    assert.deepEqual(JSON.parse(answer.text), expected);
  });

  await t.test("writes access lines to standard output and the rest to standard error", async (t) => {
    const server = await startServer(t, { cwd, args: [...command, ...LOOPBACK, "-w", "1"] });
    await request(server.port, "/");
    await server.waitForLine(ACCESS_LINE);
    await server.stop();
    assert.equal(server.linesOf("stdout").filter((line) => ACCESS_LINE.test(line)).length, 1);
    assert.equal(server.linesOf("stderr").filter((line) => ACCESS_LINE.test(line)).length, 0);
    assert.equal(server.linesOf("stderr").filter((line) => line.includes("Booting worker")).length, 1);
  });

  await t.test("takes its settings from the file", async (t) => {
    const { status, stdout } = await runCommand(t, { cwd, args: [...command, "--print-config"] });
    assert.equal(status, 0);
    assert.match(stdout, new RegExp(`^workers\\s+= ${availableParallelism() * 2 + 1}$`, "m"));
    assert.match(stdout, /^bind\s+= \['0\.0\.0\.0:5000'\]$/m);
    assert.match(stdout, /^timeout\s+= 300$/m);
  });
});

test("run:app: --config gunicorn-cfg.py", async (t) => {
  const cwd = join(examples, "run-app");
  const server = await startServer(t, {
    cwd,
    args: ["--config", "gunicorn-cfg.py", "run:app", ...LOOPBACK],
    workers: 3,
  });

  await t.test("boots the three workers of the file", () => {
    assert.equal(new Set(server.bootedPids).size, 3);
  });

  await t.test("answers the health check of the guide's container", async () => {
    const answer = await request(server.port, "/health");
    assert.deepEqual([answer.status, answer.text], [200, "OK"]);
  });

  await t.test("answers with JSON, and with Flask's page where there is no route", async () => {
    const answer = await request(server.port, "/");
    assert.deepEqual(JSON.parse(answer.text), { message: "Hello", scheme: "http", client: null });
    assert.equal((await request(server.port, "/nowhere")).status, 404);
  });
});

test("run:app starts with --workers 3 --bind, as the guide's first command", async (t) => {
  const args = ["--workers", "3", "--bind", "127.0.0.1:0", "run:app"];
  const server = await startServer(t, { cwd: join(examples, "run-app"), args, workers: 3 });
  assert.equal((await request(server.port, "/health")).text, "OK");
});

test("CreditRobot: --config gunicorn.conf.py app:app", async (t) => {
  const cwd = join(examples, "creditrobot");
  const command = ["--config", "gunicorn.conf.py", "app:app", ...LOOPBACK, "-w", "2"];

  await t.test("imports the application once, in a process that does not answer", async (t) => {
    const server = await startServer(t, { cwd, args: command, workers: 2 });
    const importers = new Set<unknown>();
    for (let count = 0; count < 8; count += 1) {
      const seen: unknown = JSON.parse((await request(server.port, "/")).text);
      assert(typeof seen === "object" && seen !== null);
      assert("imported_by" in seen && "answered_by" in seen);
      importers.add(seen.imported_by);
      assert(server.bootedPids.includes(Number(seen.answered_by)));
      assert.notEqual(seen.imported_by, seen.answered_by);
    }
    assert.equal(importers.size, 1);
  });

  await t.test("answers a JSON POST", async (t) => {
    const server = await startServer(t, { cwd, args: command, workers: 2 });
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ income: 1200 });
    const answer = await request(server.port, "/score", { method: "POST", headers, body });
    assert.deepEqual(JSON.parse(answer.text), { approved: true });
  });

  await t.test("logs at the level of GUNICORN_LOG_LEVEL", async (t) => {
    const env = { GUNICORN_LOG_LEVEL: "debug" };
    const loud = await startServer(t, { cwd, args: command, env, workers: 2 });
    await request(loud.port, "/");
    await loud.waitForLine(/\[DEBUG\]/);
    await loud.stop();

    const plain = await startServer(t, { cwd, args: command, workers: 2 });
    await request(plain.port, "/");
    await plain.stop();
    assert.doesNotMatch(plain.text, /\[DEBUG\]/);
    assert.match(plain.text, /\[INFO\]/);
  });
});

test("myproject.wsgi: a Django project", async (t) => {
  const cwd = join(examples, "django-project");
  const server = await startServer(t, { cwd, args: ["myproject.wsgi:app", "-b", "127.0.0.1:0"] });

  await t.test("serves its page", async () => {
    const answer = await request(server.port, "/");
    assert.equal(answer.status, 200);
    assert.match(answer.text, /It works/);
  });

  await t.test("takes a form with Django's cross-site check", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    const headers = { Connection: "close" };
    const form = await connection.request("/greet/", { headers });
    const [, token = ""] = /name="csrfmiddlewaretoken" value="(\w+)"/.exec(form.text) ?? [];
    const [cookie = ""] = form.headers.get("set-cookie")?.split(";") ?? [];

    const answer = await request(server.port, "/greet/", {
      method: "POST",
      headers: { Cookie: cookie, "Content-Type": "application/x-www-form-urlencoded" },
      body: `csrfmiddlewaretoken=${token}&name=Zo%C3%AB+%3Cb%3E`,
    });
    assert.deepEqual([answer.status, answer.text], [200, "<p>Hello, Zoë &lt;b&gt;!</p>\n"]);

    const forged = await request(server.port, "/greet/", { method: "POST", body: "name=Mallory" });
    assert.equal(forged.status, 403);
  });

  await t.test("streams an answer of unknown length", async () => {
    const answer = await request(server.port, "/count/");
    const numbers = Array.from({ length: 100 }, (_, index) => `${index + 1}\n`);
    assert.equal(answer.text, numbers.join(""));
    assert.equal(answer.headers.get("transfer-encoding"), "chunked");
  });

  await t.test("needs no name when the application is called application", async (t) => {
    const unnamed = await startServer(t, { cwd, args: ["myproject.wsgi", ...LOOPBACK] });
    assert.match((await request(unnamed.port, "/")).text, /It works/);
  });
});

test("FastAPI: -k asgi -w 2 main:app", async (t) => {
  const cwd = join(examples, "fastapi");
  const server = await startServer(t, {
    cwd,
    args: [...LOOPBACK, "-k", "asgi", "-w", "2", "main:app"],
    workers: 2,
  });

  await t.test("checks what it is sent", async () => {
    const post = (body: string): ReturnType<typeof request> =>
      request(server.port, "/orders", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
      });
    const wanted = { item: "tea", count: 2 };
    const taken = await post(JSON.stringify(wanted));
    assert.deepEqual([taken.status, JSON.parse(taken.text)], [201, wanted]);
    assert.equal((await post(JSON.stringify({ ...wanted, count: 0 }))).status, 422);
  });

  await t.test("answers on a WebSocket", async (t) => {
    const client = await WebSocketClient.open(t, server.port, "/shout");
    client.socket.send("tea, please");
    assert.equal(await client.receive(), "TEA, PLEASE");
  });
});

test("the options that guides to Gunicorn list are all understood", async (t) => {
  const folder = await temporaryFolder(t);
  const paths = {
    pid: join(folder, "server.pid"),
    access: join(folder, "access.log"),
  };
  const fixed = [
    "-w 2 -b 127.0.0.1:0 -k sync --backlog 64 -t 30 --graceful-timeout 30 --keep-alive 2",
    "--limit-request-line 4094 --limit-request-fields 100 --limit-request-field_size 8190",
    `--error-logfile - --log-level info --chdir ${join(examples, "hello")} -e COLOUR=green`,
    "--access-logformat %(m)s:%(U)s:%(s)s",
  ].join(" ");
  const server = await startServer(t, {
    cwd: folder,
    args: [...fixed.split(" "), "-p", paths.pid, "--access-logfile", paths.access, "hello:app"],
    workers: 2,
  });

  assert.equal((await request(server.port, "/page")).status, 200);
  assert.equal((await readFile(paths.pid, "utf8")).trim(), String(server.pid));
  await server.stop();
  assert.equal(await readFile(paths.access, "utf8"), "GET:/page:200\n");
});
