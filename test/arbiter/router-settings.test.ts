import assert from "node:assert/strict";
import { test } from "node:test";

import { makeRouterSettings } from "../../src/arbiter/router-settings.ts";
import { resolveSettings } from "../../src/config/layers.ts";
import type { SettingName } from "../../src/config/settings/all.ts";
import type { RouterSettings } from "../../src/router/messages.ts";

function routerSettings(
  values: Readonly<Partial<Record<SettingName, unknown>>> = {},
  environment: NodeJS.ProcessEnv = {},
): RouterSettings {
  const entries = Object.entries(values) as [SettingName, unknown][];
  return makeRouterSettings(resolveSettings([{ source: "the test", values: new Map(entries) }]), environment);
}

const UNLIMITED = Number.MAX_SAFE_INTEGER;

test("makeRouterSettings() hands over Gunicorn's defaults in the router's own units", () => {
  const settings = routerSettings();
  assert.deepEqual(settings.limits, {
    requestLineBytes: 4094,
    fieldCount: 100,
    fieldBytes: 8190,
    headBytes: 1024 * 1024,
  });
  assert.equal(settings.timeouts.keepAliveMs, 2000);
  assert.equal(settings.workerTimeoutMs, 30_000);
  assert.equal(settings.gracefulTimeoutMs, 30_000);
  assert.deepEqual(settings.forwardedAllowIps, ["127.0.0.1", "::1"]);
  assert.deepEqual(settings.forwarderHeaders, ["SCRIPT_NAME", "PATH_INFO"]);
  assert.equal(settings.headerMap, "drop");
  assert.equal(settings.scriptName, "");
  assert.equal(settings.accessLog, null);
  assert.equal(settings.errorLog, "-");
  assert.equal(settings.logLevel, "info");
});

test("makeRouterSettings() permits nothing by default that RFC 9112 does not", () => {
  assert.deepEqual([...new Set(Object.values(routerSettings().policy))], [false]);
});

interface Mapping {
  readonly name: SettingName;
  readonly value: unknown;
  readonly expected: unknown;
  readonly read: (settings: RouterSettings) => unknown;
}

