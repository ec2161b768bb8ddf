import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { countingBytes, sha256 } from "../helpers/bodies.ts";
import { ClientConnection, ConnectionCut, request } from "../helpers/client.ts";
import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { seen, untilSeen } from "../helpers/seen.ts";
import { fixtureApps, runCommand, startFixture, type Server } from "../helpers/server.ts";

const APPLICATION = "asgi_app:app";

/** A buffer object for each chunk would take several times as much. */
const CHUNKS_GROWTH_LIMIT_BYTES = 32 * 1024 * 1024;

function startAsgi(t: TestContext, args: readonly string[] = [], workers = 1): Promise<Server> {
  return startFixture(t, APPLICATION, { args: ["-k", "asgi", "-w", String(workers), ...args], workers });
}

interface Told {
  readonly method: string;
  readonly http_version: string;
  readonly scheme: string;
  readonly path: string;
  readonly raw_path: string;
  readonly root_path: string;
  readonly query_string: string;
  readonly client: readonly [string, number];
  readonly server: readonly [string, number];
  readonly headers: readonly (readonly [string, string])[];
  readonly length: number;
  readonly sha256: string;
  readonly messages: number;
}

async function echo(
  server: Server,
  target: string,
  options: Parameters<typeof request>[2] = {},
): Promise<Told> {
  const answer = await request(server.port, target, options);
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text) as Told;
}

