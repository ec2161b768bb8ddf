import assert from "node:assert/strict";
import { test } from "node:test";

import { warningNotYet } from "../../src/config/not-there-yet.ts";

const SOURCE = "/srv/gunicorn.conf.py";

for (const [name, value] of [
  ["keyfile", null],
  ["suppress_ragged_eofs", true],
  ["cert_reqs", 0],
  ["cert_reqs", "0"],
  ["http_protocols", "h1"],
  ["dirty_apps", []],
  ["control_socket_disable", true],
] as const) {
  test(`warningNotYet() has nothing to say about ${name} = ${JSON.stringify(value)}, which holds anyway`, () => {
    assert.equal(warningNotYet(name, value, SOURCE), null);
  });
}

for (const [name, value, says] of [
  ["ciphers", "HIGH", /ciphers has no effect yet: TLS is not there yet$/],
  // Without a certfile Gunicorn does not call it either: its own example of a configuration file has one.
  ["ssl_context", "<function>", /the hook ssl_context has no effect yet: TLS is not there yet$/],
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

for (const name of ["certfile", "keyfile", "ca_certs"]) {
  test(`warningNotYet() refuses ${name}: plain HTTP in its place would be worse than nothing`, () => {
    assert.throws(() => warningNotYet(name, "server.pem", SOURCE), {
      code: "ERR_NOT_YET",
      message: `${SOURCE}: ${name} asks for TLS, which is not there yet`,
      hint: /proxy/,
    });
  });
}