const mappings: readonly Mapping[] = [
  { name: "limit_request_line", value: 10, expected: 10, read: ({ limits }) => limits.requestLineBytes },
  { name: "limit_request_line", value: 0, expected: 0, read: ({ limits }) => limits.requestLineBytes },
  { name: "limit_request_fields", value: 11, expected: 11, read: ({ limits }) => limits.fieldCount },
  { name: "limit_request_field_size", value: 12, expected: 12, read: ({ limits }) => limits.fieldBytes },
  { name: "keepalive", value: 75, expected: 75_000, read: ({ timeouts }) => timeouts.keepAliveMs },
  { name: "keepalive", value: 0, expected: 0, read: ({ timeouts }) => timeouts.keepAliveMs },
  { name: "header_timeout", value: 5, expected: 5000, read: ({ timeouts }) => timeouts.headMs },
  { name: "header_timeout", value: 0, expected: UNLIMITED, read: ({ timeouts }) => timeouts.headMs },
  { name: "body_timeout", value: 6, expected: 6000, read: ({ timeouts }) => timeouts.bodyStallMs },
  { name: "body_timeout", value: 0, expected: UNLIMITED, read: ({ timeouts }) => timeouts.bodyStallMs },
  { name: "write_timeout", value: 7, expected: 7000, read: ({ timeouts }) => timeouts.writeStallMs },
  { name: "write_timeout", value: 0, expected: UNLIMITED, read: ({ timeouts }) => timeouts.writeStallMs },
  { name: "timeout", value: 90, expected: 90_000, read: ({ workerTimeoutMs }) => workerTimeoutMs },
  { name: "timeout", value: 0, expected: 0, read: ({ workerTimeoutMs }) => workerTimeoutMs },
  { name: "graceful_timeout", value: 0, expected: 0, read: ({ gracefulTimeoutMs }) => gracefulTimeoutMs },
  { name: "limit_request_body", value: 0, expected: UNLIMITED, read: ({ capacity }) => capacity.bodyBytes },
  { name: "limit_request_body", value: 9, expected: 9, read: ({ capacity }) => capacity.bodyBytes },
  { name: "max_connections", value: 0, expected: UNLIMITED, read: ({ capacity }) => capacity.connections },
  { name: "max_connections", value: 9, expected: 9, read: ({ capacity }) => capacity.connections },
  { name: "queue_size", value: 0, expected: UNLIMITED, read: ({ capacity }) => capacity.queuedRequests },
  { name: "queue_timeout", value: 0, expected: UNLIMITED, read: ({ capacity }) => capacity.queueMs },
  { name: "queue_timeout", value: 9, expected: 9000, read: ({ capacity }) => capacity.queueMs },
  { name: "buffer_memory", value: 0, expected: UNLIMITED, read: ({ capacity }) => capacity.memoryBytes },
  { name: "buffer_disk", value: 0, expected: 0, read: ({ capacity }) => capacity.diskBytes },
  {
    name: "websocket_max_message_size",
    value: 9,
    expected: 9,
    read: (all) => all.webSockets.maxMessageBytes,
  },
  {
    name: "websocket_max_message_rate",
    value: 9,
    expected: 9,
    read: (all) => all.webSockets.maxMessagesPerSecond,
  },
  { name: "websocket_compression", value: false, expected: false, read: (all) => all.webSockets.compresses },
  { name: "websocket_ping_interval", value: 9, expected: 9000, read: (all) => all.webSockets.pingMs },
  { name: "websocket_ping_interval", value: 0, expected: UNLIMITED, read: (all) => all.webSockets.pingMs },
  { name: "websocket_ping_timeout", value: 0, expected: UNLIMITED, read: (all) => all.webSockets.pongMs },
  { name: "accesslog", value: "-", expected: "-", read: ({ accessLog }) => accessLog },
  {
    name: "access_log_format",
    value: "%(h)s",
    expected: "%(h)s",
    read: ({ accessLogFormat }) => accessLogFormat,
  },
  { name: "errorlog", value: "/tmp/e", expected: "/tmp/e", read: ({ errorLog }) => errorLog },
  { name: "loglevel", value: "debug", expected: "debug", read: ({ logLevel }) => logLevel },
  { name: "header_map", value: "refuse", expected: "refuse", read: ({ headerMap }) => headerMap },
  { name: "proxy_protocol", value: true, expected: "auto", read: ({ proxyProtocol }) => proxyProtocol },
  {
    name: "forwarded_allow_ips",
    value: "*",
    expected: ["*"],
    read: (settings) => settings.forwardedAllowIps,
  },
  {
    name: "forwarder_headers",
    value: "x_a",
    expected: ["X_A"],
    read: ({ forwarderHeaders }) => forwarderHeaders,
  },
];

for (const { name, value, expected, read } of mappings) {
  test(`makeRouterSettings() hands ${name} = ${JSON.stringify(value)} over as ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(read(routerSettings({ [name]: value })), expected);
  });
}

for (const [name, key] of [
  ["permit_unconventional_http_method", "permitUnconventionalMethod"],
  ["permit_unconventional_http_version", "permitUnconventionalVersion"],
  ["casefold_http_method", "casefoldMethod"],
  ["permit_obsolete_folding", "permitObsoleteFolding"],
  ["strip_header_spaces", "stripHeaderSpaces"],
] as const) {
  test(`makeRouterSettings() hands ${name} over as ${key}, and permits nothing else`, () => {
    const { policy } = routerSettings({ [name]: true });
    const permitted = Object.entries(policy).filter(([, isPermitted]) => isPermitted);
    assert.deepEqual(permitted, [[key, true]]);
  });
}

test("makeRouterSettings() writes the names of scheme headers as requests have them", () => {
  const settings = routerSettings({ secure_scheme_headers: { "X-Forwarded-PROTO": "HTTPS" } });
  assert.deepEqual(settings.secureSchemeHeaders, { "x-forwarded-proto": "HTTPS" });
});

for (const { value, expected } of [
  { value: "/shop", expected: "/shop" },
  { value: "/shop/", expected: "/shop" },
  { value: "/a/b//", expected: "/a/b" },
  { value: "/", expected: "" },
  { value: "", expected: "" },
]) {
  test(`makeRouterSettings() takes SCRIPT_NAME "${value}" of the environment as "${expected}"`, () => {
    assert.equal(routerSettings({}, { SCRIPT_NAME: value }).scriptName, expected);
  });
}

test("makeRouterSettings() survives the JSON on which it travels to the router", () => {
  const settings = routerSettings({ max_connections: 0, queue_timeout: 0, write_timeout: 0 });
  assert.deepEqual(JSON.parse(JSON.stringify(settings)), settings);
});
