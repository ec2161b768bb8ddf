import assert from "node:assert/strict";
import { test } from "node:test";

import { statsdHost, syslogAddress } from "../../src/config/log-addresses.ts";

for (const written of [
  "udp://localhost:514",
  "udp://localhost",
  "udp://",
  "udp://[::1]:514",
  "tcp://10.0.0.1:6514",
  "unix:///dev/log",
  "unix:///dev/log#stream",
  "unix:///dev/log#dgram",
]) {
  test(`syslogAddress() takes ${written}`, () => {
    assert.equal(syslogAddress(written), written);
  });
}

for (const written of [
  "localhost:514",
  "udp://localhost:x",
  "tcp://a:99999",
  "unix://",
  "unix:///a#raw",
  "",
  5,
]) {
  test(`syslogAddress() refuses ${JSON.stringify(written)}`, () => {
    assert.throws(() => syslogAddress(written), { name: "WantedError" });
  });
}

test("statsdHost() takes what a statsd address can be, and nothing for none", () => {
  assert.equal(statsdHost("localhost:8125"), "localhost:8125");
  assert.equal(statsdHost("unix:///run/statsd"), "unix:///run/statsd");
  assert.equal(statsdHost(""), null);
  assert.equal(statsdHost(null), null);
  assert.throws(() => statsdHost("a:b"), { name: "WantedError", message: "HOST:PORT or unix://PATH" });
});
