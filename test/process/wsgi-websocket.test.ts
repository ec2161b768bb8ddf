import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { request } from "../helpers/client.ts";
import { parseOutput, runProgram } from "../helpers/program.ts";
import { python, repositoryRoot, startFixture, type Server } from "../helpers/server.ts";

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
    assert.deepEqual(await talk(t, "websocket_client.py", server), {
      echoed: [true, true, true, true, true, true],
      joined: "one two three",
      pong: true,
      stopped: [1000, ""],
      closed: [4000, "of the application"],
      raised: ["before", null],
      "close code": 4001,
      refused: 400,
    });
    await server.waitForLine(/RuntimeError: the socket raises/);
    await server.waitForLine(/"GET \/echo HTTP\/1\.1" 101 /, { count: 2 });
    await server.waitForLine(/"GET \/ HTTP\/1\.1" 400 /);
    assert.equal((await request(server.port, "/")).text, String(server.bootedPids[0]));
    // Nobody but the one that is meant to raises.
    assert.equal(server.lines.filter((line) => line.startsWith("Traceback")).length, 1);
  });
}

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
