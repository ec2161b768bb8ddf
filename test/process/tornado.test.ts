import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { bareInterpreter } from "../helpers/bare-interpreter.ts";
import { countingBytes, multipart, sha256 } from "../helpers/bodies.ts";
import { ClientConnection, ConnectionCut, request } from "../helpers/client.ts";
import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { seen, untilSeen } from "../helpers/seen.ts";
import { fixtureApps, runCommand, startFixture } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const TORNADO = ["-k", "tornado"] as const;

interface Told {
  readonly method: string;
  readonly uri: string;
  readonly path: string;
  readonly version: string;
  readonly protocol: string;
  readonly remote_ip: string;
  readonly name: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly arguments: readonly string[];
  readonly files: Readonly<Record<string, readonly number[]>>;
  readonly length: number;
  readonly sha256: string;
}

interface Uploaded {
  readonly length: number;
  readonly pieces: number;
  readonly sha256: string;
}

test("a Tornado application", async (t) => {
  const server = await startFixture(t, "tornado_app:app", {
    args: [...TORNADO, "--keep-alive", "60", "--access-logfile", "-", "--timeout", "60"],
  });

  await t.test("gets the request as it was sent, several on a connection", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    for (const target of ["/echo/caf%C3%A9?a=1&b=2&a=3", "/echo?a="]) {
      connection.send(`GET ${target} HTTP/1.1\r\nHost: a.test:80\r\nX-Two: 1\r\nx-two: 2\r\n\r\n`);
      const told = JSON.parse((await connection.readAnswer()).text) as Told;
      assert.deepEqual(
        [told.method, told.uri, told.version, told.protocol, told.remote_ip],
        ["GET", target, "HTTP/1.1", "http", "127.0.0.1"],
      );
      assert.deepEqual(told.headers, [
        ["Host", "a.test:80"],
        ["X-Two", "1"],
        ["X-Two", "2"],
      ]);
    }
  });

  await t.test("gets path arguments, query arguments and a proxy's word on the scheme", async () => {
    const answer = await request(server.port, "/echo/caf%C3%A9?a=1&a=%20", {
      headers: { "X-Forwarded-Proto": "https" },
    });
    const told = JSON.parse(answer.text) as Told;
    assert.deepEqual([told.name, told.arguments, told.protocol], ["café", ["1", ""], "https"]);
  });

  await t.test("gets forms and files", async () => {
    const { headers, body } = multipart(countingBytes(300_000));
    const answer = await request(server.port, "/echo", { method: "POST", headers, body });
    assert.deepEqual((JSON.parse(answer.text) as Told).files, { upload: [300_000] });
  });

  for (const size of [0, 1, 100_000, 10 * 1024 * 1024]) {
    await t.test(`gets a body of ${size} bytes, with its length and in chunks`, async (t) => {
      const body = countingBytes(size);
      const whole = await request(server.port, "/echo", { method: "POST", body });
      const connection = await ClientConnection.open(t, server.port);
      connection.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
      connection.sendChunks(body, 300_000);
      for (const { text } of [whole, await connection.readAnswer()]) {
        const told = JSON.parse(text) as Told;
        assert.deepEqual([told.length, told.sha256], [size, sha256(body)]);
      }
    });
  }

  await t.test("may take a body as it comes, more than fits into its memory limit", async () => {
    const body = countingBytes(110_000_000);
    const answer = await request(server.port, "/upload", { method: "PUT", body });
    const told = JSON.parse(answer.text) as Uploaded;
    assert.deepEqual([told.length, told.sha256], [body.length, sha256(body)]);
    assert(told.pieces > 100, `only ${told.pieces} pieces`);
  });

  await t.test("takes no more than Tornado's 100 MiB where no handler asks for more", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 104857601\r\n\r\n");
    assert.equal((await connection.readAnswer()).status, 400);
    await connection.readEnd();
  });

  await t.test("asks a client that waits for 100 Continue for its body", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.send("PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert.equal((await connection.readAnswer()).status, 100);
    connection.send("body");
    assert.equal((JSON.parse((await connection.readAnswer()).text) as Uploaded).length, 4);
  });

  await t.test("hears of a client that leaves in the middle of its body", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    const before = await seen(server, "piece");
    connection.send("PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\npart");
    await untilTrue(async () => (await seen(server, "piece")) > before, {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: "the part in the application",
    });
    connection.destroy();
    await untilSeen(server, "upload left");
  });

  await t.test("answers with the headers that it sets, the same one several times", async () => {
    const answer = await request(server.port, "/redirect");
    assert.equal(answer.status, 303);
    assert.equal(answer.headers.get("location"), "/hello");
    assert.equal(answer.headers.get("set-cookie"), "one=1; Path=/, two=2; Path=/");
    await untilSeen(server, "on_finish");
  });

  await t.test("answers HEAD without a body and a known ETag with 304", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    const head = await connection.request("/static/echo.py", { method: "HEAD" });
    const file = await readFile(join(fixtureApps, "echo.py"));
    assert.equal(head.headers.get("content-length"), String(file.length));
    const etag = head.headers.get("etag") ?? "";
    const known = await connection.request("/static/echo.py", { headers: { "If-None-Match": etag } });
    assert.deepEqual([known.status, known.text], [304, ""]);
    const answer = await connection.request("/hello");
    assert.equal(answer.text, "hello");
  });

  await t.test("serves files and parts of them", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    const file = await readFile(join(fixtureApps, "echo.py"));
    assert.deepEqual((await connection.request("/static/echo.py")).body, file);
    const part = await connection.request("/static/echo.py", { headers: { Range: "bytes=5-14" } });
    assert.deepEqual([part.status, part.body], [206, file.subarray(5, 15)]);
    assert.equal(part.headers.get("content-range"), `bytes 5-14/${file.length}`);
    const beyond = await connection.request("/static/echo.py", { headers: { Range: "bytes=999999-" } });
    assert.equal(beyond.status, 416);
  });

  await t.test(
    "streams what is more than a window, and is held back by a client that does not read",
    async (t) => {
      const whole = await request(server.port, "/stream");
      assert.equal(whole.body.length, 96 * 65_536);
      const before = await seen(server, "chunk");
      const stalled = await ClientConnection.connect(server.port);
      t.after(() => stalled.destroy());
      stalled.stopReading();
      stalled.sendRequest("/stream");
      let last = -1;
      await untilTrue(
        async () => {
          const now = await seen(server, "chunk");
          const isHeld = now === last && now > before;
          last = now;
          return isHeld;
        },
        { deadlineMs: CLEANUP_DEADLINE_MS, what: "chunks that are held back" },
      );
      assert(last - before < 96, "all of it was taken");
      stalled.destroy();
      await untilSeen(server, "stream closed");
    },
  );

  await t.test("hears of a client that leaves a response without an end", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.sendRequest("/endless");
    await connection.readUntil("tick\n");
    connection.destroy();
    await untilSeen(server, "left");
  });

  await t.test("hears of a client that leaves before its response", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.sendRequest("/poll");
    await untilSeen(server, "polls");
    connection.destroy();
    await untilSeen(server, "poll left");
  });

  await t.test(
    "that raises costs its client the error page of Tornado, and the log shows where",
    async () => {
      const raised = await request(server.port, "/raise/now");
      assert.equal(raised.status, 500);
      assert.match(raised.text, /500: Internal Server Error/);
      await server.waitForLine(/\[ERROR\] Uncaught exception GET \/raise\/now/);
      await server.waitForLine(/RuntimeError: tornado raises now/);
      assert.equal((await request(server.port, "/raise/http")).status, 418);
      assert.equal((await request(server.port, "/missing")).status, 404);
    },
  );

  await t.test("that writes less than it has announced costs its client 500", async () => {
    assert.equal((await request(server.port, "/raise/short")).status, 500);
    await server.waitForLine(/Tried to write 5 bytes less than Content-Length/);
  });

  await t.test("may be refused by Tornado itself with 400", async () => {
    assert.equal((await request(server.port, "/echo", { headers: { Host: "a b" } })).status, 400);
  });

  await t.test("runs callbacks of its own on the loop of the worker", async () => {
    await untilSeen(server, "ticks");
  });

  await t.test("has its requests in the access log", async () => {
    await request(server.port, "/hello?logged");
    await server.waitForLine(/^127\.0\.0\.1 - - \[.*\] "GET \/hello\?logged HTTP\/1\.1" 200 5 "-" "-"$/);
  });
});

