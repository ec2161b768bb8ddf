import assert from "node:assert/strict";
import { test } from "node:test";

import { BODY_SIZES, countingBytes, parseEcho, sha256 } from "../helpers/bodies.ts";
import { ClientConnection, request } from "../helpers/client.ts";
import { startTemplateNginx, withoutNginx } from "../helpers/nginx.ts";
import { startFixture } from "../helpers/server.ts";

/** A client that nginx names. */
const CLIENT = "203.0.113.7";

const UWSGI = ["--protocol", "uwsgi"];

test("behind nginx's uwsgi_pass", { skip: withoutNginx }, async (t) => {
  const server = await startFixture(t, "everything", { args: [...UWSGI, "-w", "2"], workers: 2 });
  const port = await startTemplateNginx(t, "uwsgi", server.port);

  await t.test("the application sees the request and the client of nginx", async () => {
    const headers = { Host: "example.org", "X-Real-IP": CLIENT, "X-Some-Field": "some value" };
    const echo = parseEcho(await request(port, "/some/%70ath?query=%20", { headers }));
    assert.deepEqual([echo.method, echo.path, echo.query], ["GET", "/some/path", "query=%20"]);
    assert.deepEqual([echo.protocol, echo.scheme], ["HTTP/1.1", "http"]);
    assert.equal(echo.client, CLIENT);
    assert.equal(echo.headers["HOST"], "example.org");
    assert.equal(echo.headers["X_SOME_FIELD"], "some value");
  });

  await t.test("a path is decoded once", async () => {
    assert.equal(parseEcho(await request(port, "/a%2541%20%C3%A9")).path, "/a%41 \u00e9");
  });

  for (const size of BODY_SIZES) {
    const body = countingBytes(size);
    await t.test(`${size} bytes pass both ways unchanged`, async () => {
      const headers = { "Content-Type": "application/x-test" };
      const echo = parseEcho(await request(port, "/echo", { method: "POST", headers, body }));
      assert.equal(echo.method, "POST");
      assert.equal(echo.headers["CONTENT_TYPE"], "application/x-test");
      assert.equal(echo.body_length, size);
      assert.equal(echo.body_sha256, sha256(body));
      const answer = await request(port, `/big?n=${size}`);
      assert.equal(answer.headers.get("content-length"), String(size));
      assert.equal(sha256(answer.body), sha256(body));
    });
  }

  await t.test("a chunked upload arrives decoded", async (t) => {
    const connection = await ClientConnection.open(t, port);
    const fields = "Host: a\r\nTransfer-Encoding: chunked\r\n";
    connection.send(`POST /echo HTTP/1.1\r\n${fields}\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`);
    const echo = parseEcho(await connection.readAnswer());
    assert.equal(echo.body_sha256, sha256(Buffer.from("abcde")));
    assert.equal(echo.headers["CONTENT_LENGTH"], "5");
  });

  await t.test("an upload that waits for 100 Continue arrives", async (t) => {
    const connection = await ClientConnection.open(t, port);
    const fields = "Host: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n";
    connection.send(`POST /echo HTTP/1.1\r\n${fields}\r\n`);
    assert.equal((await connection.readAnswer()).status, 100);
    connection.send("abcde");
    assert.equal(parseEcho(await connection.readAnswer()).body_length, 5);
  });

  await t.test("a repeated header field is joined", async (t) => {
    const connection = await ClientConnection.open(t, port);
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nX-Some: 1\r\nX-Some: 2\r\n\r\n");
    assert.match(parseEcho(await connection.readAnswer()).headers["X_SOME"] ?? "", /^1, ?2$/);
  });

  await t.test("a client of HTTP/1.0 without Host is served", async (t) => {
    const connection = await ClientConnection.open(t, port);
    connection.send("GET /old HTTP/1.0\r\n\r\n");
    const echo = parseEcho(await connection.readAnswer());
    assert.deepEqual([echo.path, echo.protocol], ["/old", "HTTP/1.0"]);
  });

  await t.test("HEAD is answered without a body", async () => {
    const answer = await request(port, "/big?n=10", { method: "HEAD" });
    assert.deepEqual([answer.status, answer.body.length], [200, 0]);
    assert.equal(answer.headers.get("content-length"), "10");
  });

  await t.test("200 requests of one client are all answered", async (t) => {
    const connection = await ClientConnection.open(t, port);
    for (let number = 0; number < 200; number += 1) {
      assert.equal(parseEcho(await connection.request(`/echo?${number}`)).query, String(number));
    }
  });

  await t.test("an answer of unknown length arrives whole, without chunk sizes in it", async (t) => {
    const streaming = await startFixture(t, "stream", { args: UWSGI });
    const streamed = await request(await startTemplateNginx(t, "uwsgi", streaming.port), "/?pieces=100");
    const pieces = Array.from({ length: 100 }, (_, number) => `piece ${number}\n`);
    assert.equal(streamed.text, pieces.join(""));
  });
});

