import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startFixture, type Server } from "../helpers/server.ts";

const UPGRADE = { Connection: "keep-alive, Upgrade", Upgrade: "echo" } as const;
const FLOOD_BYTES = 64 * 1024 * 1024;

/** Far more than the buffers of the kernel on the way, far less than what is sent. */
const HELD_BACK_BYTES = 32 * 1024 * 1024;

/** Sends a request that asks for an upgrade, with what the client has to say behind it. */
async function ask(
  t: TestContext,
  server: Server,
  path: string,
  ahead: string | Buffer = "",
): Promise<ClientConnection> {
  const connection = await ClientConnection.open(t, server.port);
  connection.sendRequest(path, { headers: UPGRADE });
  if (ahead.length > 0) connection.send(ahead);
  return connection;
}

async function upgrade(t: TestContext, server: Server, path: string): Promise<ClientConnection> {
  const connection = await ask(t, server, path);
  const { status, headers } = await connection.readAnswer();
  assert.equal(status, 101);
  assert.equal(headers.get("upgrade"), "echo");
  return connection;
}

const classes = [
  ["sync", []],
  ["gthread", ["--threads", "4"]],
  ["gthread without the shared queue", ["-k", "gthread", "--threads", "4", "--queue-dir", "/proc"]],
  ["gevent", ["-k", "gevent"]],
  ["eventlet", ["-k", "eventlet"]],
] as const;

for (const [workerClass, args] of classes) {
  test(`an application of a ${workerClass} worker speaks its own protocol on the client's connection`, async (t) => {
    const server = await startFixture(t, "tunnel", { args: [...args, "--access-logfile", "-"] });

    await t.test(
      "from the bytes behind the request to the end of both sides, and the access log has a line of it",
      async () => {
        const client = await ask(t, server, "/echo", "sent ahead");
        const { status } = await client.readAnswer();
        assert.equal(status, 101);
        assert.match(await client.readUntil("sent ahead"), /^sent ahead$/);
        const large = "l".repeat(300_000);
        client.send(large);
        client.endSending();
        assert.equal((await client.readRest()).toString(), `sent ahead${large}that was all`);
        await server.waitForLine(/the client has left after 300010 bytes/);
        await server.waitForLine(/"GET \/echo HTTP\/1\.1" 101 300022 /);
      },
    );

    await t.test("and may end its side first, by closing it or by returning", async () => {
      const first = await upgrade(t, server, "/close-first");
      assert.equal(await first.readUntil("mine"), "mine");
      first.send("yours");
      first.endSending();
      await server.waitForLine(/read b'yours'/);
      for (const path of ["/both", "/stop"]) {
        const both = await upgrade(t, server, path);
        assert.equal((await both.readRest()).toString(), "over the socket");
      }
    });

    await t.test("or answers as usual, and the connection goes on as HTTP", async () => {
      const client = await ask(t, server, "/refuse");
      assert.match((await client.readAnswer()).text, /^<TunnelSocket to \('127\.0\.0\.1', \d+\), not used>$/);
      client.sendRequest("/timid", { headers: UPGRADE });
      assert.equal((await client.readAnswer()).text, "127.0.0.1 True");
      client.sendRequest("/");
      assert.match((await client.readAnswer()).text, / False$/);
    });

    await t.test("which it finds gone when the client leaves", async () => {
      const client = await upgrade(t, server, "/echo");
      const from = server.lines.length;
      client.destroy();
      await server.waitForLine(/the client has left/, { from });
      assert.equal((await request(server.port, "/")).status, 200);
    });
  });
}

