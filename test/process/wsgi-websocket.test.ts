import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { request } from "../helpers/client.ts";
import { FLASK_SOCK_TALK } from "../helpers/flask-sock.ts";
import { parseOutput, runProgram } from "../helpers/program.ts";
import { python, repositoryRoot, startFixture, type Server } from "../helpers/server.ts";
import { WebSocketClient } from "../helpers/websocket-client.ts";

async function talk(t: TestContext, client: string, server: Server): Promise<unknown> {
  const program = join(repositoryRoot, "test/fixtures/clients", client);
  return parseOutput(await runProgram(t, python, [program, String(server.port)]));
}

const classes = [
  ["sync", []],
  ["gthread", ["--threads", "2"]],
  ["gevent", ["-k", "gevent"]],
  ["eventlet", ["-k", "eventlet"]],
] as const;

for (const [workerClass, args] of classes) {
  test(`Flask-Sock works with the ${workerClass} worker, as a client of websockets sees it`, async (t) => {
    const server = await startFixture(t, "flask_sock_app:app", {
      args: [...args, "--access-logfile", "-"],
    });
    assert.deepEqual(await talk(t, "websocket_client.py", server), FLASK_SOCK_TALK);
    await server.waitForLine(/RuntimeError: the socket raises/);
    await server.waitForLine(/"GET \/echo HTTP\/1\.1" 101 /, { count: 2 });
    await server.waitForLine(/"GET \/ HTTP\/1\.1" 400 /);
    assert.equal((await request(server.port, "/")).text, String(server.bootedPids[0]));
    // Nobody but the one that is meant to raises.
    assert.equal(server.lines.filter((line) => line.startsWith("Traceback")).length, 1);
  });
}

for (const [workerClass, args] of classes) {
  test(`a reload and a stop close the WebSockets of a ${workerClass} worker with 1012 and 1001, and it leaves`, async (t) => {
    const server = await startFixture(t, "flask_sock_app:app", { args });
    const open = async (): Promise<WebSocketClient> => {
      const client = await WebSocketClient.open(t, server.port, "/tell");
      client.send("open");
      assert.equal(await client.receive(), "open");
      return client;
    };
    const first = await open();
    server.signal("SIGHUP");
    assert.equal((await first.waitUntilClosed()).code, 1012);
    await server.waitForLine(/^\/tell: closed with 1012/);
    await server.waitForLine(new RegExp(`Worker exiting \\(pid: ${server.bootedPids[0]}\\)`));

    const second = await open();
    // A message that is not complete is no hindrance.
    second.socket.send("part of a message", { fin: false });
    // graceful_timeout is 30 seconds, more than this waits.
    assert.deepEqual(await server.stop(), { status: 0, signal: null });
    assert.equal((await second.waitUntilClosed()).code, 1001);
    await server.waitForLine(/^\/tell: closed with 1001/);
    assert.doesNotMatch(server.text, /were cut|Traceback/);
  });
}

test("a worker that is killed closes the WebSockets of its application with 1011", async (t) => {
  const server = await startFixture(t, "flask_sock_app:app", { args: ["--threads", "2"] });
  const client = await WebSocketClient.open(t, server.port, "/echo");
  client.send("open");
  await client.receive();
  process.kill(server.bootedPids[0] ?? 0, "SIGKILL");
  assert.equal((await client.waitUntilClosed()).code, 1011);
});

const GEVENT_WEBSOCKET = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker";

const socketIoWays = [
  [`the ${GEVENT_WEBSOCKET}`, ["-k", GEVENT_WEBSOCKET], { ASYNC_MODE: "gevent" }],
  ["gevent and simple-websocket", ["-k", "gevent"], { ASYNC_MODE: "gevent", WITHOUT_GEVENT_WEBSOCKET: "1" }],
  ["eventlet", ["-k", "eventlet"], { ASYNC_MODE: "eventlet" }],
  ["gthread", ["--threads", "20"], { ASYNC_MODE: "threading" }],
] as const;

for (const [way, args, env] of socketIoWays) {
  test(`Flask-SocketIO works with ${way}, over WebSockets, long polling, and from one to the other`, async (t) => {
    const server = await startFixture(t, "socketio_app:app", { args, env });
    const told = { answer: "HELLO", heard: ["hello"], bytes: true };
    assert.deepEqual(await talk(t, "socketio_client.py", server), [
      { ...told, transport: "websocket" },
      { ...told, transport: "websocket" },
      { ...told, transport: "polling" },
    ]);
    assert.equal((await request(server.port, "/")).text, String(server.bootedPids[0]));
    assert.doesNotMatch(server.text, /Traceback/);
  });
}