test("requests that wait are answered by the older worker on a reload, and at the end", async (t) => {
  const folder = await temporaryFolder(t);
  const gate = join(folder, "gate");
  const server = await startFixture(t, "tornado_app:app", { args: [...TORNADO, "--graceful-timeout", "60"] });
  const hold = async (): Promise<ClientConnection> => {
    const connection = await ClientConnection.open(t, server.port);
    const before = await seen(server, "waits");
    connection.sendRequest(`/wait?gate=${gate}`);
    await untilTrue(async () => (await seen(server, "waits")) > before, {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: "the request in the application",
    });
    return connection;
  };
  const [pid] = server.bootedPids;
  const first = await hold();
  server.signal("SIGHUP");
  await server.waitForLine(/Reloaded/);
  const second = await hold();
  server.signal("SIGTERM");
  await server.waitForLine(/Handling signal: term/);
  await writeFile(gate, "");
  assert.equal((await first.readAnswer()).text, "waited");
  assert.equal((await second.readAnswer()).text, "waited");
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.waitForLine(new RegExp(`Worker exiting \\(pid: ${pid}\\)`));
  assert.doesNotMatch(server.text, /destroyed|never awaited|was never retrieved|Exception in callback/);
});

test("a request that hangs is named and cut off when graceful_timeout is over", async (t) => {
  const server = await startFixture(t, "tornado_app:app", { args: [...TORNADO, "--graceful-timeout", "1"] });
  const hanging = await ClientConnection.open(t, server.port);
  hanging.sendRequest("/wait?gate=/nowhere");
  await untilSeen(server, "waits");
  const endless = await ClientConnection.open(t, server.port);
  endless.sendRequest("/endless");
  await endless.readUntil("tick\n");
  server.signal("SIGTERM");
  await assert.rejects(endless.readAnswer(), ConnectionCut);
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.outputClosed;
  assert.match(server.text, /: cancelling (GET \/endless, )?GET \/wait\?gate=\/nowhere$/m);
  assert.doesNotMatch(server.text, /destroyed|never awaited|was never retrieved|Exception in callback/);
});

