import assert from "node:assert/strict";
import { test } from "node:test";

import { warningNotYet } from "../../src/config/not-there-yet.ts";

const SOURCE = "/srv/gunicorn.conf.py";

for (const [name, value] of [
  ["http2_max_frame_size", 16_384],
  ["http2_max_frame_size", "16384"],
  ["dirty_workers", 0],
  ["http_protocols", "h1"],
  ["dirty_apps", []],
  ["control_socket_disable", true],
] as const) {
  test(`warningNotYet() has nothing to say about ${name} = ${JSON.stringify(value)}, which holds anyway`, () => {
    assert.equal(warningNotYet(name, value, SOURCE), null);
  });
}

for (const [name, value, says] of [
  ["http_protocols", "h2,h1", /http_protocols has no effect yet: HTTP\/2 is not there yet/],
  ["http2_cleartext", "both", /http2_cleartext has no effect yet: HTTP\/2 is not there yet/],
  ["dirty_apps", ["a:B"], /dirty_apps has no effect yet: dirty arbiters are not there yet$/],
  ["on_dirty_starting", "<function>", /on_dirty_starting has no effect yet: dirty arbiters/],
  ["control_socket", "/run/a.ctl", /control_socket has no effect yet: there is no control socket yet$/],
] as const) {
  test(`warningNotYet() says what is not there, and where ${name} stands`, () => {
    const warning = warningNotYet(name, value, SOURCE);
    assert.match(warning ?? "", says);
    assert.ok(warning?.startsWith(`${SOURCE}: `));
  });
}
