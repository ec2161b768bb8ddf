import assert from "node:assert/strict";
import { test } from "node:test";

import { multipart, sha256 } from "../helpers/bodies.ts";
import { ClientConnection, request } from "../helpers/client.ts";
import { startGatedServer } from "../helpers/gate.ts";
import { FILE_BYTES, frameworks, startSending } from "../helpers/sending.ts";

const MIB = 1024 * 1024;
const CHUNK_BYTES = 65_537;

/** A cookie value that needs every kind of quoting. */
const ODD_VALUE = 'a "b"; c, d=é%20\\ ü';

for (const [framework, application] of frameworks) {
  test(`${framework}'s own features`, async (t) => {
    const { server, content } = await startSending(t, application);

    await t.test("a file of a form", async () => {
      const upload = content.subarray(0, 3 * MIB);
      const answer = await request(server.port, "/form", { method: "POST", ...multipart(upload) });
      const expected = { name: "Änne", bytes: upload.length, sha256: sha256(upload) };
      assert.deepEqual(JSON.parse(answer.text), expected);
    });

    for (const size of [5, 3 * MIB]) {
      await t.test(`a chunked upload of ${size} bytes`, async (t) => {
        const connection = await ClientConnection.open(t, server.port);
        connection.send("POST /raw HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        const upload = content.subarray(0, size);
        connection.sendChunks(upload, CHUNK_BYTES);
        const { text } = await connection.readAnswer();
        assert.deepEqual(JSON.parse(text), { bytes: size, sha256: sha256(upload) });
      });
    }

    await t.test("a chunked upload of JSON", async (t) => {
      const connection = await ClientConnection.open(t, server.port);
      const head = "POST /json HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
      connection.send(
        `${head}Transfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n6\r\n:[1,2]\r\n1\r\n}\r\n0\r\n\r\n`,
      );
      assert.deepEqual(JSON.parse((await connection.readAnswer()).text), { got: { a: [1, 2] } });
    });

    await t.test("a file that it sends", async () => {
      const answer = await request(server.port, "/file");
      assert.equal(answer.headers.get("content-length"), String(FILE_BYTES));
      assert.equal(sha256(answer.body), sha256(content));
    });

    await t.test("the head alone of a file, and the connection goes on", async (t) => {
      const connection = await ClientConnection.open(t, server.port);
      const answer = await connection.request("/file", { method: "HEAD" });
      assert.deepEqual([answer.status, answer.headers.get("content-length")], [200, String(FILE_BYTES)]);
      assert.equal((await connection.request("/taste")).status, 200);
    });

    await t.test("cookies with odd characters", async () => {
      const baked = await request(server.port, `/bake?value=${encodeURIComponent(ODD_VALUE)}`);
      const cookie = /^odd=("(?:[^"\\]|\\.)*"|[^;]*)/.exec(baked.headers.get("set-cookie") ?? "")?.[0] ?? "";
      assert.notEqual(cookie, "");
      const headers = { Cookie: `first=x=y; ${cookie}; last=%C3%A9` };
      const { text } = await request(server.port, "/taste", { headers });
      assert.deepEqual(JSON.parse(text), { first: "x=y", odd: ODD_VALUE, last: "%C3%A9" });
    });

    await t.test("conditional requests, and the connection goes on", async (t) => {
      const connection = await ClientConnection.open(t, server.port);
      for (const [condition, status, body] of [
        [{}, 200, "version 1"],
        [{ "If-None-Match": '"v1"' }, 304, ""],
        [{ "If-None-Match": '"v0"' }, 200, "version 1"],
        [{ "If-None-Match": 'W/"v0", "v1"' }, 304, ""],
        [{ "If-Match": '"v1"' }, 200, "version 1"],
        [{ "If-Match": '"v0"' }, 412, undefined],
        [{ "If-None-Match": "*" }, 304, ""],
      ] as const) {
        const answer = await connection.request("/tagged", { headers: condition });
        assert.equal(answer.status, status, JSON.stringify(condition));
        if (status === 200) assert.equal(answer.headers.get("etag"), '"v1"');
        if (body !== undefined) assert.equal(answer.text, body);
      }
    });

    await t.test("two Cookie fields", async (t) => {
      const connection = await ClientConnection.open(t, server.port);
      connection.send("GET /taste HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n");
      assert.deepEqual(JSON.parse((await connection.readAnswer()).text), { a: "1", b: "2" });
    });
  });
}

test("Flask answers conditional and partial requests for a file, and the connection goes on", async (t) => {
  const { server, content } = await startSending(t, "bodies.flask_app");
  const connection = await ClientConnection.open(t, server.port);
  const whole = await connection.request("/file");
  const [etag = "", date = ""] = ["etag", "last-modified"].map((name) => whole.headers.get(name));
  assert(etag !== "" && date !== "");
  for (const headers of [{ "If-None-Match": etag }, { "If-Modified-Since": date }]) {
    const answer = await connection.request("/file", { headers });
    assert.deepEqual([answer.status, answer.headers.get("etag")], [304, etag]);
  }
  const part = await connection.request("/file", { headers: { Range: "bytes=1000-1999999" } });
  assert.equal(part.status, 206);
  assert.equal(part.headers.get("content-range"), `bytes 1000-1999999/${FILE_BYTES}`);
  assert(part.body.equals(content.subarray(1000, 2_000_000)));
  const other = await connection.request("/file", { headers: { "If-None-Match": '"other"' } });
  assert.equal(sha256(other.body), sha256(content));
});

for (const [framework, application] of [["a plain application", "bodies.plain"], ...frameworks] as const) {
  test(`pieces of ${framework} arrive as they are yielded`, async (t) => {
    const server = await startGatedServer(t, [], { application });
    const connection = await ClientConnection.open(t, server.port);
    connection.sendRequest("/stream");
    // The next piece is only yielded once the one before has arrived here.
    for (let number = 0; number < 4; number += 1) {
      await connection.readUntil(`piece ${number}\n`);
      await server.openGate();
    }
    assert.equal((await connection.readAnswer()).text, "piece 0\npiece 1\npiece 2\npiece 3\n");
  });
}