test("a chat by long polling tells all who wait, and forgets who has left", async (t) => {
  const server = await startFixture(t, "tornado_chat:app", { args: TORNADO });
  const form = { headers: { "Content-Type": "application/x-www-form-urlencoded" }, method: "POST" };
  const waiting = await Promise.all([1, 2, 3].map(() => ClientConnection.open(t, server.port)));
  for (const connection of waiting) connection.sendRequest("/updates", { ...form, body: "known=0" });
  await server.waitForLine(/a client waits/, { count: 3 });
  waiting.pop()?.destroy();
  await server.waitForLine(/a waiting client has left/);
  await request(server.port, "/new", { ...form, body: "body=hello+all" });
  for (const connection of waiting) {
    assert.deepEqual(JSON.parse((await connection.readAnswer()).text), { messages: ["hello all"] });
  }
});

test("WSGI applications are served as well, in threads if there are several", async (t) => {
  const server = await startFixture(t, "green", { args: [...TORNADO, "--threads", "4"] });
  const { status, text } = await request(server.port, "/", { method: "POST", body: "body" });
  assert.equal(status, 200);
  assert.equal((JSON.parse(text) as { multithread: boolean }).multithread, true);
  assert.equal((await request(server.port, "/raise")).status, 500);
  await server.waitForLine(/Error handling request GET \/raise/);
  await server.waitForLine(/RuntimeError: green raises/);
});

test("a function of Tornado's requests is served as well", async (t) => {
  const server = await startFixture(t, "tornado_app:on_request", { args: TORNADO });
  assert.equal((await request(server.port, "/any?thing")).text, "/any?thing");
});

test("an application of the other kind is refused with a word on what to do", async (t) => {
  const start = { cwd: fixtureApps };
  const asgi = await runCommand(t, { ...start, args: [...TORNADO, "-b", "127.0.0.1:0", "asgi_app:app"] });
  assert.equal(asgi.status, 4);
  assert.match(asgi.stderr, /worker class tornado: it is an ASGI application[^]*-k asgi/);
  const sync = await runCommand(t, { ...start, args: ["-b", "127.0.0.1:0", "tornado_app:app"] });
  assert.equal(sync.status, 4);
  assert.match(sync.stderr, /worker class sync: it is an application of Tornado[^]*-k tornado/);
});

test("without Tornado installed the error says how to install it", async (t) => {
  const { status, stderr } = await runCommand(t, {
    cwd: fixtureApps,
    python: await bareInterpreter(t),
    args: [...TORNADO, "-b", "127.0.0.1:0", "echo"],
  });
  assert.equal(status, 1);
  assert.match(
    stderr,
    /The worker class tornado needs tornado, which .* has not\n {2}Install it there: .* -m pip install tornado/,
  );
});
