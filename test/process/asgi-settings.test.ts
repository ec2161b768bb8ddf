import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { LOOPBACK, runCommand, startServer, type Server } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const APPLICATION = `
import asyncio


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan here")
    if scope["path"] == "/long":
        print("long began", flush=True)
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            print("long cancelled", flush=True)
            raise
    loop = type(asyncio.get_running_loop()).__module__.encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": loop})


async def failing(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the database is away"})
`;

async function start(t: TestContext, args: readonly string[], workerClass = "asgi"): Promise<Server> {
  const cwd = await temporaryFolder(t, { "shop.py": APPLICATION });
  return startServer(t, { cwd, args: [...LOOPBACK, "-k", workerClass, ...args, "shop:app"] });
}

for (const [workerClass, args, loop] of [
  ["asgi", [], "uvloop"],
  ["asgi", ["--asgi-loop", "uvloop"], "uvloop"],
  ["asgi", ["--asgi-loop", "asyncio"], "asyncio.unix_events"],
  ["uvicorn.workers.UvicornWorker", [], "uvloop"],
  ["uvicorn_worker.UvicornH11Worker", [], "asyncio.unix_events"],
] as const) {
  test(`asgi_loop chooses the event loop: ${[workerClass, ...args].join(" ")} means ${loop}`, async (t) => {
    const server = await start(t, args, workerClass);
    assert.equal((await request(server.port, "/")).text, loop);
  });
}

test("a startup that fails ends the start with what the application says", async (t) => {
  const cwd = await temporaryFolder(t, { "shop.py": APPLICATION });
  const args = [...LOOPBACK, "-k", "asgi", "-w", "3", "shop:failing"];
  const { status, stderr } = await runCommand(t, { cwd, args });
  assert.equal(status, 3);
  assert.equal(stderr.match(/The application's startup failed: the database is away/g)?.length, 1, stderr);
});

test("asgi_lifespan on demands that the application knows the protocol", async (t) => {
  const cwd = await temporaryFolder(t, { "shop.py": APPLICATION });
  const args = [...LOOPBACK, "-k", "asgi", "--asgi-lifespan", "on", "shop:app"];
  const { status, stderr } = await runCommand(t, { cwd, args });
  assert.equal(status, 3);
  assert.match(stderr, /The application raised during its startup[^]*RuntimeError: no lifespan here/);
});

test("a call whose client has left is cancelled after asgi_disconnect_grace_period", async (t) => {
  const server = await start(t, ["--asgi-disconnect-grace-period", "1"]);
  const connection = await ClientConnection.open(t, server.port);
  connection.sendRequest("/long");
  await server.waitForLine(/long began/);
  connection.destroy();
  await server.waitForLine(/long cancelled/);
  assert.doesNotMatch(server.text, /Error handling request/);
});
