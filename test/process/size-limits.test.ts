import assert from "node:assert/strict";
import { test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { startGatedServer } from "../helpers/gate.ts";
import { assertRefused } from "../helpers/refusals.ts";

const HEAD = "Host: a\r\n";
const MIB = 1024 * 1024;

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
    assert.deepEqual(await server.allCalledPaths(), ["/whole", "/last"]);
  });
});

test("limits on the head", async (t) => {
  const repeated = (count: number): string => "X: y\r\n".repeat(count);
  const ofManyNames = (count: number): string =>
    Array.from({ length: count }, (_, index) => `${index.toString(16)}:\r\n`).join("");
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
      "limit_request_fields 0: 100000 of different names are taken",
      `GET / HTTP/1.1\r\n${HEAD}${ofManyNames(100_000)}\r\n`,
      200,
    ],
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
