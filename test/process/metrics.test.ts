import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { fixtureApps, LOOPBACK, startFixture, startServer } from "../helpers/server.ts";
import { openUdpSink, openUnixSink, type Sink } from "../helpers/sinks.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** The metrics that came, each on its own. */
function metricsOf(sink: Sink): string[] {
  return sink.messages.flatMap((message) => message.split("\n"));
}

/** What counters of this name add up to. */
function countOf(sink: Sink, name: string): number {
  const counts = metricsOf(sink).map((line) => new RegExp(`^${name}:(\\d+)\\|c\\|@1\\.0$`).exec(line)?.[1]);
  return counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
}

async function untilCount(sink: Sink, name: string, count: number): Promise<void> {
  await untilTrue(() => countOf(sink, name) >= count, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `${count} ${name} among:\n${metricsOf(sink).join("\n")}`,
  });
  assert.equal(countOf(sink, name), count);
}

const SETTINGS = `
def on_starting(server):
    server.log.info("", extra={"metric": "shop.orders", "value": 7, "mtype": "gauge"})


def post_fork(server, worker):
    worker.log.warning("forked")
`;

test("statsd gets Gunicorn's metrics by UDP", async (t) => {
  const sink = await openUdpSink(t);
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": SETTINGS });
  const args = ["--statsd-host", `127.0.0.1:${sink.port}`, "--pythonpath", fixtureApps, "-w", "2"];
  const server = await startServer(t, { cwd, args: [...LOOPBACK, ...args, "logs"], workers: 2 });
  await sink.waitFor(/^gunicorn\.workers:2\|g$/m);
  await sink.waitFor(/^shop\.orders:7\|g$/m);
  await untilCount(sink, "gunicorn.log.warning", 2);
  for (let count = 0; count < 3; count += 1) await request(server.port, "/");
  await request(server.port, "/?to=raise");
  await untilCount(sink, "gunicorn.requests", 4);
  await untilCount(sink, "gunicorn.request.status.200", 3);
  await untilCount(sink, "gunicorn.request.status.500", 1);
  await untilCount(sink, "gunicorn.log.error", 1);
  const durations = metricsOf(sink).filter((line) =>
    /^gunicorn\.request\.duration:\d+(\.\d+)?\|ms$/.test(line),
  );
  assert.equal(durations.length, 4);

  server.signal("SIGTTIN");
  await sink.waitFor(/^gunicorn\.workers:3\|g$/m);
  // The router counts what it logs itself.
  const client = await ClientConnection.open(t, server.port);
  client.send("nonsense\r\n\r\n");
  await client.readAnswer();
  await untilTrue(() => countOf(sink, "gunicorn.log.warning") >= 4, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => metricsOf(sink).join("\n"),
  });
  assert.equal((await server.stop()).status, 0);
});

test("statsd by a unix socket has prefix and tags, and the metrics of all processes", async (t) => {
  const path = join(await temporaryFolder(t), "statsd");
  const sink = await openUnixSink(t, path);
  const cwd = await temporaryFolder(t, { "gunicorn.conf.py": SETTINGS });
  const statsd = ["--statsd-host", `unix://${path}`, "--statsd-prefix", "shop.web."];
  const server = await startServer(t, {
    cwd,
    args: [
      ...LOOPBACK,
      ...statsd,
      "--dogstatsd-tags",
      "env:test,zone:a",
      "--pythonpath",
      fixtureApps,
      "logs",
    ],
  });
  await request(server.port, "/");
  const tags = "\\|#env:test,zone:a$";
  await sink.waitFor(new RegExp(`^shop\\.web\\.gunicorn\\.workers:1\\|g${tags}`, "m"));
  await sink.waitFor(new RegExp(`^shop\\.web\\.gunicorn\\.requests:1\\|c\\|@1\\.0${tags}`, "m"));
  await sink.waitFor(new RegExp(`^shop\\.web\\.gunicorn\\.log\\.warning:1\\|c\\|@1\\.0${tags}`, "m"));
  // The logs are none of the log process's business then.
  await server.waitForLine(/ \[WARNING\] forked$/);
  assert.equal((await server.stop()).status, 0);
});

const OWN_LOGGER = `
from gunicorn.instrument.statsd import Statsd


class Logger(Statsd):
    def access(self, resp, req, environ, request_time):
        super().access(resp, req, environ, request_time)
        self.increment("shop.requests", 1)
`;

test("a logger_class that derives from Statsd sends the metrics by itself, once", async (t) => {
  const sink = await openUdpSink(t);
  const cwd = await temporaryFolder(t, { "shop_logging.py": OWN_LOGGER });
  const statsd = ["--statsd-host", `127.0.0.1:${sink.port}`, "--logger-class", "shop_logging.Logger"];
  const server = await startServer(t, {
    cwd,
    args: [...LOOPBACK, ...statsd, "--error-logfile", "-", "--pythonpath", fixtureApps, "logs"],
  });
  await request(server.port, "/");
  await untilCount(sink, "shop.requests", 1);
  await untilCount(sink, "gunicorn.requests", 1);
  await sink.waitFor(/^gunicorn\.workers:1\|g$/m);
  assert.equal((await server.stop()).status, 0);
});

test("the backlog metric counts requests that wait for a worker", async (t) => {
  const sink = await openUdpSink(t);
  const args = ["--statsd-host", `127.0.0.1:${sink.port}`, "--enable-backlog-metric"];
  const server = await startFixture(t, "hang", { args });
  await sink.waitFor(/^gunicorn\.backlog:0\|h$/m);
  const clients = await Promise.all([1, 2, 3, 4].map(() => ClientConnection.open(t, server.port)));
  for (const client of clients) client.sendRequest("/hang");
  await sink.waitFor(/^gunicorn\.backlog:3\|h$/m);
});

test("a statsd server that is not there stops nothing", async (t) => {
  for (const address of ["127.0.0.1:1", "unix:///no/such/socket", "no-such-host.invalid:8125"]) {
    const server = await startFixture(t, "logs", { args: ["--statsd-host", address] });
    for (let count = 0; count < 5; count += 1) {
      assert.equal((await request(server.port, "/?to=logger&text=x")).status, 200);
    }
    assert.equal((await server.stop()).status, 0);
  }
});
