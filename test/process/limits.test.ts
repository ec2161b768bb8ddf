import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { parseEcho } from "../helpers/bodies.ts";
import { type Answer, ClientConnection, request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, LOG_DEADLINE_MS, untilTrue, withDeadline } from "../helpers/deadlines.ts";
import { type GatedServer, startGatedServer } from "../helpers/gate.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { LOOPBACK, startFixture, startServer } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** Between two octets of a client that sends or reads slowly. */
const DRIP_INTERVAL_MS = 50;

/** After its first ten seconds the rate of a body counts. */
const RATE_DEADLINE_MS = 30_000;

/** Far above the second that a client is given to take the answer that turns it away. */
const TURNED_AWAY_DEADLINE_MS = 10_000;

/** For the router to find out that a client which has closed is not only half-closed. */
const NOTICE_DEADLINE_MS = 5_000;

const HEAD = "Host: a\r\n";
const MIB = 1024 * 1024;

/** Calls `step` again and again until the test ends. */
function repeat(t: TestContext, step: () => void): void {
  const timer = setInterval(step, DRIP_INTERVAL_MS);
  onTeardown(t, () => clearInterval(timer));
}

async function assertRefused(connection: ClientConnection, status: number): Promise<Answer> {
  const answer = await connection.readAnswer();
  assert.equal(answer.status, status);
  assert.equal(answer.headers.get("connection"), "close");
  await connection.readEnd();
  assert.equal(connection.waitingBytes, 0);
  return answer;
}

function assertOverloaded({ status, headers }: Answer): void {
  assert.equal(status, 503);
  assert.match(headers.get("retry-after") ?? "", /^[1-9][0-9]*$/);
}

/** Sends a request that holds the only worker, on a connection of its own. */
async function holdWorker(t: TestContext, server: GatedServer): Promise<ClientConnection> {
  const holder = await ClientConnection.open(t, server.port);
  holder.sendRequest("/hold");
  await server.waitForLine(/called \/hold$/);
  return holder;
}

/** The paths of all calls up to one that is made now: whatever was to come before it has come. */
async function allCalls(server: GatedServer): Promise<readonly string[]> {
  assert.equal((await request(server.port, "/last")).status, 200);
  await server.waitForLine(/called \/last$/);
  return server.calledPaths();
}

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
      assert(!(await allCalls(impatient)).includes("/stalled-head"));
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
      assert(!(await allCalls(impatient)).includes("/stalled-body"));
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
      assert(!(await allCalls(rated)).includes("/too-slow"));
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

