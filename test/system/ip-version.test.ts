import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";

import { ipVersion } from "../../src/system/ip-version.ts";

const ADDRESSES = ["127.0.0.1", "0.0.0.0", "255.255.255.255", "::", "::1", "fe80::1", "2001:db8::192.0.2.1"];

const OTHER_TEXTS = [
  ...["", "localhost", "*", "256.0.0.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4 ", " ::1"],
  ...[":", ":::", "1::2::3", "12345::", "::g", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "[::1]", "::1/128"],
  ...["127.0.0.1:80", "::ffff:1.2.3", "::ffff:256.1.1.1"],
];

for (const text of [...ADDRESSES, ...OTHER_TEXTS]) {
  test(`ipVersion() says of "${text}" what Node's isIP() says`, () => {
    assert.equal(ipVersion(text), isIP(text));
  });
}
