import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { request } from "../helpers/client.ts";
import { FLASK_SOCK_TALK } from "../helpers/flask-sock.ts";
import { startTemplateNginx, withoutNginx } from "../helpers/nginx.ts";
import { parseOutput, runProgram } from "../helpers/program.ts";
import { python, repositoryRoot, startFixture } from "../helpers/server.ts";
import { DeniedError, WebSocketClient } from "../helpers/websocket-client.ts";

const UWSGI = ["--protocol", "uwsgi", "--access-logfile", "-"] as const;

for (const [workerClass, args] of [
  ["gthread", ["--threads", "2"]],
  ["gevent", ["-k", "gevent"]],
] as const) {
  test(
    `behind nginx's uwsgi_pass Flask-Sock works with the ${workerClass} worker, as a client of websockets sees it`,
    { skip: withoutNginx },
    async (t) => {
      const server = await startFixture(t, "flask_sock_app:app", { args: [...UWSGI, ...args] });
      const port = await startTemplateNginx(t, "uwsgi", server.port);
      const client = join(repositoryRoot, "test/fixtures/clients/websocket_client.py");
      assert.deepEqual(parseOutput(await runProgram(t, python, [client, String(port)])), FLASK_SOCK_TALK);
      await server.waitForLine(/"GET \/echo HTTP\/1\.1" 101 /, { count: 2 });
      assert.equal((await request(port, "/")).text, String(server.bootedPids[0]));
    },
  );
}

test("behind nginx's uwsgi_pass a WebSocket of an ASGI application", { skip: withoutNginx }, async (t) => {
  const server = await startFixture(t, "websocket_app:app", { args: [...UWSGI, "-k", "asgi"] });
  const port = await startTemplateNginx(t, "uwsgi", server.port);

  await t.test("brings messages to the application and back, and closes with a code", async () => {
    const client = await WebSocketClient.open(t, port, "/echo");
    for (const message of ["hello", "x".repeat(300_000)]) {
      client.send(message);
      assert.ok((await client.receive()) === message);
    }
    client.socket.close(3000, "enough");
    assert.deepEqual(await client.waitUntilClosed(), { code: 3000, reason: "enough" });
    await server.waitForLine(/\/echo: websocket.disconnect 3000 'enough'/);
    await server.waitForLine(/"GET \/echo HTTP\/1\.1" 101 /);
  });

  await t.test("is told of nginx's client", async () => {
    const headers = { "X-Real-IP": "203.0.113.7" };
    const client = await WebSocketClient.open(t, port, "/told", { headers });
    const told = JSON.parse((await client.receive()) as string) as Record<string, unknown>;
    assert.equal((told["client"] as unknown[])[0], "203.0.113.7");
    assert.deepEqual([told["type"], told["scheme"], told["path"]], ["websocket", "ws", "/told"]);
  });

  await t.test("may be denied with an answer of the application's own", async () => {
    await assert.rejects(
      WebSocketClient.open(t, port, "/deny"),
      (failure) => failure instanceof DeniedError && failure.response.statusCode === 401,
    );
  });
});

test(
  "behind nginx's uwsgi_pass a WebSocket of a Tornado handler works",
  { skip: withoutNginx },
  async (t) => {
    const server = await startFixture(t, "tornado_chat:app", { args: [...UWSGI, "-k", "tornado"] });
    const port = await startTemplateNginx(t, "uwsgi", server.port);
    const client = await WebSocketClient.open(t, port, "/socket/one");
    assert.deepEqual(JSON.parse(String(await client.receive())), { room: "one", subprotocol: null });
    client.send("hello");
    assert.equal(await client.receive(), "one: hello");
  },
);
