import assert from "node:assert/strict";
import { test } from "node:test";

import { BODY_SIZES, countingBytes, parseEcho, sha256 } from "../helpers/bodies.ts";
import { ClientConnection, request } from "../helpers/client.ts";
import { startGuideNginx, withoutNginx } from "../helpers/nginx.ts";
import { startFixture } from "../helpers/server.ts";

test("behind nginx with the guide's configuration", { skip: withoutNginx }, async (t) => {
  const server = await startFixture(t, "everything", { args: ["-w", "2"], workers: 2 });
  const port = await startGuideNginx(t, server.port);

  await t.test("the application sees what nginx says of the client", async () => {
    const headers = { Host: "yourdomain.com" };
    const echo = parseEcho(await request(port, "/some/path?query=1", { headers }));
    assert.deepEqual([echo.method, echo.path, echo.query], ["GET", "/some/path", "query=1"]);
    assert.equal(echo.scheme, "http");
    assert.equal(echo.headers["HOST"], "yourdomain.com");
    assert.equal(echo.headers["X_REAL_IP"], "127.0.0.1");
    assert.equal(echo.headers["X_FORWARDED_FOR"], "127.0.0.1");
    assert.equal(echo.headers["X_FORWARDED_PROTO"], "http");
  });

  for (const size of BODY_SIZES) {
    const body = countingBytes(size);
    await t.test(`${size} bytes pass both ways unchanged`, async () => {
      const echo = parseEcho(await request(port, "/echo", { method: "POST", body }));
      assert.equal(echo.body_length, size);
      assert.equal(echo.body_sha256, sha256(body));
      const answer = await request(port, `/big?n=${size}`);
      assert.equal(answer.headers.get("content-length"), String(size));
      assert.equal(sha256(answer.body), sha256(body));
    });
  }

  await t.test("200 requests of one client are all answered", async (t) => {
    const connection = await ClientConnection.open(t, port);
    for (let number = 0; number < 200; number += 1) {
      assert.equal(parseEcho(await connection.request(`/echo?${number}`)).query, String(number));
    }
  });

  await t.test("an answer of unknown length arrives whole", async (t) => {
    const streaming = await startFixture(t, "stream");
    const streamed = await request(await startGuideNginx(t, streaming.port), "/?pieces=100");
    const pieces = Array.from({ length: 100 }, (_, number) => `piece ${number}\n`);
    assert.equal(streamed.text, pieces.join(""));
  });
});

test("behind an nginx that ends TLS, wsgi.url_scheme is https", { skip: withoutNginx }, async (t) => {
  const server = await startFixture(t, "echo");
  const port = await startGuideNginx(t, server.port, (configuration) =>
    configuration.replace("X-Forwarded-Proto $scheme", "X-Forwarded-Proto https"),
  );
  assert.equal(parseEcho(await request(port, "/")).scheme, "https");
});

test("a client that is no trusted proxy cannot choose wsgi.url_scheme", async (t) => {
  const server = await startFixture(t, "echo", { args: ["--forwarded-allow-ips", "192.0.2.1"] });
  const headers = { "X-Forwarded-Proto": "https" };
  assert.equal(parseEcho(await request(server.port, "/", { headers })).scheme, "http");
});
