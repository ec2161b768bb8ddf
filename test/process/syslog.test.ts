import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { request } from "../helpers/client.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { startFixture } from "../helpers/server.ts";
import { openStuckServer, openTcpSink, openUdpSink, openUnixSink } from "../helpers/sinks.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** Priorities: the facility user (1) by 8, and the severity info (6) or warning (4). */
const INFO = "<14>";
const WARNING = "<12>";

test("syslog gets both logs by UDP, with Gunicorn's tags, and the usual logs are written too", async (t) => {
  const sink = await openUdpSink(t);
  const args = ["--log-syslog", "--log-syslog-to", `udp://127.0.0.1:${sink.port}`, "--access-logfile", "-"];
  const server = await startFixture(t, "logs", { args: [...args, "--access-logformat", "%(m)s %(U)s"] });
  await request(server.port, "/page?to=logger&text=hello");
  const [, router = ""] = await sink.waitFor(
    new RegExp(`^${INFO}gunicorn\\.logs\\.access: \\[(\\d+)\\] GET /page$`),
  );
  const [, worker = ""] = await sink.waitFor(
    new RegExp(`^${WARNING}gunicorn\\.logs\\.error: \\[(\\d+)\\] hello$`),
  );
  assert.equal(router, worker);
  await sink.waitFor(new RegExp(`^${INFO}gunicorn\\.logs\\.error: \\[${server.pid}\\] Ready: 1 worker`));
  await server.waitForLine(/^GET \/page$/);
  await server.waitForLine(/ \[WARNING\] hello$/);
  assert.equal((await server.stop()).status, 0);
  await sink.waitFor(
    new RegExp(`^${INFO}gunicorn\\.logs\\.error: \\[${server.pid}\\] Shutting down: tunicorn$`),
  );
});

test("syslog by TCP takes a prefix and a facility, and leaves the access log out when it is to", async (t) => {
  const sink = await openTcpSink(t);
  const server = await startFixture(t, "logs", {
    args: [
      ...["--log-syslog", "--log-syslog-to", `tcp://127.0.0.1:${sink.port}`, "--log-syslog-prefix", "shop"],
      ...["--log-syslog-facility", "local3", "--disable-redirect-access-to-syslog"],
    ],
  });
  await request(server.port, "/page?to=raise&text=oops");
  await sink.waitFor(/^<158>gunicorn\.shop\.error: \[\d+\] Ready: /);
  // The lines of a message stay together.
  await sink.waitFor(
    /^<155>gunicorn\.shop\.error: \[\d+\] Error handling request GET .*#012ValueError: oops$/,
  );
  assert.equal((await server.stop()).status, 0);
  assert.doesNotMatch(sink.messages.join("\n"), /shop\.access/);
});

test("syslog by a unix socket, also when its server comes back after it was gone", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "log");
  const args = ["--log-syslog", "--log-syslog-to", `unix://${path}`, "--access-logformat", "%(U)s"];
  const server = await startFixture(t, "logs", { args });
  assert.equal((await request(server.port, "/lost?to=logger&text=lost")).status, 200);
  const sink = await openUnixSink(t, path);
  let count = 0;
  const isThere = async (): Promise<boolean> => {
    count += 1;
    await request(server.port, `/found?to=logger&text=${count}`);
    return ["access", "error"].every((log) =>
      sink.messages.some((message) => message.includes(`logs.${log}: `)),
    );
  };
  await untilTrue(isThere, { deadlineMs: LOG_DEADLINE_MS, what: () => sink.messages.join("\n") });
  assert.equal((await server.stop()).status, 0);
});

test("a syslog server that is not there stops nothing, nor does one that does not read", async (t) => {
  const closed = await openUdpSink(t);
  const stuck = await openStuckServer(t);
  for (const address of [`udp://127.0.0.1:${closed.port}`, "tcp://127.0.0.1:1", `tcp://127.0.0.1:${stuck}`]) {
    const args = ["--log-syslog", "--log-syslog-to", address, "-t", "10"];
    const server = await startFixture(t, "logs", { args });
    for (let count = 0; count < 20; count += 1) {
      const answer = await request(server.port, "/?to=logger&text=x&times=50000");
      assert.equal(answer.status, 200);
    }
    assert.equal((await server.stop()).status, 0);
    assert.doesNotMatch(server.text, /WORKER TIMEOUT/);
  }
});
