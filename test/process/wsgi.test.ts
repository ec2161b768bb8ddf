import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { parseEcho, sha256 } from "../helpers/bodies.ts";
import { ClientConnection, ConnectionCut, request } from "../helpers/client.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { examples, startFixture } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

test("the environ tells the application all of the request", async (t) => {
  const server = await startFixture(t, "echo");
  const answer = await request(server.port, "/caf%C3%A9/%2F?a=1&b=%20", {
    method: "PUT",
    headers: { "X-Name": "value", "Content-Type": "text/csv", Cookie: "a=1" },
    body: "1,2,3",
  });
  const echo = parseEcho(answer);
  assert.deepEqual(
    [echo.method, echo.path, echo.query, echo.protocol, echo.scheme, echo.client],
    ["PUT", "/café//", "a=1&b=%20", "HTTP/1.1", "http", "127.0.0.1"],
  );
  assert.deepEqual(echo.headers, {
    HOST: "127.0.0.1",
    X_NAME: "value",
    CONTENT_TYPE: "text/csv",
    CONTENT_LENGTH: "5",
    COOKIE: "a=1",
    CONNECTION: "close",
  });
  assert.equal(echo.body_sha256, sha256(Buffer.from("1,2,3")));
});

test("an exception before the head gives 500 and a traceback in the log", async (t) => {
  const server = await startFixture(t, "raise_early");
  const answer = await request(server.port, "/failing");
  assert.equal(answer.status, 500);
  assert.doesNotMatch(answer.text, /raised before the head|raise_early/);
  await server.waitForLine(/Traceback \(most recent call last\):/);
  await server.waitForLine(/raise_early\.py", line \d+, in application/);
  await server.waitForLine(/RuntimeError: raised before the head/);
  await server.waitForLine(/\/failing/);
  assert.equal(server.bootedPids.length, 1);
});

for (const [query, framing] of [
  ["", "chunked"],
  ["length=1", "under a Content-Length"],
] as const) {
  test(`an exception after the head cuts an answer that is ${framing}`, async (t) => {
    const server = await startFixture(t, "raise_late");
    const connection = await ClientConnection.open(t, server.port);
    await assert.rejects(connection.request(`/?${query}`), (failure) => {
      assert(failure instanceof ConnectionCut, String(failure));
      assert.equal(failure.received.toString(), "first piece\n");
      return true;
    });
    await server.waitForLine(/RuntimeError: raised after the head/);
    assert.equal(server.bootedPids.length, 1);
  });
}

test("start_response with exc_info replaces a head that was not sent", async (t) => {
  const server = await startFixture(t, "raise_replaced");
  const answer = await request(server.port, "/");
  assert.deepEqual([answer.status, answer.text], [503, "replaced by an error page\n"]);
});

test("write() sends before the iterable does", async (t) => {
  const server = await startFixture(t, "writes");
  const { status, text } = await request(server.port, "/");
  assert.deepEqual([status, text], [200, "written one\nwritten two\nreturned three\n"]);
});

test("pieces of unknown length arrive chunked, and empty ones do not end the answer", async (t) => {
  const server = await startFixture(t, "stream");
  const answer = await request(server.port, "/?pieces=50");
  assert.equal(answer.headers.get("transfer-encoding"), "chunked");
  assert.equal(answer.text, Array.from({ length: 50 }, (_, number) => `piece ${number}\n`).join(""));
});

test("pieces arrive as they come", async (t) => {
  const server = await startFixture(t, "stream");
  const connection = await ClientConnection.open(t, server.port);
  connection.sendRequest("/?pieces=2&pause=600");
  // The application sleeps for ten minutes after this piece; were it held back, the deadline would pass first.
  assert.match(await connection.readUntil("piece 0\n"), /^HTTP\/1\.1 200 OK\r\n/);
});

test("an answer of unknown length ends with the connection for HTTP/1.0", async (t) => {
  const server = await startFixture(t, "stream");
  const connection = await ClientConnection.open(t, server.port);
  connection.send("GET /?pieces=3 HTTP/1.0\r\n\r\n");
  const answer = await connection.readAnswer();
  assert.equal(answer.headers.has("transfer-encoding"), false);
  assert.equal(answer.text, "piece 0\npiece 1\npiece 2\n");
});

test("close() of the iterable is called", async (t) => {
  const record = join(await temporaryFolder(t), "closed");
  const server = await startFixture(t, "closing", { env: { CLOSING_RECORD: record } });
  const untilClosed = (path: string): Promise<void> =>
    untilTrue(
      async () => existsSync(record) && (await readFile(record, "utf8")).includes(`closed ${path}\n`),
      { deadlineMs: LOG_DEADLINE_MS, what: () => `close() for ${path}:\n${server.text}` },
    );

  await t.test("after the last piece", async () => {
    assert.equal((await request(server.port, "/whole")).body.length, 30);
    await untilClosed("/whole");
  });

  await t.test("after an exception in the middle", async () => {
    await assert.rejects(request(server.port, "/raises"), ConnectionCut);
    await untilClosed("/raises");
  });

  await t.test("after a HEAD", async () => {
    assert.equal((await request(server.port, "/head", { method: "HEAD" })).status, 200);
    await untilClosed("/head");
  });

  await t.test("after the client has left", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    connection.sendRequest("/endless");
    await connection.readUntil("xxxx");
    connection.destroy();
    await untilClosed("/endless");
    assert.equal((await request(server.port, "/still-serving")).status, 200);
  });

  await t.test("once for each", async () => {
    const lines = (await readFile(record, "utf8")).trimEnd().split("\n");
    assert.equal(new Set(lines).size, lines.length);
  });
});