test("upgraded connections of a gthread worker", async (t) => {
  const server = await startFixture(t, "tunnel", { args: ["--threads", "4", "--access-logfile", "-"] });

  await t.test("are held to the pace of a client that does not read", async () => {
    const client = await upgrade(t, server, "/flood");
    client.stopReading();
    const [, sent = ""] = await server.waitForLine(/held back after (\d+) bytes/);
    assert.ok(Number(sent) < HELD_BACK_BYTES, `${sent} bytes were taken from the application`);
    client.goOnReading();
    assert.equal((await client.readRest()).length, FLOOD_BYTES);
    await server.waitForLine(new RegExp(`"GET /flood HTTP/1\\.1" 101 ${FLOOD_BYTES} `));
  });

  await t.test("pass nothing of the client on behind an answer that is not 101", async () => {
    const client = await ask(t, server, "/refuse-raw", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    const { status, text } = await client.readAnswer();
    assert.deepEqual([status, text], [400, "no"]);
    await server.waitForLine(/read nothing/);
    assert.equal((await client.readRest()).length, 0);
    await server.waitForLine(/"GET \/refuse-raw HTTP\/1\.1" 400 2 /);
    assert.doesNotMatch(server.text, /smuggled/);
  });

  await t.test(
    "end with what was written when the application raises, or in 500 when nothing was",
    async () => {
      const late = await upgrade(t, server, "/fail-late");
      assert.equal((await late.readRest()).toString(), "begun");
      await server.waitForLine(/RuntimeError: the tunnel raises$/);
      const early = await ask(t, server, "/fail-early");
      assert.equal((await early.readAnswer()).status, 500);
      await early.readEnd();
      await server.waitForLine(/RuntimeError: the tunnel raises at once/);
      const silent = await ask(t, server, "/silent");
      assert.equal((await silent.readAnswer()).status, 500);
      await server.waitForLine(/"GET \/silent HTTP\/1\.1" 500 /);
    },
  );

  await t.test("are for a GET of HTTP/1.1 that asks for them and has no body", async () => {
    for (const [head, body] of [
      ["GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n\r\n", ""],
      ["GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n", ""],
      ["GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n", ""],
      ["POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n", ""],
      [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\nContent-Length: 2\r\n\r\n",
        "no",
      ],
    ] as const) {
      const client = await ClientConnection.open(t, server.port);
      client.send(`${head}${body}`);
      assert.match((await client.readAnswer()).text, / False$/, head);
    }
  });

  await t.test("are closed when their worker is killed, and the log counts them", async () => {
    const clients = [await upgrade(t, server, "/stay"), await upgrade(t, server, "/stay")];
    const from = server.lines.length;
    process.kill(server.bootedPids.at(-1) ?? 0, "SIGKILL");
    for (const client of clients) await client.readEnd();
    await server.waitForLine(/\[WARNING\] Upgraded connections .* were cut: 2$/, { from });
    await untilTrue(async () => (await request(server.port, "/")).status === 200, {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: "an answer of another worker",
    });
  });
});

const lasting = [
  ["gthread", ["--threads", "2", "--timeout", "2"]],
  ["gevent", ["-k", "gevent"]],
] as const;

for (const [workerClass, args] of lasting) {
  test(`an upgraded connection of a ${workerClass} worker`, async (t) => {
    const server = await startFixture(t, "tunnel", {
      args: [...args, "--graceful-timeout", "4", "--access-logfile", "-"],
    });
    const client = await upgrade(t, server, "/echo");

    if (workerClass === "gthread") {
      await t.test("outlives timeout, which is about requests that answer", async () => {
        const [pid] = server.bootedPids;
        const startedAt = performance.now();
        await untilTrue(() => performance.now() - startedAt > 2500, {
          deadlineMs: ANSWER_DEADLINE_MS,
          what: "a time well over timeout",
        });
        client.send("still");
        await client.readUntil("still");
        assert.match((await request(server.port, "/")).text, new RegExp(`^${pid} `));
      });
    }

    await t.test("is cut graceful_timeout after a reload, which the log announces", async () => {
      server.signal("SIGHUP");
      await server.waitForLine(
        /Upgraded connections .* open: 1\. .* left after 4 s \(graceful_timeout\) are cut/,
      );
      await server.waitForLine(/Reloaded/);
      client.send("after the reload");
      await client.readUntil("after the reload");
      await client.readEnd();
      await server.waitForLine(/were cut: 1$/);
      assert.doesNotMatch(server.text, /Traceback/);
    });

    await t.test("is cut graceful_timeout after the order to stop", async () => {
      const last = await upgrade(t, server, "/stay");
      const from = server.lines.length;
      assert.deepEqual(await server.stop(), { status: 0, signal: null });
      await last.readEnd();
      await server.waitForLine(/Upgraded connections .* open: 1\. /, { from });
      await server.waitForLine(/"GET \/stay HTTP\/1\.1" 101 0 /, { from });
      await server.waitForLine(/were cut: 1$/, { from });
    });
  });
}

test("an upgraded connection does not keep a worker that max_requests has replaced", async (t) => {
  const server = await startFixture(t, "tunnel", {
    args: ["--threads", "2", "--max-requests", "2", "--graceful-timeout", "1"],
  });
  const [pid = 0] = server.bootedPids;
  const client = await upgrade(t, server, "/echo");
  assert.equal((await request(server.port, "/")).status, 200);
  await client.readEnd();
  await server.waitForLine(/were cut: 1$/);
  await server.waitForLine(new RegExp(`Worker exiting \\(pid: ${pid}\\)`));
});

test("a sync worker whose connection lasts longer than timeout is ended, as by any request", async (t) => {
  const server = await startFixture(t, "tunnel", { args: ["--timeout", "2"] });
  const client = await upgrade(t, server, "/stay");
  await client.readEnd();
  await server.waitForLine(/\[CRITICAL\].*WORKER TIMEOUT.*GET \/stay/);
  await untilTrue(async () => (await request(server.port, "/")).status === 200, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "an answer of another worker",
  });
});
