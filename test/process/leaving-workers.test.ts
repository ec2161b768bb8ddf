import assert from "node:assert/strict";
import { test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startFixture } from "../helpers/server.ts";
import { SteadyLoad } from "../helpers/steady-load.ts";
import { onTeardown } from "../helpers/teardown.ts";

const RELOADS = 2;

/** What the log says of a request that outlasts graceful_timeout. */
const CUT_OFF = /(?:cancelling|[cC]utting off) GET \/\?s=600/;
/** The router's line about it. */
const NAMED = /Cutting off GET \/\?s=600&name=hanging after \d+\.\d s$/;
const KILLED = /was killed: it did not end in time/;

const CLASSES = [
  ["sync", "slow", []],
  ["gthread", "slow", ["--threads", "3"]],
  ["gevent", "slow", []],
  ["eventlet", "slow", []],
  ["tornado", "slow", ["--threads", "3"]],
  ["asgi", "slow_asgi:app", []],
] as const;

for (const [workerClass, application, args] of CLASSES) {
  test(`${workerClass}: reloads and the end lose no request, but one that hangs, and the log says so`, async (t) => {
    const server = await startFixture(t, application, {
      args: ["-k", workerClass, "-w", "2", "--graceful-timeout", "3", ...args],
      workers: 2,
    });
    await server.waitForLine(/\[INFO\] Ready/);
    const first = server.bootedPids.map(String);
    const load = new SteadyLoad(server.port, {
      keepAlive: 2,
      fresh: 2,
      idling: 2,
      target: "/?s=0.02",
      check: ({ status, text }) => assert.equal(status, 200, text),
    });
    onTeardown(t, () => load.stop());
    const hold = async (name: string, seconds: number): Promise<ClientConnection> => {
      const connection = await ClientConnection.open(t, server.port);
      connection.sendRequest(`/?s=${seconds}&name=${name}`);
      await server.waitForLine(new RegExp(`slow began ${name}$`));
      return connection;
    };

    const held = await hold("held", 2);
    for (let count = 0; count < RELOADS; count += 1) {
      const from = server.lines.length;
      server.signal("SIGHUP");
      await server.waitForLine(/\[INFO\] Reloaded/, { from });
    }
    const answer = await held.readAnswer();
    assert.equal(answer.status, 200);
    assert(first.includes(answer.text), `${answer.text} answered, want one of ${first.join()}`);
    await untilTrue(async () => !first.includes((await request(server.port, "/?s=0")).text), {
      deadlineMs: ANSWER_DEADLINE_MS,
      what: "an answer of a new worker",
    });
    await load.stop();
    assert.deepEqual(load.failures, []);

    const last = await hold("last", 1);
    const hanging = await hold("hanging", 600);
    server.signal("SIGTERM");
    assert.equal((await last.readAnswer()).status, 200);
    assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
    await server.waitForNoProcess();
    await hanging.readEnd();
    const complaints = server.lines.filter((line) => / \[(?:WARNING|ERROR|CRITICAL)\] /.test(line));
    assert(
      complaints.some((line) => NAMED.test(line)),
      server.text,
    );
    assert.deepEqual(
      complaints.filter((line) => !CUT_OFF.test(line) && !KILLED.test(line)),
      [],
    );
    assert.doesNotMatch(server.text, /Traceback|destroyed|never retrieved/);
  });
}

for (const loop of ["uvloop", "asyncio"]) {
  test(`what an ASGI application has left is ended and named, on ${loop}`, async (t) => {
    const server = await startFixture(t, "slow_asgi:app", {
      args: ["-k", "asgi", "--asgi-loop", loop, "--graceful-timeout", "1"],
    });
    const leaves = ["polite", "rude", "stubborn", "generator"].map((step) => `&leaves=${step}`).join("");
    assert.equal((await request(server.port, `/?s=0${leaves}`)).status, 200);
    const hanging = await ClientConnection.open(t, server.port);
    hanging.sendRequest("/?s=0&name=hanging&leaves=call");
    await server.waitForLine(/slow began hanging/);

    server.signal("SIGTERM");
    assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
    await server.outputClosed;

    const call = String.raw`GET /\?s=0&name=hanging&leaves=call`;
    for (const line of [
      `Leaving now: cancelling ${call}$`,
      "^lifespan ended$",
      `Cancelling 4 tasks that the application has left: ${call}, polite, rude, stubborn$`,
      "^polite ended$",
      "The task rude raised when it was cancelled$",
      `Leaving without 2 tasks that did not end: ${call}, stubborn$`,
      "^generator closed$",
    ]) {
      assert.match(server.text, new RegExp(line, "m"));
    }
    assert.doesNotMatch(server.text, /destroyed|never retrieved|was killed/);
  });
}
