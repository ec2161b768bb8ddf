import assert from "node:assert/strict";
import { test } from "node:test";

import { StatsdSocket } from "../../src/metrics/statsd-socket.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { openUdpSink } from "../helpers/sinks.ts";

test("StatsdSocket sends what it was given before the name was looked up, and all at its close", async (t) => {
  const sink = await openUdpSink(t);
  const socket = new StatsdSocket("localhost", sink.port);
  socket.send("first");
  await sink.waitFor(/^first$/);
  for (let count = 0; count < 20; count += 1) socket.send(`${count}`);
  await socket.close();
  await sink.waitFor(/^19$/);
  assert.doesNotThrow(() => socket.send("after its end"));
});

test("StatsdSocket takes a name that has no address for a server that is not there", async () => {
  const reasons: string[] = [];
  const socket = new StatsdSocket("no-such-host.invalid", 8125, (reason) => reasons.push(reason));
  for (let count = 0; count < 200; count += 1) socket.send("lost");
  await untilTrue(() => reasons.length > 0, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => "a word about the name",
  });
  assert.match(reasons.join(), /no-such-host\.invalid/);
  await socket.close();
});
