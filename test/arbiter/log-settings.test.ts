import assert from "node:assert/strict";
import { test } from "node:test";

import { makeLogSettings, makeMetricsSettings, planLogProcess } from "../../src/arbiter/log-settings.ts";
import { resolveSettings } from "../../src/config/layers.ts";
import type { SettingName, Settings } from "../../src/config/settings/all.ts";

function settingsOf(values: Readonly<Partial<Record<SettingName, unknown>>>): Settings {
  const entries = Object.entries(values) as [SettingName, unknown][];
  return resolveSettings([{ source: "the test", values: new Map(entries) }]);
}

const BOTH = { takesErrors: true, takesAccess: true };
const NEITHER = { takesErrors: false, takesAccess: false };

for (const { values, expected } of [
  { values: {}, expected: null },
  { values: { accesslog: "-", error_log_json: true, capture_output: true }, expected: null },
  { values: { logger_class: "simple" }, expected: null },
  { values: { logger_class: "gunicorn.instrument.statsd.Statsd" }, expected: null },
  { values: { logger_class: "shop.Logger" }, expected: BOTH },
  { values: { logconfig: "logging.ini" }, expected: BOTH },
  { values: { logconfig_json: "logging.json" }, expected: BOTH },
  { values: { logconfig_dict: { version: 1 } }, expected: BOTH },
  { values: { syslog: true }, expected: BOTH },
  {
    values: { syslog: true, disable_redirect_access_to_syslog: true, accesslog: "-" },
    expected: { takesErrors: true, takesAccess: false },
  },
  { values: { statsd_host: "localhost" }, expected: null },
  { values: { statsd_host: "unix:///run/statsd" }, expected: NEITHER },
]) {
  test(`planLogProcess() with ${JSON.stringify(values)} is ${JSON.stringify(expected)}`, () => {
    const plan = planLogProcess(settingsOf(values), "/run/log");
    assert.deepEqual(plan, expected === null ? null : { socketPath: "/run/log", ...expected });
  });
}

test("makeLogSettings() hands over where the logs go and how", () => {
  const settings = settingsOf({
    accesslog: "a.log",
    access_log_format: "%(h)s",
    access_log_json: true,
    errorlog: "e.log",
    error_log_json: true,
    loglevel: "debug",
  });
  assert.deepEqual(makeLogSettings(settings, null), {
    accessLog: "a.log",
    accessLogFormat: "%(h)s",
    isAccessLogJson: true,
    errorLog: "e.log",
    isErrorLogJson: true,
    logLevel: "debug",
    logProcess: null,
  });
});

test("makeMetricsSettings() is null without a statsd server, and for a logger class that sends by itself", () => {
  assert.equal(makeMetricsSettings(settingsOf({})), null);
  assert.equal(makeMetricsSettings(settingsOf({ statsd_host: "a", logger_class: "shop.Logger" })), null);
  const values = {
    statsd_host: "a:1",
    statsd_prefix: "p",
    dogstatsd_tags: "t:1",
    enable_backlog_metric: true,
  };
  assert.deepEqual(makeMetricsSettings(settingsOf(values)), {
    address: { type: "udp", host: "a", port: 1 },
    prefix: "p",
    tags: "t:1",
    reportsBacklog: true,
  });
});