test("wsgiref.validate finds nothing to complain about", async (t) => {
  const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";

  for (const spec of ["validated", "validated:streaming", "validated:wrap('hello:app')"]) {
    await t.test(`in ${spec}`, async (t) => {
      const server = await startFixture(t, spec, { args: ["--pythonpath", join(examples, "hello")] });
      for (const [method, target, body] of [
        ["GET", "/", undefined],
        ["HEAD", "/", undefined],
        ["GET", "/path/%E2%82%AC?query", undefined],
        ["POST", "/", "one\ntwo\n"],
        ["PUT", "/", ""],
        ["OPTIONS", "/", undefined],
      ] as const) {
        const options = body === undefined ? { method } : { method, body };
        assert.equal((await request(server.port, target, options)).status, 200, `${method} ${target}`);
      }
      const connection = await ClientConnection.open(t, server.port);
      connection.send(`${chunked}4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n`);
      assert.equal((await connection.readAnswer()).status, 200);
      await server.stop();
      assert.doesNotMatch(server.text, /AssertionError|Warning|without being closed|Traceback/);
    });
  }
});

test("HEAD gets the head of GET and no body", async (t) => {
  const server = await startFixture(t, "big");
  const connection = await ClientConnection.open(t, server.port);
  const answer = await connection.request("/?n=65536", { method: "HEAD", headers: { Connection: "close" } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("content-length"), "65536");
  await connection.readEnd();
  assert.equal(connection.waitingBytes, 0);
});

test("a chunked request body reaches the application whole", async (t) => {
  const server = await startFixture(t, "echo");
  const connection = await ClientConnection.open(t, server.port);
  connection.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  const pieces = ["first", "second piece", "x".repeat(100_000)];
  for (const piece of pieces) {
    connection.send(`${piece.length.toString(16)};note=1\r\n${piece}\r\n`);
  }
  connection.send("0\r\nX-Trailer: ignored\r\n\r\n");
  const echo = parseEcho(await connection.readAnswer());
  assert.equal(echo.body_sha256, sha256(Buffer.from(pieces.join(""))));
});

test("a client that asks for 100 Continue is told to go on", async (t) => {
  const server = await startFixture(t, "echo");
  const connection = await ClientConnection.open(t, server.port);
  connection.send(
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
  );
  assert.equal((await connection.readAnswer()).status, 100);
  connection.send("12345");
  assert.equal(parseEcho(await connection.readAnswer()).body_length, 5);
});

test("every answer tells the date and the server", async (t) => {
  const server = await startFixture(t, "pid");
  const { headers } = await request(server.port, "/");
  const date = Date.parse(headers.get("date") ?? "");
  assert(Math.abs(Date.now() - date) < 60_000);
  assert.match(headers.get("server") ?? "", /\w/);
});

test("what is no HTTP gets 400 and the connection's end, and costs nobody else", async (t) => {
  const server = await startFixture(t, "pid");
  const connection = await ClientConnection.open(t, server.port);
  connection.send("this is no request\r\n\r\n");
  assert.equal((await connection.readAnswer()).status, 400);
  await connection.readEnd();
  assert.equal((await request(server.port, "/")).status, 200);
});
