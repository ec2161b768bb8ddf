import assert from "node:assert/strict";
import { test } from "node:test";

import { Metrics } from "../../src/metrics/metrics.ts";

function collect(prefix = "", tags = ""): { readonly metrics: Metrics; readonly datagrams: string[] } {
  const datagrams: string[] = [];
  return { metrics: new Metrics({ prefix, tags, send: (each) => datagrams.push(each) }), datagrams };
}

test("Metrics writes the text of Gunicorn's metrics", () => {
  const { metrics, datagrams } = collect();
  metrics.increment("a");
  metrics.gauge("b", 3);
  metrics.timer("c", 1.23456);
  metrics.histogram("d", 0);
  metrics.flush();
  assert.deepEqual(datagrams, ["a:1|c|@1.0\nb:3|g\nc:1.235|ms\nd:0|h"]);
});

test("Metrics adds up what is counted between two datagrams", () => {
  const { metrics, datagrams } = collect();
  for (let count = 0; count < 3; count += 1) metrics.increment("a");
  metrics.flush();
  metrics.increment("a");
  metrics.flush();
  metrics.flush();
  assert.deepEqual(datagrams, ["a:3|c|@1.0", "a:1|c|@1.0"]);
});

for (const [prefix, expected] of [
  ["shop", "shop.a:1|c|@1.0"],
  ["shop.web..", "shop.web.a:1|c|@1.0"],
  ["s", "s.a:1|c|@1.0"],
] as const) {
  test(`Metrics puts the prefix "${prefix}" before names with one dot between`, () => {
    const { metrics, datagrams } = collect(prefix);
    metrics.increment("a");
    metrics.flush();
    assert.deepEqual(datagrams, [expected]);
  });
}

test("Metrics puts the tags behind each metric", () => {
  const { metrics, datagrams } = collect("", "env:test,zone:a");
  metrics.increment("a");
  metrics.gauge("b", 1);
  metrics.flush();
  assert.deepEqual(datagrams, ["a:1|c|@1.0|#env:test,zone:a\nb:1|g|#env:test,zone:a"]);
});

test("Metrics fills datagrams no further than what travels uncut, and cuts between lines", () => {
  const { metrics, datagrams } = collect();
  for (let count = 0; count < 500; count += 1) metrics.timer("gunicorn.request.duration", count);
  metrics.flush();
  assert.ok(datagrams.length > 5);
  for (const datagram of datagrams) assert.ok(datagram.length <= 1400, String(datagram.length));
  const lines = datagrams.flatMap((datagram) => datagram.split("\n"));
  assert.deepEqual(
    lines,
    Array.from({ length: 500 }, (_, count) => `gunicorn.request.duration:${count}|ms`),
  );
});

test("Metrics sends by itself after a moment", async () => {
  const datagrams = await new Promise<string>((resolve) => {
    // The timer of metrics keeps no process alive.
    const keeper = setInterval(() => undefined, 1000);
    const send = (datagram: string): void => {
      clearInterval(keeper);
      resolve(datagram);
    };
    new Metrics({ prefix: "", tags: "", send }).increment("a");
  });
  assert.equal(datagrams, "a:1|c|@1.0");
});