test("behind a uwsgi_pass that says so, wsgi.url_scheme is https", { skip: withoutNginx }, async (t) => {
  const server = await startFixture(t, "echo", { args: UWSGI });
  const port = await startTemplateNginx(t, "uwsgi", server.port, (configuration) =>
    configuration.replace("$https if_not_empty", "on"),
  );
  assert.equal(parseEcho(await request(port, "/")).scheme, "https");
});

test(
  "behind uwsgi_pass a header of the client is not taken for a variable",
  { skip: withoutNginx },
  async (t) => {
    const server = await startFixture(t, "echo", { args: UWSGI });
    const port = await startTemplateNginx(t, "uwsgi", server.port, (configuration) =>
      configuration.replace("access_log off;", "access_log off; underscores_in_headers on;"),
    );
    const headers = { REMOTE_ADDR: "6.6.6.6", SCRIPT_NAME: "/s", HTTPS: "on", Remote_Addr_: "6.6.6.6" };
    const echo = parseEcho(await request(port, "/path", { headers }));
    assert.deepEqual([echo.client, echo.path, echo.scheme], ["127.0.0.1", "/path", "http"]);
  },
);

function uwsgiPacket(variables: Readonly<Record<string, string>>): Buffer {
  const sized = (text: string): Buffer => {
    const bytes = Buffer.from(text, "latin1");
    return Buffer.concat([Buffer.from([bytes.length & 0xff, bytes.length >> 8]), bytes]);
  };
  const block = Buffer.concat(Object.entries(variables).flatMap((pair) => pair.map(sized)));
  return Buffer.concat([Buffer.from([0, block.length & 0xff, block.length >> 8, 0]), block]);
}

const REQUEST = {
  REQUEST_METHOD: "GET",
  REQUEST_URI: "/a",
  PATH_INFO: "/a",
  QUERY_STRING: "",
  SERVER_PROTOCOL: "HTTP/1.1",
  HTTP_HOST: "a",
  REMOTE_ADDR: CLIENT,
  REMOTE_PORT: "1",
};

test("--protocol uwsgi answers a packet with an HTTP response and closes", async (t) => {
  const server = await startFixture(t, "echo", { args: UWSGI });
  const connection = await ClientConnection.open(t, server.port);
  connection.send(uwsgiPacket(REQUEST));
  const echo = parseEcho(await connection.readAnswer());
  assert.deepEqual([echo.path, echo.client, echo.client_port], ["/a", CLIENT, "1"]);
  await connection.readEnd();
  assert.equal(connection.waitingBytes, 0);
});

test("--protocol uwsgi: ports that are no numbers are unknown to an ASGI application", async (t) => {
  const server = await startFixture(t, "asgi_app:app", { args: [...UWSGI, "-k", "asgi"] });
  for (const port of ["", "x"]) {
    const connection = await ClientConnection.open(t, server.port);
    const path = { REQUEST_URI: "/echo", PATH_INFO: "/echo" };
    connection.send(
      uwsgiPacket({ ...REQUEST, ...path, REMOTE_PORT: port, SERVER_NAME: "s.test", SERVER_PORT: port }),
    );
    const scope = JSON.parse((await connection.readAnswer()).text) as Record<string, unknown>;
    assert.deepEqual(
      [scope["client"], scope["server"]],
      [
        [CLIENT, 0],
        ["s.test", null],
      ],
    );
  }
});

const badPackets: readonly (readonly [what: string, Buffer | string])[] = [
  ["plain HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["code to evaluate", Buffer.from([22, 1, 0, 0, 0x31])],
  ["a bad length", uwsgiPacket({ ...REQUEST, CONTENT_LENGTH: "x" })],
  ["a header field with a line end", uwsgiPacket({ ...REQUEST, HTTP_X: "a\r\nb" })],
];
for (const [what, bytes] of badPackets) {
  test(`--protocol uwsgi answers 400 to ${what}, and serves on`, async (t) => {
    const server = await startFixture(t, "echo", { args: UWSGI });
    const connection = await ClientConnection.open(t, server.port);
    connection.send(bytes);
    assert.equal((await connection.readAnswer()).status, 400);
    const next = await ClientConnection.open(t, server.port);
    next.send(uwsgiPacket(REQUEST));
    assert.equal(parseEcho(await next.readAnswer()).path, "/a");
  });
}

test("a peer that --uwsgi-allow-from does not name reaches no application", async (t) => {
  const args = [...UWSGI, "--uwsgi-allow-from", "192.0.2.1"];
  const server = await startFixture(t, "echo", { args });
  const connection = await ClientConnection.open(t, server.port);
  connection.send(uwsgiPacket(REQUEST));
  await connection.readEnd();
  if (connection.waitingBytes > 0) assert.equal((await connection.readAnswer()).status, 403);
});

for (const allowed of ["127.0.0.0/8", "*"]) {
  test(`--uwsgi-allow-from ${allowed} lets a front server on this machine in`, async (t) => {
    const server = await startFixture(t, "echo", { args: [...UWSGI, "--uwsgi-allow-from", allowed] });
    const connection = await ClientConnection.open(t, server.port);
    connection.send(uwsgiPacket(REQUEST));
    assert.equal(parseEcho(await connection.readAnswer()).client, CLIENT);
  });
}