test("limit_request_body", async (t) => {
  const server = await startGatedServer(t, ["--limit-request-body", "10"]);

  await t.test("a body of that size is taken", async () => {
    const answer = await request(server.port, "/whole", { method: "POST", body: "x".repeat(10) });
    assert.equal(answer.text, "10 bytes to /whole");
  });

  await t.test("a larger one gets 413 by its Content-Length, before 100 Continue", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.send(`POST /length HTTP/1.1\r\n${HEAD}Expect: 100-continue\r\nContent-Length: 11\r\n\r\n`);
    await assertRefused(connection, 413);
  });

  await t.test("a larger one gets 413 as soon as its chunks are more", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.send(`POST /chunks HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
    connection.send("5\r\n12345\r\n6\r\n123456\r\n");
    await assertRefused(connection, 413);
  });

  await t.test("who goes on sending can read the 413 all the same", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.send(`POST /upload HTTP/1.1\r\n${HEAD}Content-Length: ${4 * MIB}\r\n\r\n`);
    connection.send(Buffer.alloc(4 * MIB));
    await assertRefused(connection, 413);
  });

  await t.test("0 is no limit", async (t) => {
    const unlimited = await startGatedServer(t, ["--limit-request-body", "0"]);
    const answer = await request(unlimited.port, "/upload", { method: "POST", body: Buffer.alloc(4 * MIB) });
    assert.equal(answer.text, `${4 * MIB} bytes to /upload`);
  });

  await t.test("none of those that were refused reached the application", async () => {
    assert.deepEqual(await allCalls(server), ["/whole", "/last"]);
  });
});

test("limits on the head", async (t) => {
  const repeated = (count: number): string => "X: y\r\n".repeat(count);
  /** Host is one of them. */
  const line = (length: number): string =>
    `GET /${"x".repeat(length - "GET / HTTP/1.1".length)} HTTP/1.1\r\n`;

  const limited = await startGatedServer(t, [
    ...["--limit-request-line", "100"],
    ...["--limit-request-fields", "5"],
    ...["--limit-request-field_size", "50"],
  ]);
  for (const [what, head, status] of [
    ["limit_request_line: a line of that size is taken", `${line(100)}${HEAD}\r\n`, 200],
    ["limit_request_line: a longer one gets 414", `${line(101)}${HEAD}\r\n`, 414],
    ["limit_request_fields: as many are taken", `GET / HTTP/1.1\r\n${HEAD}${repeated(4)}\r\n`, 200],
    ["limit_request_fields: one more gets 431", `GET / HTTP/1.1\r\n${HEAD}${repeated(5)}\r\n`, 431],
    [
      "limit_request_field_size: a field of that size is taken",
      `GET / HTTP/1.1\r\n${HEAD}X: ${"y".repeat(47)}\r\n\r\n`,
      200,
    ],
    [
      "limit_request_field_size: a larger one gets 431",
      `GET / HTTP/1.1\r\n${HEAD}X: ${"y".repeat(48)}\r\n\r\n`,
      431,
    ],
  ] as const) {
    await t.test(what, async (t) => {
      const connection = await ClientConnection.open(t, limited.port);
      connection.send(head);
      assert.equal((await connection.readAnswer()).status, status);
    });
  }

  const unlimited = await startGatedServer(t, [
    ...["--limit-request-line", "0"],
    ...["--limit-request-fields", "0"],
    ...["--limit-request-field-size", "0"],
  ]);
  for (const [what, head, status] of [
    ["limit_request_line 0: a line of 500 KB is taken", `${line(500_000)}${HEAD}\r\n`, 200],
    ["limit_request_fields 0: 5000 are taken", `GET / HTTP/1.1\r\n${HEAD}${repeated(5000)}\r\n`, 200],
    [
      "limit_request_field_size 0: a field of 500 KB is taken",
      `GET / HTTP/1.1\r\n${HEAD}X: ${"y".repeat(500_000)}\r\n\r\n`,
      200,
    ],
    [
      "all three 0: a head of more than 1 MiB gets 431",
      `GET / HTTP/1.1\r\n${HEAD}X: ${"y".repeat(600_000)}\r\nY: ${"z".repeat(600_000)}\r\n\r\n`,
      431,
    ],
  ] as const) {
    await t.test(what, async (t) => {
      const connection = await ClientConnection.open(t, unlimited.port);
      connection.send(head);
      assert.equal((await connection.readAnswer()).status, status);
    });
  }
});

test("max_connections: one more gets 503 with Retry-After, and there is room again when one has left", async (t) => {
  const args = ["--max-connections", "2", "--keep-alive", "60"];
  const server = await startGatedServer(t, args);
  const [first, second] = [
    await ClientConnection.open(t, server.port),
    await ClientConnection.open(t, server.port),
  ];
  for (const connection of [first, second]) {
    assert.equal((await connection.request("/kept")).status, 200);
  }
  const third = await ClientConnection.open(t, server.port);
  assertOverloaded(await assertRefused(third, 503));

  first.destroy();
  await untilTrue(async () => (await request(server.port, "/again")).status === 200, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "room for another connection",
  });
  assert.equal((await second.request("/kept")).status, 200);
});

test("max_connections: who was turned away cannot stay by going on to send", async (t) => {
  const server = await startGatedServer(t, ["--max-connections", "1", "--keep-alive", "60"]);
  const router = new RouterProcess(server);
  const only = await ClientConnection.open(t, server.port);
  assert.equal((await only.request("/kept")).status, 200);
  const before = router.descriptors;
  // Half-open, so that its end too is left to the server.
  const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
  onTeardown(t, () => void socket.destroy());
  const intruder = new ClientConnection(socket);
  repeat(t, () => intruder.send("x"));
  assertOverloaded(await intruder.readAnswer());
  await untilTrue(() => router.descriptors === before, {
    deadlineMs: TURNED_AWAY_DEADLINE_MS,
    what: () => `${before} descriptors of the router, there are ${router.descriptors}`,
  });
});

test("queue_size: one request more than may wait gets 503 with Retry-After", async (t) => {
  const server = await startGatedServer(t, ["--queue-size", "1"]);
  const holder = await holdWorker(t, server);
  const [left, right] = [
    await ClientConnection.open(t, server.port),
    await ClientConnection.open(t, server.port),
  ];
  const answers = [left, right].map(async (connection) => {
    const answer = await connection.request("/waits");
    return answer;
  });
  // Which of the two comes first is not ours to choose.
  const turnedAway = await Promise.race(answers);
  assertOverloaded(turnedAway);
  await server.openGate();
  assert.equal((await holder.readAnswer()).status, 200);
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  assert.deepEqual(new Set(statuses), new Set([200, 503]));
  assert.deepEqual(await allCalls(server), ["/hold", "/waits", "/last"]);
});

test("queue_timeout: a request that waits for longer gets 503 with Retry-After, and costs no call", async (t) => {
  const server = await startGatedServer(t, ["--queue-timeout", "1"]);
  const holder = await holdWorker(t, server);
  const waiting = await ClientConnection.open(t, server.port);
  assertOverloaded(await waiting.request("/waits"));
  await server.openGate();
  assert.equal((await holder.readAnswer()).status, 200);
  assert.deepEqual(await allCalls(server), ["/hold", "/last"]);
});

test("a client that closes while its request waits costs no call of the application", async (t) => {
  for (const [how, leave] of [
    ["by closing", (socket: ReturnType<typeof connect>) => socket.destroy()],
    ["by a reset", (socket: ReturnType<typeof connect>) => socket.resetAndDestroy()],
  ] as const) {
    await t.test(how, async (t) => {
      const server = await startGatedServer(t, []);
      const holder = await holdWorker(t, server);
      const router = new RouterProcess(server);
      const before = router.descriptors;
      const socket = connect(server.port, "127.0.0.1");
      onTeardown(t, () => void socket.destroy());
      await new Promise((resolve) => socket.write(`GET /left HTTP/1.1\r\n${HEAD}\r\n`, resolve));
      await untilTrue(() => router.descriptors === before + 1, {
        deadlineMs: ANSWER_DEADLINE_MS,
        what: "the connection of the client that will leave",
      });
      leave(socket);
      // It may be found out by now, or only when it is this request's turn.
      await untilTrue(() => router.descriptors === before, {
        deadlineMs: NOTICE_DEADLINE_MS,
        what: "the router's closing what the client has left",
      }).catch(() => {});
      await server.openGate();
      assert.equal((await holder.readAnswer()).status, 200);
      assert.deepEqual(await allCalls(server), ["/hold", "/last"]);
    });
  }
});

/** The answer behind interim ones, by which the server may ask whether the client is still there. */
async function finalAnswer(connection: ClientConnection): Promise<Answer> {
  let answer = await connection.readAnswer();
  while (answer.status < 200) answer = await connection.readAnswer();
  return answer;
}

test("a client that has closed its side only still gets its answer", async (t) => {
  const server = await startGatedServer(t, []);
  const sendAndEnd = (t: TestContext, text: string): ClientConnection => {
    const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    onTeardown(t, () => void socket.destroy());
    socket.end(text);
    return new ClientConnection(socket);
  };

  await t.test("at once", async (t) => {
    const connection = sendAndEnd(t, `POST /at-once HTTP/1.1\r\n${HEAD}Content-Length: 5\r\n\r\nhello`);
    assert.equal((await finalAnswer(connection)).text, "5 bytes to /at-once");
    await connection.readEnd();
  });

  await t.test("to each of its requests", async (t) => {
    const requests = ["/one", "/two", "/three"].map((path) => `GET ${path} HTTP/1.1\r\n${HEAD}\r\n`);
    const connection = sendAndEnd(t, requests.join(""));
    for (const path of ["/one", "/two", "/three"]) {
      assert.equal((await finalAnswer(connection)).text, `0 bytes to ${path}`);
    }
    await connection.readEnd();
  });

  await t.test("after its request has waited for the worker", async (t) => {
    const holder = await holdWorker(t, server);
    const waiting = sendAndEnd(t, `GET /waited HTTP/1.1\r\n${HEAD}\r\n`);
    const waitingToo = sendAndEnd(t, "GET /waited-too HTTP/1.0\r\n\r\n");
    await server.openGate();
    assert.equal((await holder.readAnswer()).status, 200);
    assert.equal((await readFinal(waiting)).text, "0 bytes to /waited");
    assert.equal((await waitingToo.readAnswer()).text, "0 bytes to /waited-too");
  });
});

/** An HTTP/1.1 client may be sent interim answers, which it skips (RFC 9110 section 15.2). */
async function readFinal(connection: ClientConnection): Promise<Answer> {
  for (;;) {
    const answer = await connection.readAnswer();
    if (answer.status >= 200) return answer;
  }
}

test("buffer_memory: when twice as much is taken, new requests get 503 until it is free again", async (t) => {
  const server = await startGatedServer(t, ["--buffer-memory", String(MIB)]);
  const piece = Buffer.alloc(900_000);
  const uploads = await Promise.all(Array.from({ length: 4 }, () => ClientConnection.open(t, server.port)));
  for (const upload of uploads) {
    upload.send(`POST /upload HTTP/1.1\r\n${HEAD}Content-Length: ${piece.length + 1}\r\n\r\n`);
    upload.send(piece);
  }
  let refused: Answer | undefined;
  await untilTrue(
    async () => {
      const answer = await request(server.port, "/other");
      if (answer.status !== 200) refused = answer;
      return refused !== undefined;
    },
    { deadlineMs: ANSWER_DEADLINE_MS, what: "a refusal for want of memory" },
  );
  assert(refused !== undefined);
  assertOverloaded(refused);

  for (const upload of uploads) {
    upload.send("x");
    assert.equal((await upload.readAnswer()).text, `${piece.length + 1} bytes to /upload`);
  }
  await untilTrue(async () => (await request(server.port, "/again")).status === 200, {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "room for another request",
  });
});

/** What the application sees, or the status of the refusal. */
async function outcomeOf(
  t: TestContext,
  port: number,
  text: string,
): Promise<ReturnType<typeof parseEcho> | number> {
  const connection = await ClientConnection.open(t, port);
  connection.send(text);
  const answer = await connection.readAnswer();
  return answer.status === 200 ? parseEcho(answer) : answer.status;
}

test("what may be permitted", async (t) => {
  const strict = await startFixture(t, "echo");
  for (const { setting, args, input, refusal, permitted } of [
    {
      setting: "permit_unconventional_http_method",
      args: ["--permit-unconventional-http-method"],
      input: `x#y / HTTP/1.1\r\n${HEAD}\r\n`,
      refusal: 400,
      permitted: { method: "x#y" },
    },
    {
      setting: "casefold_http_method",
      args: ["--casefold-http-method"],
      input: `get / HTTP/1.1\r\n${HEAD}\r\n`,
      refusal: 400,
      permitted: { method: "GET" },
    },
    {
      setting: "permit_unconventional_http_version",
      args: ["--permit-unconventional-http-version"],
      input: `GET / HTTP/1.9\r\n${HEAD}\r\n`,
      refusal: 505,
      permitted: { path: "/" },
    },
    {
      setting: "permit_obsolete_folding",
      args: ["--permit-obsolete-folding"],
      input: `GET / HTTP/1.1\r\n${HEAD}X: one\r\n\t two\r\n   three\r\n\r\n`,
      refusal: 400,
      permitted: { headers: { HOST: "a", X: "one two three" } },
    },
    {
      setting: "strip_header_spaces",
      args: ["--strip-header-spaces"],
      input: `GET / HTTP/1.1\r\n${HEAD}X \t: one\r\n\r\n`,
      refusal: 400,
      permitted: { headers: { HOST: "a", X: "one" } },
    },
  ]) {
    await t.test(`${setting}: ${refusal} without it, served with it`, async (t) => {
      assert.equal(await outcomeOf(t, strict.port, input), refusal);
      const lenient = await startFixture(t, "echo", { args });
      const outcome = await outcomeOf(t, lenient.port, input);
      assert(typeof outcome === "object", `It got ${JSON.stringify(outcome)}`);
      for (const [key, value] of Object.entries(permitted)) {
        assert.deepEqual(Object.entries(outcome).find(([name]) => name === key)?.[1], value);
      }
    });
  }
});

