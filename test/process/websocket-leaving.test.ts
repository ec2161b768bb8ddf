import assert from "node:assert/strict";
import { kill } from "node:process";
import { test } from "node:test";

import { request } from "../helpers/client.ts";
import { startFixture, type Server } from "../helpers/server.ts";
import { upgrade } from "../helpers/upgrade.ts";
import { WebSocketClient } from "../helpers/websocket-client.ts";

/** Many at a time. */
const COUNT = 300;
const ARGS = ["-k", "asgi", "--access-logfile", "-"];

function routerPid(server: Server): number {
  const router = server.processTree().find(({ command }) => /tunicorn: router/.test(command));
  assert.ok(router !== undefined);
  return router.pid;
}

test("HUP closes the WebSockets of the workers before with 1012, and those that come next go to the new ones", async (t) => {
  const server = await startFixture(t, "websocket_app:app", { args: [...ARGS, "-w", "2"], workers: 2 });
  const clients = await Promise.all(
    Array.from({ length: 6 }, () => WebSocketClient.open(t, server.port, "/echo")),
  );
  server.signal("SIGHUP");
  for (const client of clients) assert.equal((await client.waitUntilClosed()).code, 1012);
  await server.waitForLine(/\/echo: websocket.disconnect 1012/, { count: 6 });
  await server.waitForLine(/Worker exiting/, { count: 2 });
  await server.waitForLine(/"GET \/echo HTTP\/1\.1" 101 /, { count: 6 });
  const next = await WebSocketClient.open(t, server.port, "/echo");
  next.send("new");
  assert.equal(await next.receive(), "new");
  assert.doesNotMatch(server.text, /\[(WARNING|ERROR)\]|Traceback/);
});

test("TERM closes WebSockets with 1001, and the server ends as soon as all have answered", async (t) => {
  const server = await startFixture(t, "websocket_app:app", { args: [...ARGS, "--graceful-timeout", "60"] });
  const clients = await Promise.all(
    Array.from({ length: COUNT }, () => WebSocketClient.open(t, server.port, "/echo")),
  );
  server.signal("SIGTERM");
  for (const client of clients) assert.equal((await client.waitUntilClosed()).code, 1001);
  assert.equal((await server.waitForExit()).status, 0);
  assert.equal(server.text.match(/\/echo: websocket.disconnect 1001/g)?.length, COUNT);
  assert.equal(server.text.match(/"GET \/echo HTTP\/1\.1" 101 /g)?.length, COUNT);
  assert.doesNotMatch(server.text, /\[(WARNING|ERROR)\]|Traceback/);
});

test("TERM cuts clients that do not answer and calls that do not end, after graceful_timeout and with a line", async (t) => {
  const args = [...ARGS, "--graceful-timeout", "2", "--asgi-disconnect-grace-period", "600"];
  const server = await startFixture(t, "websocket_app:app", { args });
  const deaf = await WebSocketClient.open(t, server.port, "/stubborn");
  deaf.socket.pause();
  await WebSocketClient.open(t, server.port, "/stubborn?hears");
  server.signal("SIGTERM");
  await server.waitForLine(/cancelling .*WebSocket \/stubborn/);
  assert.equal((await server.waitForExit()).status, 0);
  deaf.socket.resume();
  // What was sent before the cut is still there to read.
  assert.ok([1001, 1006].includes((await deaf.waitUntilClosed()).code));
  assert.equal(server.text.match(/"GET \/stubborn\S* HTTP\/1\.1" 101 /g)?.length, 2);
  assert.doesNotMatch(server.text, /was never retrieved|was destroyed|Traceback/);
});

test("a worker that is killed closes its WebSockets with 1011", async (t) => {
  const server = await startFixture(t, "websocket_app:app", { args: ARGS });
  const clients = await Promise.all(
    Array.from({ length: 3 }, () => WebSocketClient.open(t, server.port, "/echo")),
  );
  kill(server.bootedPids[0] ?? 0, "SIGKILL");
  for (const client of clients) assert.equal((await client.waitUntilClosed()).code, 1011);
  const next = await WebSocketClient.open(t, server.port, "/echo");
  next.send("again");
  assert.equal(await next.receive(), "again");
});

test("a worker whose event loop is stuck closes its WebSockets with 1011", async (t) => {
  const server = await startFixture(t, "websocket_app:app", { args: [...ARGS, "--timeout", "2"] });
  const client = await WebSocketClient.open(t, server.port, "/echo");
  const blocking = await WebSocketClient.open(t, server.port, "/block");
  blocking.send("now");
  for (const { code } of [await client.waitUntilClosed(), await blocking.waitUntilClosed()])
    assert.equal(code, 1011);
  await server.waitForLine(/WORKER TIMEOUT/);
});

test("after USR2 the server that leaves closes its WebSockets with 1012, and the other one takes them", async (t) => {
  const server = await startFixture(t, "websocket_app:app", { args: [...ARGS, "--graceful-timeout", "60"] });
  const client = await WebSocketClient.open(t, server.port, "/echo");
  const next = await upgrade(t, server);
  client.send("still here");
  assert.equal(await client.receive(), "still here");
  server.signal("SIGTERM");
  assert.equal((await client.waitUntilClosed()).code, 1012);
  await server.waitForExit();
  const again = await WebSocketClient.open(t, server.port, "/echo");
  again.send("new");
  assert.equal(await again.receive(), "new");
  next.signal("SIGTERM");
  await next.waitForExit();
});

test("the application hears 1006 when the router is killed", async (t) => {
  const server = await startFixture(t, "websocket_app:app", { args: ARGS });
  const client = await WebSocketClient.open(t, server.port, "/echo");
  kill(routerPid(server), "SIGKILL");
  assert.equal((await client.waitUntilClosed()).code, 1006);
  await server.waitForLine(/\/echo: websocket.disconnect 1006/);
});

test("max_requests closes the WebSockets of the worker that leaves with 1012", async (t) => {
  const server = await startFixture(t, "websocket_app:app", { args: [...ARGS, "--max-requests", "3"] });
  const client = await WebSocketClient.open(t, server.port, "/echo");
  for (let count = 0; count < 2; count += 1) await request(server.port, "/");
  assert.equal((await client.waitUntilClosed()).code, 1012);
});
