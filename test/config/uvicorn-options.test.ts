import assert from "node:assert/strict";
import { test } from "node:test";

import { readUvicornOptions } from "../../src/config/uvicorn-options.ts";

function read(options: Readonly<Record<string, unknown>>): {
  readonly values: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
} {
  const { layer, warnings } = readUvicornOptions(options, "CONFIG_KWARGS of mine.Mine");
  return { values: Object.fromEntries(layer.values), warnings };
}

for (const [options, values] of [
  [
    { lifespan: "off", root_path: "/a", backlog: 64 },
    { asgi_lifespan: "off", root_path: "/a", backlog: 64 },
  ],
  [
    { timeout_keep_alive: 5, timeout_graceful_shutdown: 7 },
    { keepalive: 5, graceful_timeout: 7 },
  ],
  [
    { limit_max_requests: 9, limit_max_requests_jitter: 3 },
    { max_requests: 9, max_requests_jitter: 3 },
  ],
  [{ limit_max_requests: null, limit_concurrency: null, root_path: null }, { max_requests: 0 }],
  [{ limit_concurrency: 100 }, { worker_connections: 100 }],
  [
    { ws_ping_interval: 0.5, ws_ping_timeout: null },
    { websocket_ping_interval: 1, websocket_ping_timeout: 0 },
  ],
  [
    { ws_max_size: 100, ws_per_message_deflate: false },
    { websocket_max_message_size: 100, websocket_compression: false },
  ],
  [{ server_header: false }, { server_header: "" }],
  [{ forwarded_allow_ips: "*" }, { forwarded_allow_ips: "*" }],
  [{ proxy_headers: false, forwarded_allow_ips: "*" }, { forwarded_allow_ips: "" }],
  [{ proxy_headers: true, loop: "uvloop", http: "h11", ws: "wsproto", headers: [["a", "b"]] }, {}],
] as const) {
  test(`uvicorn's ${JSON.stringify(options)} are settings`, () => {
    assert.deepEqual(read(options), { values, warnings: [] });
  });
}

test("options without effect are named in one warning, with the reasons", () => {
  const { values, warnings } = read({
    date_header: false,
    log_level: "debug",
    workers: 4,
    ws: "none",
    loop: "mine:loop",
  });
  assert.deepEqual(values, {});
  assert.deepEqual(warnings, [
    "CONFIG_KWARGS of mine.Mine without effect: date_header (the router does it), log_level (the log settings say it), " +
      "workers (the server's own settings say it), ws (the router does it), loop (asyncio and uvloop are there)",
  ]);
});

test("The options of TLS are the settings of TLS", () => {
  const { values, warnings } = read({
    ssl_certfile: "server.pem",
    ssl_keyfile: "server.key",
    ssl_ca_certs: "authority.pem",
    ssl_cert_reqs: 2,
    ssl_ciphers: "HIGH",
    ssl_keyfile_password: null,
    ssl_version: 17,
  });
  assert.deepEqual(values, {
    certfile: "server.pem",
    keyfile: "server.key",
    ca_certs: "authority.pem",
    cert_reqs: 2,
    ciphers: "HIGH",
  });
  assert.match(warnings.join(), /without effect: ssl_version \(clients may use TLS 1\.2 and 1\.3\)$/);
});

test("A password of a key is refused: the server would fail later, and say less", () => {
  assert.throws(() => read({ ssl_keyfile_password: "secret" }), {
    code: "ERR_NOT_YET",
    message: /ssl_keyfile_password is not possible yet/,
  });
});