test("header_map", async (t) => {
  const spoofed = `GET / HTTP/1.1\r\n${HEAD}X-User: joe\r\nX_User: root\r\n\r\n`;
  for (const { what, args, expected } of [
    { what: "drop, the default, leaves names with underscores out", args: [], expected: "joe" },
    { what: "drop leaves them out", args: ["--header-map", "drop"], expected: "joe" },
    { what: "refuse answers 400", args: ["--header-map", "refuse"], expected: 400 },
    { what: "dangerous lets them through", args: ["--header-map", "dangerous"], expected: "joe,root" },
  ]) {
    await t.test(what, async (t) => {
      const server = await startFixture(t, "echo", { args });
      const outcome = await outcomeOf(t, server.port, spoofed);
      assert.equal(typeof outcome === "number" ? outcome : outcome.headers["X_USER"], expected);
    });
  }
});

/** Answers with the texts of its environ that say where the application is mounted, and how the client came. */
const MOUNT_APPLICATION = `
import json

NAMES = ("SCRIPT_NAME", "PATH_INFO", "wsgi.url_scheme", "HTTP_SCRIPT_NAME", "HTTP_REMOTE_USER", "HTTP_X_USER")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({name: environ[name] for name in NAMES if name in environ}).encode()]
`;

/** Not the peer of these tests. */
const OTHER_PEER = ["--forwarded-allow-ips", "192.0.2.1"];

