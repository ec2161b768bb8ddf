import assert from "node:assert/strict";
import { test } from "node:test";

import { cook, unixListener } from "./cooked-environ.ts";

interface ServerCase {
  readonly host: string;
  readonly scheme?: "https";
  readonly name: string;
  readonly port: string;
}

const unixServers: readonly ServerCase[] = [
  { host: "a.test", name: "a.test", port: "80" },
  { host: "a.test", scheme: "https", name: "a.test", port: "443" },
  { host: "a.test:8443", name: "a.test", port: "8443" },
  { host: "a.test:8443", scheme: "https", name: "a.test", port: "8443" },
  { host: "a.test:", name: "a.test", port: "80" },
  { host: "192.0.2.1:81", name: "192.0.2.1", port: "81" },
  { host: "[2001:db8::1]", name: "[2001:db8::1]", port: "80" },
  { host: "[2001:db8::1]:81", name: "[2001:db8::1]", port: "81" },
];

for (const { host, scheme = "http", name, port } of unixServers) {
  test(`cookEnviron() on a unix socket takes ${name} and port ${port} from Host: ${host} by ${scheme}`, () => {
    const environ = cook({
      head: { host },
      client: { listener: unixListener, isTrusted: true, address: "", port: "" },
      fields: [["X-Forwarded-Proto", scheme]],
    });
    assert.equal(environ.get("SERVER_NAME"), name);
    assert.equal(environ.get("SERVER_PORT"), port);
    assert.equal(environ.get("REMOTE_ADDR"), "");
    assert.equal(environ.get("REMOTE_PORT"), "");
  });
}

test("cookEnviron() has a SERVER_NAME and a SERVER_PORT on a unix socket without a Host, as PEP 3333 wants", () => {
  const environ = cook({ head: { host: "", version: "HTTP/1.0" }, client: { listener: unixListener } });
  assert.notEqual(environ.get("SERVER_NAME"), undefined);
  assert.notEqual(environ.get("SERVER_PORT") ?? "", "");
});

test("cookEnviron() on TCP takes name and port from the listener, whatever Host says", () => {
  const environ = cook({ head: { host: "evil.test:1" }, fields: [["Host", "evil.test:1"]] });
  assert.equal(environ.get("SERVER_NAME"), "127.0.0.1");
  assert.equal(environ.get("SERVER_PORT"), "8000");
  assert.equal(environ.get("HTTP_HOST"), "evil.test:1");
});

test("cookEnviron() tells the authority of an absolute target as the Host, whatever the field says", () => {
  const environ = cook({
    head: { host: "real.test", target: "http://real.test/" },
    fields: [["Host", "evil.test"]],
  });
  assert.equal(environ.get("HTTP_HOST"), "real.test");
});
