import assert from "node:assert/strict";
import { test } from "node:test";

import { parseStatsdAddress } from "../../src/metrics/statsd-address.ts";

for (const [written, expected] of [
  ["localhost", { type: "udp", host: "localhost", port: 8125 }],
  ["localhost:9125", { type: "udp", host: "localhost", port: 9125 }],
  ["udp://10.0.0.1:1", { type: "udp", host: "10.0.0.1", port: 1 }],
  ["[::1]:9", { type: "udp", host: "::1", port: 9 }],
  ["[::1]", { type: "udp", host: "::1", port: 8125 }],
  [":9125", { type: "udp", host: "127.0.0.1", port: 9125 }],
  ["unix:///run/statsd.sock", { type: "unix", path: "/run/statsd.sock" }],
  ["unix:statsd.sock", { type: "unix", path: "statsd.sock" }],
  ["", null],
  ["unix://", null],
  ["host:port", null],
  ["host:99999", null],
  ["host:1:2", null],
  ["http://host", null],
] as const) {
  test(`parseStatsdAddress() reads "${written}" as ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(parseStatsdAddress(written), expected);
  });
}
