import assert from "node:assert/strict";
import { test } from "node:test";

import { environmentLayers, type Layer, resolveSettings } from "../../src/config/layers.ts";
import { TunicornError } from "../../src/errors.ts";
import { allSettings, type SettingName } from "../../src/config/settings/all.ts";

function layer(source: string, values: Readonly<Partial<Record<SettingName, unknown>>>): Layer {
  return { source, values: new Map(Object.entries(values) as [SettingName, unknown][]) };
}

test("resolveSettings() of nothing gives every setting its default", () => {
  const settings = resolveSettings([]);
  assert.deepEqual(
    settings,
    Object.fromEntries(allSettings.map(({ name, defaultValue }) => [name, defaultValue])),
  );
});

test("resolveSettings() lets a later layer win, setting by setting", () => {
  const settings = resolveSettings([
    layer("first", { workers: 2, timeout: 10, bind: ["127.0.0.1:1", "127.0.0.1:2"] }),
    layer("second", { workers: "3", keepalive: 5 }),
    layer("third", { bind: "127.0.0.1:3" }),
  ]);
  assert.equal(settings.workers, 3);
  assert.equal(settings.timeout, 10);
  assert.equal(settings.keepalive, 5);
  assert.deepEqual(settings.bind, ["127.0.0.1:3"], "a list replaces that of a weaker layer");
  assert.equal(settings.backlog, 2048);
});

test("resolveSettings() does not look at a value that a later layer replaces", () => {
  const settings = resolveSettings([layer("first", { workers: "many" }), layer("second", { workers: 2 })]);
  assert.equal(settings.workers, 2);
});

test("resolveSettings() lets a layer set a value back to none", () => {
  const settings = resolveSettings([
    layer("first", { pidfile: "/run/app.pid" }),
    layer("second", { pidfile: null }),
  ]);
  assert.equal(settings.pidfile, null);
});

test("resolveSettings() names setting, source, value and what was wanted", () => {
  assert.throws(() => resolveSettings([layer("gunicorn.conf.py", { timeout: "soon" })]), {
    code: "ERR_SETTING_VALUE",
    message: 'Invalid value for timeout from gunicorn.conf.py: "soon", want a whole number of 0 or more',
  });
});

for (const [source, name, value, code] of [
  ["the command line", "workers", "many", "ERR_USAGE"],
  ["GUNICORN_CMD_ARGS", "workers", "many", "ERR_USAGE"],
  // A number that is none of those wanted is a bad value, as it is with Gunicorn.
  ["the command line", "workers", "-1", "ERR_SETTING_VALUE"],
  ["the command line", "bind", "a:b:c", "ERR_SETTING_VALUE"],
  ["gunicorn.conf.py", "workers", "many", "ERR_SETTING_VALUE"],
  ["environment variable WEB_CONCURRENCY", "workers", "many", "ERR_SETTING_VALUE"],
] as const) {
  test(`resolveSettings() calls ${name} ${value} from ${source} ${code}`, () => {
    assert.throws(() => resolveSettings([layer(source, { [name]: value })]), { code });
  });
}

for (const { name, value, says } of [
  { name: "workers", value: 0, says: /workers .*: 0, want a whole number of 1 or more/ },
  { name: "bind", value: ["127.0.0.1:x"], says: /bind .*: \['127\.0\.0\.1:x'\], want a port/ },
  { name: "forwarded_allow_ips", value: "me", says: /forwarded_allow_ips .*: "me", want IP addresses/ },
  { name: "pidfile", value: { a: 1 }, says: /pidfile .*: \{'a': 1\}, want text/ },
  { name: "preload_app", value: "perhaps", says: /preload_app .*: "perhaps", want True or False/ },
  { name: "loglevel", value: null, says: /loglevel .*: None, want/ },
] as const) {
  test(`resolveSettings() shows a bad ${name} as it was written`, () => {
    assert.throws(() => resolveSettings([layer("the test", { [name]: value })]), {
      code: "ERR_SETTING_VALUE",
      message: says,
    });
  });
}

test("resolveSettings() says what a comma behind a value does, unless the setting takes several", () => {
  const hintOf = (values: Readonly<Partial<Record<SettingName, unknown>>>): unknown => {
    try {
      return resolveSettings([layer("gunicorn.conf.py", values)]);
    } catch (error) {
      return error instanceof TunicornError ? error.hint : error;
    }
  };
  assert.match(String(hintOf({ workers: [4] })), /comma behind a value makes a tuple/);
  assert.match(String(hintOf({ loglevel: ["info"] })), /take the comma away/);
  assert.equal(hintOf({ raw_env: ["A"] }), undefined);
});

test("environmentLayers() knows the variables that Gunicorn knows", () => {
  const environment = {
    PORT: "5000",
    WEB_CONCURRENCY: "3",
    FORWARDED_ALLOW_IPS: "10.0.0.0/8, ::1",
    TIMEOUT: "1",
  };
  const settings = resolveSettings(environmentLayers(environment));
  assert.deepEqual(settings.bind, ["0.0.0.0:5000"]);
  assert.equal(settings.workers, 3);
  assert.deepEqual(settings.forwarded_allow_ips, ["10.0.0.0/8", "::1"]);
  assert.equal(settings.timeout, 30);
});

test("environmentLayers() takes an empty variable for one that is not set", () => {
  assert.deepEqual(environmentLayers({}), []);
  assert.deepEqual(environmentLayers({ PORT: "", WEB_CONCURRENCY: "  " }), []);
});

for (const [variable, text] of [
  ["PORT", "http"],
  ["WEB_CONCURRENCY", "many"],
  ["WEB_CONCURRENCY", "0"],
  ["FORWARDED_ALLOW_IPS", "me"],
] as const) {
  test(`environmentLayers() makes ${variable}="${text}" an error that names the variable`, () => {
    assert.throws(() => resolveSettings(environmentLayers({ [variable]: text })), {
      code: "ERR_SETTING_VALUE",
      message: new RegExp(`environment variable ${variable}: .*${text}`),
    });
  });
}
