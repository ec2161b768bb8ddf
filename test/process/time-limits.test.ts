import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, LOG_DEADLINE_MS, untilTrue, withDeadline } from "../helpers/deadlines.ts";
import { startGatedServer } from "../helpers/gate.ts";
import { assertRefused } from "../helpers/refusals.ts";
import { repeat } from "../helpers/repeat.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { startFixture } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** After its first ten seconds the rate of a body counts. */
const RATE_DEADLINE_MS = 30_000;

const HEAD = "Host: a\r\n";
const MIB = 1024 * 1024;

test("limits on time", { concurrency: true }, async (t) => {
  const [impatient, patient, rated] = await Promise.all([
    startGatedServer(t, ["--header-timeout", "1", "--body-timeout", "1", "--keep-alive", "60"]),
    startGatedServer(t, ["--header-timeout", "0", "--body-timeout", "3"]),
    startGatedServer(t, ["--body-min-rate", "1000"]),
  ]);

  await Promise.all([
    t.test("header_timeout: a head that stalls gets 408, and no application is called", async (t) => {
      const connection = await ClientConnection.open(t, impatient.port);
      connection.send(`GET /stalled-head HTTP/1.1\r\n${HEAD}`);
      await assertRefused(connection, 408);
      assert(!(await impatient.allCalledPaths()).includes("/stalled-head"));
    }),

    t.test("header_timeout: a head that comes octet by octet gets 408", async (t) => {
      const connection = await ClientConnection.open(t, impatient.port);
      connection.send("GET / HTTP/1.1\r\nX: ");
      repeat(t, () => connection.send("x"));
      await assertRefused(connection, 408);
    }),

    t.test("header_timeout: the second head of a connection has no more time than the first", async (t) => {
      const connection = await ClientConnection.open(t, impatient.port);
      assert.equal((await connection.request("/first")).status, 200);
      connection.send("GET /second");
      await assertRefused(connection, 408);
    }),

    t.test("header_timeout: a client that sends nothing is left without an answer", async (t) => {
      const connection = await ClientConnection.open(t, impatient.port);
      await connection.readEnd();
      assert.equal(connection.waitingBytes, 0);
    }),

    t.test("body_timeout: a body that stalls gets 408, and no application is called", async (t) => {
      const connection = await ClientConnection.open(t, impatient.port);
      connection.send(`POST /stalled-body HTTP/1.1\r\n${HEAD}Content-Length: 5\r\n\r\n12`);
      await assertRefused(connection, 408);
      assert(!(await impatient.allCalledPaths()).includes("/stalled-body"));
    }),

    t.test("body_timeout: a chunk size that never ends gets 408 though octets come", async (t) => {
      const connection = await ClientConnection.open(t, impatient.port);
      connection.send(`POST / HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n5;x=`);
      repeat(t, () => connection.send("x"));
      await assertRefused(connection, 408);
    }),

    t.test("header_timeout 0: a head may take its time", async (t) => {
      const connection = await ClientConnection.open(t, patient.port);
      connection.send(`GET /slow-head HTTP/1.1\r\n${HEAD}`);
      // What comes later than this one's time is late enough.
      const other = await ClientConnection.open(t, patient.port);
      other.send(`POST / HTTP/1.1\r\n${HEAD}Content-Length: 5\r\n\r\n12`);
      await assertRefused(other, 408);
      connection.send("\r\n");
      assert.equal((await connection.readAnswer()).status, 200);
    }),

    t.test("body_timeout: a body that comes octet by octet is taken, however long it takes", async (t) => {
      const connection = await ClientConnection.open(t, patient.port);
      let left = 100;
      connection.send(`POST /drip HTTP/1.1\r\n${HEAD}Content-Length: ${left}\r\n\r\n`);
      repeat(t, () => {
        if (left > 0) connection.send("x");
        left -= 1;
      });
      assert.equal((await connection.readAnswer()).text, "100 bytes to /drip");
    }),

    t.test("body_min_rate: a body that is too slow gets 408 after its first seconds", async (t) => {
      const connection = await ClientConnection.open(t, rated.port);
      connection.send(`POST /too-slow HTTP/1.1\r\n${HEAD}Content-Length: 100000\r\n\r\n`);
      repeat(t, () => connection.send("x"));
      const answer = await connection.readAnswer({ deadlineMs: RATE_DEADLINE_MS });
      assert.equal(answer.status, 408);
      await connection.readEnd();
      assert(!(await rated.allCalledPaths()).includes("/too-slow"));
    }),

    t.test("body_min_rate: a body that keeps to it is taken", async (t) => {
      const connection = await ClientConnection.open(t, rated.port);
      let left = 240;
      connection.send(`POST /fast-enough HTTP/1.1\r\n${HEAD}Content-Length: ${left * 400}\r\n\r\n`);
      repeat(t, () => {
        if (left > 0) connection.send("x".repeat(400));
        left -= 1;
      });
      const answer = await connection.readAnswer({ deadlineMs: RATE_DEADLINE_MS });
      assert.equal(answer.text, "96000 bytes to /fast-enough");
    }),

    t.test("keepalive: a connection is kept for further requests, and closed when it was idle", async (t) => {
      const server = await startGatedServer(t, ["--keep-alive", "2"]);
      const connection = await ClientConnection.open(t, server.port);
      for (const path of ["/first", "/second"]) {
        assert.equal((await connection.request(path)).status, 200);
        assert(connection.isOpen);
      }
      await connection.readEnd();
      assert.equal(connection.waitingBytes, 0);
    }),

    t.test("write_timeout: a client that takes nothing is cut off, and its worker is free", async (t) => {
      const record = join(await temporaryFolder(t), "closed");
      const server = await startFixture(t, "closing", {
        args: ["--write-timeout", "1", "--buffer-disk", "0"],
        env: { CLOSING_RECORD: record },
      });
      const router = new RouterProcess(server);
      const before = await router.countWithoutClients();
      const socket = connect(server.port, "127.0.0.1");
      onTeardown(t, () => void socket.destroy());
      socket.pause();
      socket.write(`GET /endless HTTP/1.1\r\n${HEAD}\r\n`);
      await untilTrue(
        () => existsSync(record) && readFileSync(record, "utf8").includes("closed /endless\n"),
        {
          deadlineMs: LOG_DEADLINE_MS,
          what: "the end of the application's iterable",
        },
      );
      await untilTrue(() => router.descriptors === before, {
        deadlineMs: ANSWER_DEADLINE_MS,
        what: () => `${before} descriptors of the router, there are ${router.descriptors}`,
      });
      assert.equal((await request(server.port, "/whole")).status, 200);
    }),

    t.test("write_timeout: a client that reads slowly but steadily is not cut off", async (t) => {
      const length = 64 * MIB;
      const server = await startFixture(t, "big", { args: ["--write-timeout", "2"] });
      const socket = connect(server.port, "127.0.0.1");
      onTeardown(t, () => void socket.destroy());
      const ended = new Promise<void>((resolve, reject) => {
        socket.once("end", resolve);
        socket.once("error", reject);
      });
      socket.write(`GET /?n=${length} HTTP/1.1\r\n${HEAD}Connection: close\r\n\r\n`);
      // 64 KiB at a time for some seconds, then as fast as it can.
      let received = 0;
      let steps = 200;
      socket.on("data", (piece: Buffer) => {
        received += piece.length;
        if (steps > 0) socket.pause();
      });
      repeat(t, () => {
        steps -= 1;
        socket.resume();
      });
      await withDeadline(ended, {
        deadlineMs: 2 * ANSWER_DEADLINE_MS,
        what: () => `the end of the answer after ${received} bytes`,
      });
      assert(received > length, `Cut off after ${received} bytes`);
    }),
  ]);
});
