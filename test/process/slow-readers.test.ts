import assert from "node:assert/strict";
import { test } from "node:test";

import { sha256 } from "../helpers/bodies.ts";
import { ClientConnection, request } from "../helpers/client.ts";
import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { FILE_BYTES, readAll, sendUnread, startSending } from "../helpers/sending.ts";

for (const [what, application, target] of [
  ["pieces of an application", "bodies.plain", `/large/${FILE_BYTES}`],
  ["a temporary file without a name", "bodies.plain", "/unnamed"],
  ["a file that Flask sends", "bodies.flask_app", "/file"],
  ["a file that Django sends", "bodies.django_app", "/file"],
] as const) {
  test(`a client that does not read ${what} holds no worker`, async (t) => {
    const { server, content } = await startSending(t, application);
    const router = new RouterProcess(server);
    const before = await router.countWithoutClients();
    const unread = await sendUnread(t, server.port, target);
    await server.waitForLine(/called \/(large|unnamed|file)/);
    const meanwhile = await request(server.port, application === "bodies.plain" ? "/other" : "/taste");
    assert.equal(meanwhile.status, 200);
    const expected = target === "/unnamed" ? content.subarray(1000) : content;
    const { body } = await readAll(unread);
    assert.equal(body.length, expected.length);
    assert.equal(sha256(body), sha256(expected));

    await t.test("and its file is closed behind it", async () => {
      await untilTrue(() => router.descriptors === before, {
        deadlineMs: CLEANUP_DEADLINE_MS,
        what: () => `${before} descriptors of the router, there are ${router.descriptors}`,
      });
    });

    await t.test("nor does one that leaves", async (t) => {
      const leaving = await sendUnread(t, server.port, target);
      await server.waitForLine(/called \/(large|unnamed|file)/, { count: 2 });
      leaving.destroy();
      await untilTrue(() => router.descriptors === before, {
        deadlineMs: CLEANUP_DEADLINE_MS,
        what: () => `${before} descriptors of the router, there are ${router.descriptors}`,
      });
      assert.equal((await request(server.port, "/taste")).status, 200);
    });
  });
}

test("wsgi.file_wrapper sends no more than Content-Length, and what is no file", async (t) => {
  const { server, content } = await startSending(t, "bodies.plain");
  const connection = await ClientConnection.open(t, server.port);
  const part = await connection.request("/unnamed-part");
  assert(part.body.equals(content.subarray(1000, 6000)));
  assert.equal((await connection.request("/in-memory")).body.length, 65_536);
  assert.equal((await connection.request("/other")).text, "ok");
});