test("an ASGI application", async (t) => {
  const server = await startAsgi(t, ["--keep-alive", "60", "--access-logfile", "-"]);

  await t.test("gets the request as it was sent", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.send(
      "GET /echo/caf%C3%A9%2F?a=%20b&c HTTP/1.1\r\nHost: a.test\r\nX-Two: 1\r\nX_Under: 2\r\nx-two: 3\r\n\r\n",
    );
    const told = JSON.parse((await connection.readAnswer()).text) as Told;
    assert.equal(told.method, "GET");
    assert.equal(told.http_version, "1.1");
    assert.equal(told.scheme, "http");
    assert.equal(told.path, "/echo/café/");
    assert.equal(told.raw_path, "/echo/caf%C3%A9%2F");
    assert.equal(told.query_string, "a=%20b&c");
    assert.equal(told.root_path, "");
    assert.equal(told.client[0], "127.0.0.1");
    assert.deepEqual(told.server, ["127.0.0.1", server.port]);
    assert.deepEqual(told.headers, [
      ["host", "a.test"],
      ["x-two", "1"],
      ["x-two", "3"],
    ]);
  });

  await t.test("is told by a trusted proxy that its client came by https", async () => {
    const told = await echo(server, "/echo", {
      headers: { "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9" },
    });
    assert.equal(told.scheme, "https");
    assert.equal(told.client[0], "127.0.0.1", "Gunicorn's own class leaves the client alone");
  });

  for (const size of [0, 1, 100_000, 10 * 1024 * 1024]) {
    await t.test(`gets a body of ${size} bytes, with its length and in chunks`, async (t) => {
      const body = countingBytes(size);
      const whole = await echo(server, "/echo", { method: "POST", body });
      assert.deepEqual([whole.length, whole.sha256], [size, sha256(body)]);

      const connection = await ClientConnection.open(t, server.port);
      connection.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
      for (let start = 0; start < size; start += 300_000) {
        const chunk = body.subarray(start, start + 300_000);
        connection.send(`${chunk.length.toString(16)}\r\n`);
        connection.send(chunk);
        connection.send("\r\n");
      }
      connection.send("0\r\n\r\n");
      const chunked = JSON.parse((await connection.readAnswer()).text) as Told;
      assert.deepEqual([chunked.length, chunked.sha256], [size, sha256(body)]);
    });
  }

  await t.test("gets the body while it is still on its way", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
    await untilTrue(async () => (await request(server.port, "/hello")).status === 200, {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: "another answer meanwhile",
    });
    connection.send("b");
    const told = JSON.parse((await connection.readAnswer()).text) as Told;
    assert.deepEqual([told.length, told.messages], [2, 2]);
  });

  await t.test(
    "gets bodies of tiny chunks, of which the router keeps no more than their bytes",
    async (t) => {
      const count = 100_000;
      const router = new RouterProcess(server);
      const before = router.memoryBytes.peak;
      const connections = await Promise.all(
        Array.from({ length: 4 }, () => ClientConnection.open(t, server.port)),
      );
      for (const connection of connections) {
        connection.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        connection.send(`${"1\r\na\r\n".repeat(count)}0\r\n\r\n`);
      }
      for (const connection of connections) {
        assert.equal((JSON.parse((await connection.readAnswer()).text) as Told).length, count);
      }
      const growth = router.memoryBytes.peak - before;
      assert(growth < CHUNKS_GROWTH_LIMIT_BYTES, `It grew by ${growth} bytes`);
    },
  );

  await t.test("that gives endless headers costs its client 500, and no other client anything", async (t) => {
    const other = await ClientConnection.open(t, server.port);
    other.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
    assert.equal((await request(server.port, "/headers")).status, 500);
    await server.waitForLine(
      /ValueError: the headers of a response are 9000\d{3} bytes, want at most 4194304$/,
    );
    other.send("b");
    assert.equal((JSON.parse((await other.readAnswer()).text) as Told).length, 2);
  });

  await t.test("asks a client that waits for 100 Continue only if it wants the body", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    const head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    connection.send(`POST /echo ${head}`);
    assert.equal((await connection.readAnswer()).status, 100);
    connection.send("body");
    assert.equal((JSON.parse((await connection.readAnswer()).text) as Told).length, 4);
    connection.send(`POST /refuse ${head}`);
    assert.equal((await connection.readAnswer()).status, 401);
    await connection.readEnd();
  });

  await t.test("holds its response back for a client that does not read it, and serves others", async (t) => {
    const stalled = await ClientConnection.connect(server.port);
    t.after(() => stalled.destroy());
    stalled.stopReading();
    stalled.sendRequest("/stream");
    await untilSeen(server, "pieces");
    let before = -1;
    await untilTrue(
      async () => {
        const now = await seen(server, "pieces");
        const isHeld = now === before;
        before = now;
        return isHeld;
      },
      { deadlineMs: CLEANUP_DEADLINE_MS, what: "pieces that are held back" },
    );
    assert.equal((await request(server.port, "/hello")).text, "Hello, World!");
    stalled.destroy();
    await untilSeen(server, "stream ended");
  });

  await t.test("is told when a client leaves before its response", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.sendRequest("/poll");
    await server.waitForLine(/poll began/);
    connection.destroy();
    await untilSeen(server, "poll left");
  });

  await t.test("is told when a client leaves a response that says nothing", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.sendRequest("/quiet");
    const head = await connection.readUntil("text/event-stream");
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
    await server.waitForLine(/quiet began/);
    connection.destroy();
    await untilSeen(server, "quiet left");
  });

  await t.test("may hint early, and answer with a file", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    const hint = await connection.request("/early");
    assert.equal(hint.status, 103);
    assert.equal(hint.headers.get("link"), "</a.css>; rel=preload");
    assert.equal((await connection.readAnswer()).text, "with hints");
    const file = await connection.request("/file");
    assert.deepEqual(file.body, await readFile(join(fixtureApps, "asgi_app.py")));
  });

  await t.test("may send trailers to clients that take such", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.sendRequest("/trailers", { headers: { TE: "trailers" } });
    assert.match(await connection.readUntil("x-digest: abc\r\n\r\n"), /\r\n0\r\nx-digest: abc\r\n\r\n$/);
    assert.equal((await request(server.port, "/trailers")).text, "with trailers");
  });

  await t.test("that raises costs its client 500, and the log shows where", async () => {
    assert.equal((await request(server.port, "/raises?a=b")).status, 500);
    await server.waitForLine(/Error handling request GET \/raises\?a=b/);
    await server.waitForLine(/asgi_app\.py", line \d+, in raises/);
  });

  await t.test("has its requests in the access log", async () => {
    await request(server.port, "/hello?logged");
    await server.waitForLine(/^127\.0\.0\.1 - - \[.*\] "GET \/hello\?logged HTTP\/1\.1" 200 13 "-" "-"$/);
  });

  await t.test("lets a task outlive its request, and hears of the end", async () => {
    assert.equal((await request(server.port, "/afterwards?s=0.5")).text, "later");
    assert.deepEqual(await server.stop(), { status: 0, signal: null });
    await server.waitForLine(/afterwards done/);
    await server.waitForLine(/lifespan ended/);
    assert.doesNotMatch(server.text, /destroyed|never awaited|was never retrieved/);
  });
});

