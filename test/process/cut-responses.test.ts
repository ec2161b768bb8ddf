import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test, type TestContext } from "node:test";

import { request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, LOG_DEADLINE_MS, untilTrue, withDeadline } from "../helpers/deadlines.ts";
import { type GatedServer, startGatedServer } from "../helpers/gate.ts";
import { sendUnread } from "../helpers/sending.ts";
import { startFixture, type Server } from "../helpers/server.ts";

const ACCESS_LOG = ["-w", "1", "--access-logfile", "-"];

/** Sends a request of which the application stops half way; `isBegun`: after the client has some of the answer. */
async function sendCut(t: TestContext, server: Server, target: string, isBegun: boolean): Promise<Socket> {
  const from = server.lines.length;
  const socket = await sendUnread(t, server.port, target);
  await server.waitForLine(/at the gate/, { from });
  if (isBegun)
    await withDeadline(once(socket, "readable"), { deadlineMs: ANSWER_DEADLINE_MS, what: "its beginning" });
  return socket;
}

/** The router is dialled with the first large response of the worker, and lends it sockets from then on. */
async function untilLent(server: Server): Promise<void> {
  const from = server.lines.length;
  await untilTrue(
    async () => {
      assert.equal((await request(server.port, "/large")).status, 200);
      return server.lines.slice(from).includes("lent");
    },
    { deadlineMs: LOG_DEADLINE_MS, what: "a socket is lent" },
  );
}

async function leave(t: TestContext, server: Server, target: string, isBegun: boolean): Promise<void> {
  (await sendCut(t, server, target, isBegun)).resetAndDestroy();
}

async function tryLeaving(t: TestContext, server: Server, openGate: () => Promise<void>): Promise<void> {
  await t.test("during the answer: with its status, and the octets that were sent", async (t) => {
    await leave(t, server, "/begun", true);
    await server.waitForLine(/"GET \/begun HTTP\/1\.1" 200 1000 /);
    await openGate();
  });
  await t.test("before the answer: with 499", async (t) => {
    await leave(t, server, "/unanswered", false);
    await server.waitForLine(/"GET \/unanswered HTTP\/1\.1" 499 0 /);
    await openGate();
  });
}

function linesFor(server: Server, target: string): readonly string[] {
  return server.lines.filter((line) => line.includes(`"GET ${target} `));
}

test("a request whose client leaves has one line in the access log", async (t) => {
  const server: GatedServer = await startGatedServer(t, ACCESS_LOG, { application: "cut:wsgi" });
  await tryLeaving(t, server, () => server.openGate());

  await t.test("while the worker has its socket: as soon as it is known what was sent", async (t) => {
    await untilLent(server);
    await leave(t, server, "/lent", true);
    await server.openGate();
    const [, octets] = await server.waitForLine(/"GET \/lent HTTP\/1\.1" 200 (\d+) /);
    assert.ok(Number(octets) > 0);
  });

  await t.test("and no second one", async () => {
    assert.equal((await request(server.port, "/small")).status, 200);
    await server.waitForLine(/"GET \/small /);
    for (const target of ["/begun", "/unanswered", "/lent"]) assert.equal(linesFor(server, target).length, 1);
  });
});

test("what a killed worker has written to a lent socket nobody knows: its line says 0", async (t) => {
  const server = await startGatedServer(t, ACCESS_LOG, { application: "cut:wsgi" });
  await untilLent(server);
  await sendCut(t, server, "/lent", true);
  process.kill(server.bootedPids[0] ?? Number.NaN, "SIGKILL");
  await server.waitForLine(/"GET \/lent HTTP\/1\.1" 200 0 /);
});

test("a request to an ASGI application whose client leaves has one line in the access log", async (t) => {
  const server = await startFixture(t, "cut:asgi", { args: ["-k", "asgi", ...ACCESS_LOG] });
  await tryLeaving(t, server, () => Promise.resolve());
});