test("what a proxy may say of a request", async (t) => {
  const mounted = { SCRIPT_NAME: "/shop", PATH_INFO: "/cart", "wsgi.url_scheme": "http" };
  const unmounted = { SCRIPT_NAME: "", PATH_INFO: "/shop/cart", "wsgi.url_scheme": "http" };
  const secure = { ...unmounted, "wsgi.url_scheme": "https" };
  for (const { what, args, fields, expected } of [
    {
      what: "forwarder_headers: SCRIPT_NAME from a trusted peer mounts the application",
      args: [],
      fields: "SCRIPT_NAME: /shop\r\n",
      expected: mounted,
    },
    {
      what: "forwarder_headers: SCRIPT_NAME from any other peer is dropped",
      args: OTHER_PEER,
      fields: "SCRIPT_NAME: /shop\r\n",
      expected: unmounted,
    },
    {
      what: "forwarder_headers: SCRIPT_NAME from any other peer is refused, if header_map says so",
      args: [...OTHER_PEER, "--header-map", "refuse"],
      fields: "SCRIPT_NAME: /shop\r\n",
      expected: 400,
    },
    {
      what: "forwarder_headers: other peers mount nothing, though header_map is dangerous",
      args: [...OTHER_PEER, "--header-map", "dangerous"],
      fields: "SCRIPT_NAME: /shop\r\n",
      expected: { ...unmounted, HTTP_SCRIPT_NAME: "/shop" },
    },
    {
      what: "forwarder_headers: names that are listed pass, whatever header_map says of others",
      args: ["--forwarder-headers", "REMOTE_USER,SCRIPT_NAME"],
      fields: "Remote_User: ada\r\nX_User: root\r\nSCRIPT_NAME: /shop\r\n",
      expected: { ...mounted, HTTP_REMOTE_USER: "ada" },
    },
    {
      what: "forwarder_headers: a list that lacks SCRIPT_NAME leaves it out",
      args: ["--forwarder-headers", "REMOTE_USER"],
      fields: "SCRIPT_NAME: /shop\r\n",
      expected: unmounted,
    },
    {
      what: "secure_scheme_headers: a trusted peer says https",
      args: [],
      fields: "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: on\r\n",
      expected: secure,
    },
    {
      what: "secure_scheme_headers: two that contradict each other get 400",
      args: [],
      fields: "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n",
      expected: 400,
    },
    {
      what: "secure_scheme_headers: one that is repeated and contradicts itself gets 400",
      args: [],
      fields: "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n",
      expected: 400,
    },
    {
      what: "secure_scheme_headers: those of any other peer mean nothing",
      args: OTHER_PEER,
      fields: "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n",
      expected: unmounted,
    },
  ]) {
    await t.test(what, async (t) => {
      const cwd = await temporaryFolder(t, { "mount.py": MOUNT_APPLICATION });
      const server = await startServer(t, { cwd, args: [...LOOPBACK, ...args, "mount"] });
      const connection = await ClientConnection.open(t, server.port);
      connection.send(`GET /shop/cart HTTP/1.1\r\n${HEAD}${fields}\r\n`);
      const { status, text } = await connection.readAnswer();
      assert.deepEqual(status === 200 ? JSON.parse(text) : status, expected);
    });
  }
});
