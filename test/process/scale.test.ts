import assert from "node:assert/strict";
import test from "node:test";
import { request } from "../helpers/client.ts";
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