test("requests go to the worker that has the fewest", async (t) => {
  const server = await startAsgi(t, [], 3);
  await server.waitForLine(/Ready: 3 workers/);
  const answers = Array.from({ length: 60 }, () => request(server.port, "/pid?s=1"));
  const counts = new Map<string, number>();
  for (const { text } of await Promise.all(answers)) counts.set(text, (counts.get(text) ?? 0) + 1);
  assert.deepEqual([...counts.values()], [20, 20, 20]);
});

test("requests beyond worker_connections wait, and beyond queue_size get 503", async (t) => {
  const server = await startAsgi(t, ["--worker-connections", "2", "--queue-size", "1"]);
  await server.waitForLine(/Ready: 1 worker/);
  const first = await ClientConnection.open(t, server.port);
  const second = await ClientConnection.open(t, server.port);
  first.sendRequest("/poll");
  second.sendRequest("/poll");
  await server.waitForLine(/poll began/, { count: 2 });
  const waiting = await ClientConnection.open(t, server.port);
  waiting.sendRequest("/hello");
  await untilTrue(async () => (await request(server.port, "/hello")).status === 503, {
    deadlineMs: CLEANUP_DEADLINE_MS,
    what: "a refused request",
  });
  first.destroy();
  assert.equal((await waiting.readAnswer()).text, "Hello, World!");
});

test("a worker that dies costs its requests 502 and is replaced", async (t) => {
  const server = await startAsgi(t);
  const held = await ClientConnection.open(t, server.port);
  held.sendRequest("/poll");
  await server.waitForLine(/poll began/);
  const answers = await Promise.all([request(server.port, "/crash"), held.readAnswer()]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [502, 502],
  );
  await server.waitForLine(/died while it handled GET \/crash after .*, and 1 request more/);
  assert.equal((await request(server.port, "/hello")).status, 200);
});

