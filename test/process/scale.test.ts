import assert from "node:assert/strict";
import test from "node:test";
import { request } from "../helpers/client.ts";
import { startGatedServer } from "../helpers/gate.ts";
import { startFixture } from "../helpers/server.ts";

test("TTIN adds a worker, TTOU takes the oldest away, and one always stays", async (t) => {
  const server = await startFixture(t, "pid", { args: ["-w", "1"], workers: 1 });
  const [oldest] = server.bootedPids;

  server.signal("SIGTTIN");
  await server.waitForLine(/\[INFO\] 2 workers wanted/);
  await server.waitForLine(/Booting worker with pid: \d+/, { count: 2 });

  server.signal("SIGTTOU");
  await server.waitForLine(new RegExp(`Worker exiting \\(pid: ${oldest}\\)`));
  assert.equal((await request(server.port, "/")).status, 200);

  server.signal("SIGTTOU");
  await server.waitForLine(/\[INFO\] 1 worker wanted/, { count: 2 });
  assert.equal((await request(server.port, "/")).status, 200);
});

test("TTOU while the workers boot takes one away, and the start goes on", async (t) => {
  const server = await startGatedServer(t, ["-w", "2"], { application: "held_at_import" });
  await server.waitForLine(/^held at the import$/, { count: 2 });

  server.signal("SIGTTOU");

  await server.waitForLine(/\[INFO\] 1 worker wanted/);
  await server.openGate();
  await server.waitForLine(/Ready: 1 worker/);
  assert.equal((await request(server.port, "/")).status, 200);
  assert.deepEqual(await server.stop(), { status: 0, signal: null });
});
