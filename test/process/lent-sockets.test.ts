import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { type Address, type Answer, ClientConnection, ConnectionCut, request } from "../helpers/client.ts";
import { LOG_DEADLINE_MS, PROGRAM_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { readAll, sendUnread } from "../helpers/sending.ts";
import { startFixture } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const MIB = 1024 * 1024;
/** Much more than a client's connection takes at once. */
const HUGE_BYTES = 24 * MIB;
const BLOCK = Buffer.from(Array.from({ length: 251_000 }, (_, index) => index % 251));

function bodyOf(size: number): Buffer {
  return Buffer.alloc(size, BLOCK);
}

function assertBody({ status, body }: Answer, size: number): void {
  assert.equal(status, 200);
  assert.equal(body.length, size);
  assert.ok(body.equals(bodyOf(size)));
}

async function counts(address: Address): Promise<Readonly<Record<string, number>>> {
  return JSON.parse((await request(address, "/counts")).text) as Record<string, number>;
}

/** The router is dialled with the first large response of the only worker: it can write the next ones itself. */
async function startLending(t: TestContext, args: readonly string[] = []) {
  const server = await startFixture(t, "lending", { args: ["-w", "1", "--access-logfile", "-", ...args] });
  await untilTrue(
    async () => {
      assertBody(await request(server.port, `/body/${MIB}`), MIB);
      return (await counts(server.port))["whole"] !== undefined;
    },
    { deadlineMs: LOG_DEADLINE_MS, what: "a response is written by the worker" },
  );
  return server;
}

test("a worker writes large responses to the client's socket itself", async (t) => {
  const socketPath = join(await temporaryFolder(t), "server.sock");
  const server = await startLending(t, ["-b", `unix:${socketPath}`]);

  await t.test("one after another on a connection that stays, with small ones between", async (t) => {
    const { whole: before = 0 } = await counts(server.port);
    const connection = await ClientConnection.open(t, server.port);
    for (let number = 0; number < 5; number += 1) {
      assertBody(await connection.request(`/body/${MIB + number}`), MIB + number);
      assertBody(await connection.request(`/body/${number + 1}`), number + 1);
      assertBody(await connection.request(`/iterated/${MIB - number}`), MIB - number);
    }
    assert.equal((await counts(server.port))["whole"], before + 10);
  });

  await t.test("in order, to requests that were sent at once", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    const sizes = [MIB, 3, 2 * MIB, 1, MIB + 7];
    for (const size of sizes) connection.sendRequest(`/body/${size}`);
    for (const size of sizes) assertBody(await connection.readAnswer(), size);
  });

  await t.test("and ends the connection where it is not kept", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.send(`GET /body/${MIB} HTTP/1.0\r\n\r\n`);
    const answer = await connection.readAnswer();
    assert.equal(answer.headers.get("connection"), "close");
    assertBody(answer, MIB);
    await connection.readEnd();
  });

  await t.test("but not to HEAD, which gets no body", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    const answer = await connection.request(`/body/${MIB}`, { method: "HEAD" });
    assert.equal(answer.headers.get("content-length"), String(MIB));
    assert.equal((await connection.request("/body/2")).body.length, 2);
  });

  await t.test("and a response that is shorter than its length is cut off", async () => {
    await assert.rejects(request(server.port, `/short/${MIB}`), ConnectionCut);
    await server.waitForLine(
      /GET \/short\/1048576: the application sent fewer bytes than its Content-Length/,
    );
  });

  await t.test("also to clients of a unix socket, which takes less at once", async (t) => {
    const connection = await ClientConnection.open(t, socketPath);
    for (let number = 0; number < 20; number += 1) assertBody(await connection.request(`/body/${MIB}`), MIB);
  });

  await t.test("and every line of the access log has the right length", async () => {
    const { lines } = server;
    const isRight = (line: string) =>
      new RegExp(String.raw`"GET /(body|iterated)/(\d+) HTTP/1\.[01]" 200 \2 `).test(line);
    const answers = lines.filter((line) => /"GET \/(body|iterated)/.test(line));
    assert.ok(answers.length > 30);
    assert.deepEqual(
      answers.filter((line) => !isRight(line)),
      [],
    );
  });
});

test("a client that takes a response slowly gets its rest from the router, and holds no worker", async (t) => {
  const server = await startLending(t);
  const unread = await sendUnread(t, server.port, `/body/${HUGE_BYTES}`);
  await untilTrue(async () => (await counts(server.port))["part"] === 1, {
    deadlineMs: LOG_DEADLINE_MS,
    what: "the worker has written what the client takes at once",
  });
  assertBody(await request(server.port, "/body/1000"), 1000);
  assertBody(await readAll(unread), HUGE_BYTES);

  await t.test("and one that leaves meanwhile is no error", async (t) => {
    const leaving = await sendUnread(t, server.port, `/body/${HUGE_BYTES}`);
    assertBody(await request(server.port, "/body/1000"), 1000);
    leaving.destroy();
    assertBody(await request(server.port, `/body/${MIB}`), MIB);
    assert.ok(!server.lines.some((line) => /\[(ERROR|WARNING|CRITICAL)\]/.test(line)));
  });
});

test("a worker that can have no further descriptor still answers", async (t) => {
  const server = await startLending(t);
  const connection = await ClientConnection.open(t, server.port);
  assert.equal((await connection.request("/exhausted")).text, "done");
  assertBody(await connection.request(`/body/${MIB}`), MIB);
  assertBody(await connection.request("/body/3"), 3);
});

for (const workerClass of ["sync", "gthread"]) {
  test(`responses of killed ${workerClass} workers are whole or cut, never another's`, async (t) => {
    const server = await startFixture(t, "lending", {
      args: ["-w", "2", "-k", workerClass, "--threads", "3"],
    });
    let answered = 0;
    const over = new AbortController();
    const ask = async (client: number): Promise<void> => {
      for (let number = 0; !over.signal.aborted; number += 1) {
        const size = MIB / 2 + ((client * 7919 + number * 104_729) % (2 * MIB));
        try {
          const answer = await request(server.port, `/body/${size}`, { deadlineMs: PROGRAM_DEADLINE_MS });
          if (answer.status === 200) assertBody(answer, size);
          else assert.equal(answer.status, 502);
          answered += 1;
        } catch (failure) {
          if (!(failure instanceof ConnectionCut)) throw failure;
        }
      }
    };
    const clients = Promise.all(Array.from({ length: 8 }, (_, client) => ask(client)));
    try {
      for (let kills = 1; kills <= 4; kills += 1) {
        const wanted = answered + 20;
        await untilTrue(() => answered >= wanted, {
          deadlineMs: PROGRAM_DEADLINE_MS,
          what: () => `${wanted} answers, there are ${answered}`,
        });
        process.kill(Number((await request(server.port, "/pid")).text), "SIGKILL");
      }
    } finally {
      over.abort();
      await clients;
    }
    assertBody(await request(server.port, `/body/${MIB}`), MIB);
  });
}