test("a worker whose loop is blocked past timeout costs its requests 504, and the log shows where", async (t) => {
  const server = await startAsgi(t, ["--timeout", "2"]);
  const before = server.lines.length;
  const held = await ClientConnection.open(t, server.port);
  held.sendRequest("/poll");
  await server.waitForLine(/poll began/);
  const answers = await Promise.all([request(server.port, "/block"), held.readAnswer()]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [504, 504],
  );
  await server.waitForLine(/WORKER TIMEOUT .*its event loop has not turned for .*GET \/block/);
  await server.waitForLine(/asgi_app\.py", line \d+,? in block\b/);
  await server.waitForLine(/Booting worker/, { from: before });
  assert.equal((await request(server.port, "/hello")).status, 200);
});

test("a slow request is no silence", async (t) => {
  const server = await startAsgi(t, ["--timeout", "2"]);
  assert.equal((await request(server.port, "/pid?s=2.5")).status, 200);
  assert.doesNotMatch(server.text, /WORKER TIMEOUT/);
});

test("TERM lets requests finish, and names what it cancels when graceful_timeout is over", async (t) => {
  const server = await startAsgi(t, ["--graceful-timeout", "2"]);
  const hanging = await ClientConnection.open(t, server.port);
  hanging.sendRequest("/hang");
  await server.waitForLine(/hang began/);
  const slow = request(server.port, "/pid?s=1");
  // It is with the worker before TERM comes: the worker takes requests in their order.
  await request(server.port, "/hello");
  server.signal("SIGTERM");
  assert.equal((await slow).status, 200);
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.outputClosed;
  assert.match(server.text, /cancelling GET \/hang$/m);
  assert.match(server.text, /hang cleaned up/);
  assert.match(server.text, /lifespan ended/);
});

test("INT cancels what is under way at once, by name", async (t) => {
  const server = await startAsgi(t, ["--graceful-timeout", "600"]);
  const hanging = await ClientConnection.open(t, server.port);
  hanging.sendRequest("/hang");
  await server.waitForLine(/hang began/);
  server.signal("SIGINT");
  assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
  await server.outputClosed;
  assert.match(server.text, /Leaving now: cancelling GET \/hang$/m);
  assert.match(server.text, /hang cleaned up/);
});

test("200 requests survive three HUPs, and those under way finish with the older workers", async (t) => {
  const server = await startAsgi(t, [], 2);
  const first = new Set(server.bootedPids.map(String));
  const slow = request(server.port, "/pid?s=3");
  let answered = 0;
  const ask = async (): Promise<void> => {
    for (let count = 0; count < 50; count += 1) {
      assert.equal((await request(server.port, "/pid?s=0.02")).status, 200);
      answered += 1;
      if (answered % 60 === 20) server.signal("SIGHUP");
    }
  };
  await Promise.all([ask(), ask(), ask(), ask()]);
  assert(first.has((await slow).text));
  await untilTrue(async () => !first.has((await request(server.port, "/pid")).text), {
    deadlineMs: CLEANUP_DEADLINE_MS,
    what: "an answer of a new worker",
  });
});

test("max_requests replaces workers and loses none of 200 requests", async (t) => {
  const server = await startAsgi(t, ["--max-requests", "40"]);
  const pids = new Set<string>();
  const ask = async (): Promise<void> => {
    for (let count = 0; count < 50; count += 1) {
      const answer = await request(server.port, "/pid");
      assert.equal(answer.status, 200);
      pids.add(answer.text);
    }
  };
  await Promise.all([ask(), ask(), ask(), ask()]);
  assert(pids.size >= 2, `only ${pids.size} workers answered`);
});

test("root_path stands before the path, whether or not a proxy has taken it off", async (t) => {
  const server = await startAsgi(t, ["--root-path", "/echo/"]);
  for (const target of ["/a", "/echo/a"]) {
    const told = await echo(server, target);
    assert.deepEqual([told.root_path, told.path, told.raw_path], ["/echo", "/echo/a", "/echo/a"]);
  }
});

test("uvicorn's class takes the client from a trusted proxy, as uvicorn does", async (t) => {
  const server = await startFixture(t, APPLICATION, {
    args: ["-k", "uvicorn.workers.UvicornWorker", "--forwarded-allow-ips", "127.0.0.1,10.0.0.0/8"],
  });
  for (const [forwarded, client] of [
    ["203.0.113.9", ["203.0.113.9", 0]],
    ["198.51.100.1, 203.0.113.9:4000, 10.1.2.3", ["203.0.113.9", 4000]],
    ["10.1.1.1, 10.2.2.2", ["10.1.1.1", 0]],
    ["[2001:db8::1]:80, 10.2.2.2", ["2001:db8::1", 80]],
  ] as const) {
    const told = await echo(server, "/echo", { headers: { "X-Forwarded-For": forwarded } });
    assert.deepEqual(told.client, client, forwarded);
  }
});

test("an application of the other interface is refused with a word on what to do", async (t) => {
  const wsgi = await runCommand(t, { cwd: fixtureApps, args: ["-k", "asgi", "-b", "127.0.0.1:0", "echo"] });
  assert.equal(wsgi.status, 4);
  assert.match(wsgi.stderr, /worker class asgi: it is a WSGI application[^]*-k sync/);
  const asgi = await runCommand(t, { cwd: fixtureApps, args: ["-b", "127.0.0.1:0", APPLICATION] });
  assert.equal(asgi.status, 4);
  assert.match(asgi.stderr, /worker class sync: it is an ASGI application[^]*-k asgi/);
});

test("a worker that dies in mid-response cuts the connection", async (t) => {
  const server = await startAsgi(t);
  const connection = await ClientConnection.open(t, server.port);
  connection.sendRequest("/quiet");
  await connection.readUntil("text/event-stream");
  await request(server.port, "/crash");
  await assert.rejects(connection.readAnswer(), ConnectionCut);
});
