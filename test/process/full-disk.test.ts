import assert from "node:assert/strict";
import { test } from "node:test";

import { countingBytes, sha256 } from "../helpers/bodies.ts";
import { type Answer, ConnectionCut, request } from "../helpers/client.ts";
import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startGatedServer } from "../helpers/gate.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { FILE_BYTES, readAll, sendUnread } from "../helpers/sending.ts";
import { mountSmall } from "../helpers/small-file-system.ts";

const MIB = 1024 * 1024;

test("when the disk is full", async (t) => {
  const folder = await mountSmall(t, 8 * MIB);
  if (folder === undefined) {
    t.skip("only root may mount the small file system that this fills");
    return;
  }
  const server = await startGatedServer(t, ["--worker-tmp-dir", folder], { application: "bodies.plain" });
  const router = new RouterProcess(server);
  const before = await router.countWithoutClients();

  await t.test(
    "an upload gets 507 or is cut off, the log says why, and no application is called",
    async () => {
      const upload = { method: "POST", body: countingBytes(FILE_BYTES) };
      const outcome = await request(server.port, "/upload", upload).catch((failure: unknown) => failure);
      if (outcome instanceof ConnectionCut) assert.equal(outcome.received.length, 0);
      else assert.equal((outcome as Answer).status, 507);
      await server.waitForLine(/\[ERROR\] Cannot store the body of POST \/upload: .*ENOSPC/);
      assert(!server.calledPaths().includes("/upload"));
    },
  );

  await t.test("an answer to a client that does not read is cut off, and the log says why", async (t) => {
    const unread = await sendUnread(t, server.port, `/large/${5 * FILE_BYTES}`);
    await server.waitForLine(/\[ERROR\] Cannot store the response to GET \/large\/\d+: .*ENOSPC/);
    await assert.rejects(readAll(unread), ConnectionCut);
  });

  await t.test("the server goes on, and there is room again", async () => {
    const body = countingBytes(4 * MIB);
    const answer = await request(server.port, "/upload", { method: "POST", body });
    assert.equal(answer.text, sha256(body));
    await untilTrue(() => router.descriptors === before, {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: () => `${before} descriptors of the router, there are ${router.descriptors}`,
    });
    assert.equal(server.bootedPids.length, 1);
  });
});
