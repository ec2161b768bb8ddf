import assert from "node:assert/strict";
import { test } from "node:test";

import { readTls } from "../../src/arbiter/tls-files.ts";
import { resolveSettings } from "../../src/config/layers.ts";
import type { SettingName, Settings } from "../../src/config/settings/all.ts";
import { readTlsFile, tlsFile } from "../helpers/tls.ts";

const DAY_MS = 24 * 3600 * 1000;
/** The certificates of the fixtures were made on this day, for a hundred years. */
const MADE = Date.parse("2026-11-22T12:00:00Z");
const pair = { certfile: tlsFile("server.pem"), keyfile: tlsFile("server.key") };

function settingsWith(values: Partial<Record<SettingName, unknown>>): Settings {
  const layer = { source: "the test", values: new Map(Object.entries(values) as [SettingName, unknown][]) };
  return resolveSettings([layer]);
}

test("readTls() is null without a certificate", () => {
  assert.deepEqual(readTls(settingsWith({}), null), { settings: null, warnings: [] });
});

test("readTls() warns of demands on clients that nobody makes without a certificate", () => {
  const { warnings } = readTls(settingsWith({ ca_certs: tlsFile("authority.pem"), cert_reqs: 2 }), null);
  assert.match(warnings.join(), /^ca_certs and cert_reqs without certfile: no TLS is spoken/);
});

test("readTls() reads what the settings name, with a key for tickets that is new each time", () => {
  const settings = settingsWith({ ...pair, ca_certs: tlsFile("authority.pem"), cert_reqs: 1 });
  const { settings: tls } = readTls(settings, null, MADE);
  assert.ok(tls !== null);
  assert.equal(tls.certificate, readTlsFile("server.pem"));
  assert.equal(tls.authorities, readTlsFile("authority.pem"));
  assert.deepEqual(
    [tls.minVersion, tls.maxVersion, tls.clientCertificate],
    ["TLSv1.2", "TLSv1.3", "optional"],
  );
  assert.equal(Buffer.from(tls.ticketKeys, "base64").length, 48);
  assert.notEqual(tls.ticketKeys, readTls(settings, null, MADE).settings?.ticketKeys);
});

test("readTls() lets the hook ssl_context have the last word", () => {
  const chain = { certfile: tlsFile("server.pem"), keyfile: tlsFile("encrypted.key"), password: "secret" };
  const context = {
    chain,
    authorities: readTlsFile("stranger.pem"),
    verifyMode: 2,
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    ciphers: null,
  } as const;
  const { settings: tls } = readTls(settingsWith({ ...pair, ciphers: "HIGH" }), context, MADE);
  assert.ok(tls !== null);
  assert.match(tls.key, /^-----BEGIN PRIVATE KEY-----/);
  const { minVersion, ciphers, clientCertificate, authorities } = tls;
  assert.deepEqual([minVersion, ciphers, clientCertificate], ["TLSv1.3", null, "required"]);
  assert.equal(authorities, readTlsFile("stranger.pem"));
});

test("readTls() refuses a context of the hook that asks for certificates and names no authority, such as by a folder", () => {
  const versions = { minVersion: "TLSv1.2", maxVersion: "TLSv1.3", ciphers: null } as const;
  const context = { chain: null, authorities: null, verifyMode: 1, ...versions } as const;
  assert.throws(() => readTls(settingsWith(pair), context), {
    code: "ERR_TLS",
    message: /are optional, but/,
  });
});

const years = 36_500 * DAY_MS;
for (const { when, at, says } of [
  { when: "that is not valid yet", at: MADE - 2 * DAY_MS, says: /is not valid yet: only from Nov 22/ },
  { when: "for a long time", at: MADE, says: /^$/ },
  { when: "that expires within a week", at: MADE + years - 5 * DAY_MS, says: /expires soon: .* Oct 29/ },
  { when: "that has expired", at: MADE + years + DAY_MS, says: /has expired: it was valid until Oct 29/ },
]) {
  test(`readTls() looks at the dates of a certificate ${when}`, () => {
    assert.match(readTls(settingsWith(pair), null, at).warnings.join(), says);
  });
}

for (const { what, values, says } of [
  {
    what: "a demand on clients that nobody could meet",
    values: { ...pair, cert_reqs: 2 },
    says: /Certificates of clients are required, but nobody is named who may sign them/,
  },
  { what: "a folder as certfile", values: { certfile: "/" }, says: /Cannot read certfile \/: EISDIR/ },
  {
    what: "a key as certfile",
    values: { ...pair, certfile: tlsFile("server.key") },
    says: /certfile \S+server\.key has no certificate in PEM/,
  },
  {
    what: "a key as ca_certs",
    values: { ...pair, ca_certs: tlsFile("server.key") },
    says: /ca_certs \S+server\.key has no certificate in PEM/,
  },
]) {
  test(`readTls() refuses ${what}`, () => {
    assert.throws(() => readTls(settingsWith(values), null), { code: "ERR_TLS", message: says });
  });
}
