import assert from "node:assert/strict";
import { test } from "node:test";

import { countingBytes, multipart, seededBytes, sha256 } from "../helpers/bodies.ts";
import { ClientConnection, request } from "../helpers/client.ts";
import { PROGRAM_DEADLINE_MS } from "../helpers/deadlines.ts";
import { startGatedServer } from "../helpers/gate.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { frameworks, readAll, sendUnread, startSending } from "../helpers/sending.ts";

const MIB = 1024 * 1024;
const LARGE_BYTES = 100 * MIB;
const CHUNK_BYTES = 100_003;

/**
 * What a body of any size may add to the router's memory. Most of it are buffers that nobody needs any more: the V8 of
 * Node 20 collects them at some 40 MiB, that of Node 24 at 75, with bodies of 400 MiB too.
 */
const MEMORY_GROWTH_LIMIT_BYTES = 96 * MIB;

/** Enough for the router to have done whatever it had at hand. */
async function roundTrips(port: number, count: number): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    const connection = await ClientConnection.connect(port);
    connection.send("no request\r\n\r\n");
    assert.equal((await connection.readAnswer()).status, 400);
    connection.destroy();
  }
}

for (const [framework, application] of frameworks) {
  test(`bodies of 100 MiB pass to and from ${framework}, and the router's memory stays flat`, async (t) => {
    const server = await startGatedServer(t, [], { application });
    const router = new RouterProcess(server);
    await request(server.port, "/taste");
    const before = router.memoryBytes.peak;
    const content = countingBytes(LARGE_BYTES);
    const expected = { bytes: LARGE_BYTES, sha256: sha256(content) };

    await t.test("an upload that is read as a stream", async () => {
      const options = { method: "POST", body: content, deadlineMs: PROGRAM_DEADLINE_MS };
      assert.deepEqual(JSON.parse((await request(server.port, "/raw", options)).text), expected);
    });

    await t.test("an upload in chunks", async (t) => {
      const connection = await ClientConnection.open(t, server.port);
      connection.send("POST /raw HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
      connection.sendChunks(content, CHUNK_BYTES);
      const { text } = await connection.readAnswer({ deadlineMs: PROGRAM_DEADLINE_MS });
      assert.deepEqual(JSON.parse(text), expected);
    });

    await t.test("an upload as a file of a form", async () => {
      const options = { method: "POST", ...multipart(content), deadlineMs: PROGRAM_DEADLINE_MS };
      const answer = await request(server.port, "/form", options);
      assert.deepEqual(JSON.parse(answer.text), { name: "Änne", ...expected });
    });

    await t.test("an answer of unknown length", async () => {
      const options = { deadlineMs: PROGRAM_DEADLINE_MS };
      const answer = await request(server.port, `/large/${LARGE_BYTES}`, options);
      assert.equal(answer.headers.get("transfer-encoding"), "chunked");
      assert.equal(answer.body.length, LARGE_BYTES);
      assert.equal(sha256(answer.body), expected.sha256);
    });

    await t.test("an answer that is not read until the worker has given it", async (t) => {
      const unread = await sendUnread(t, server.port, `/large/${LARGE_BYTES}`);
      await server.waitForLine(/called \/large/, { count: 2 });
      assert.equal((await request(server.port, "/taste", { deadlineMs: PROGRAM_DEADLINE_MS })).status, 200);
      assert.equal(sha256((await readAll(unread)).body), expected.sha256);
    });

    await t.test("in memory that does not grow with them", (t) => {
      const growth = router.memoryBytes.peak - before;
      t.diagnostic(
        `${Math.round(before / MIB)} MiB before, ${Math.round(growth / MIB)} MiB more at the most`,
      );
      assert(growth < MEMORY_GROWTH_LIMIT_BYTES, `It grew by ${growth} bytes`);
    });
  });
}

test("with --buffer-disk 0 a worker waits for its slow client, and takes no memory for it", async (t) => {
  const { server } = await startSending(t, "bodies.plain", ["--buffer-disk", "0"]);
  const router = new RouterProcess(server);
  await request(server.port, "/other");
  const before = router.memoryBytes.peak;
  const unread = await sendUnread(t, server.port, `/large/${LARGE_BYTES}`);
  await server.waitForLine(/called \/large/);
  const waiting = await ClientConnection.open(t, server.port);
  waiting.sendRequest("/waits");
  await roundTrips(server.port, 100);
  assert.equal(waiting.waitingBytes, 0);
  assert(!server.calledPaths().includes("/waits"));
  assert(router.memoryBytes.peak - before < MEMORY_GROWTH_LIMIT_BYTES);

  assert.equal(sha256((await readAll(unread)).body), sha256(countingBytes(LARGE_BYTES)));
  assert.equal((await waiting.readAnswer()).text, "ok");
});

test("whole answers to clients that read and clients that do not are not mixed up", async (t) => {
  const server = await startGatedServer(t, ["-w", "2"], { application: "bodies.plain" });
  const seeds = [0, 1, 2, 3, 4, 5, 6, 7];
  const bytesOf = (seed: number): number => 200_000 + seed * 700_001;
  const unread = await Promise.all(
    seeds.map((seed) => sendUnread(t, server.port, `/seeded/${seed}/${bytesOf(seed)}`)),
  );
  const read = seeds.map(async (seed) => {
    const { body } = await request(server.port, `/seeded/${seed}/${bytesOf(seed)}`, {
      deadlineMs: PROGRAM_DEADLINE_MS,
    });
    assert(body.equals(seededBytes(seed, bytesOf(seed))), `answer ${seed} to a client that reads`);
  });
  await Promise.all(read);
  for (const [seed, socket] of unread.entries()) {
    const { body } = await readAll(socket);
    assert(body.equals(seededBytes(seed, bytesOf(seed))), `answer ${seed} to a client that did not read`);
  }
});
