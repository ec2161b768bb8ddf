import assert from "node:assert/strict";
import { test } from "node:test";

import { ClientConnection } from "../helpers/client.ts";
import { LOOPBACK, startServer } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const HEAD = "Host: a\r\n";

/** Answers with the texts of its environ that say where the application is mounted, and how the client came. */
const MOUNT_APPLICATION = `
import json

NAMES = ("SCRIPT_NAME", "PATH_INFO", "wsgi.url_scheme", "HTTP_SCRIPT_NAME", "HTTP_REMOTE_USER", "HTTP_X_USER")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({name: environ[name] for name in NAMES if name in environ}).encode()]
`;

/** Not the peer of these tests. */
const OTHER_PEER = ["--forwarded-allow-ips", "192.0.2.1"];

test("what a proxy may say of a request", async (t) => {
  const mounted = {
    SCRIPT_NAME: "/shop",
    PATH_INFO: "/cart",
    "wsgi.url_scheme": "http",
    HTTP_SCRIPT_NAME: "/shop",
  };
  const unmounted = { SCRIPT_NAME: "", PATH_INFO: "/shop/cart", "wsgi.url_scheme": "http" };
  const secure = { ...unmounted, "wsgi.url_scheme": "https" };
  for (const { what, args, fields, expected } of [
    {
      what: "forwarder_headers: SCRIPT_NAME from a trusted peer mounts the application",
      args: [],
      fields: "SCRIPT_NAME: /shop\r\n",
      expected: mounted,
    },
    {
      what: "forwarder_headers: SCRIPT_NAME from any other peer is dropped",
      args: OTHER_PEER,
      fields: "SCRIPT_NAME: /shop\r\n",
      expected: unmounted,
    },
    {
      what: "forwarder_headers: SCRIPT_NAME from any other peer is refused, if header_map says so",
      args: [...OTHER_PEER, "--header-map", "refuse"],
      fields: "SCRIPT_NAME: /shop\r\n",
      expected: 400,
    },
    {
      what: "forwarder_headers: other peers mount nothing, though header_map is dangerous",
      args: [...OTHER_PEER, "--header-map", "dangerous"],
      fields: "SCRIPT_NAME: /shop\r\n",
      expected: { ...unmounted, HTTP_SCRIPT_NAME: "/shop" },
    },
    {
      what: "forwarder_headers: names that are listed pass, whatever header_map says of others",
      args: ["--forwarder-headers", "REMOTE_USER,SCRIPT_NAME"],
      fields: "Remote_User: ada\r\nX_User: root\r\nSCRIPT_NAME: /shop\r\n",
      expected: { ...mounted, HTTP_REMOTE_USER: "ada" },
    },
    {
      what: "forwarder_headers: a list that lacks SCRIPT_NAME leaves it out",
      args: ["--forwarder-headers", "REMOTE_USER"],
      fields: "SCRIPT_NAME: /shop\r\n",
      expected: unmounted,
    },
    {
      what: "secure_scheme_headers: a trusted peer says https",
      args: [],
      fields: "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: on\r\n",
      expected: secure,
    },
    {
      what: "secure_scheme_headers: two that contradict each other get 400",
      args: [],
      fields: "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n",
      expected: 400,
    },
    {
      what: "secure_scheme_headers: one that is repeated and contradicts itself gets 400",
      args: [],
      fields: "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n",
      expected: 400,
    },
    {
      what: "secure_scheme_headers: those of any other peer mean nothing",
      args: OTHER_PEER,
      fields: "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n",
      expected: unmounted,
    },
  ]) {
    await t.test(what, async (t) => {
      const cwd = await temporaryFolder(t, { "mount.py": MOUNT_APPLICATION });
      const server = await startServer(t, { cwd, args: [...LOOPBACK, ...args, "mount"] });
      const connection = await ClientConnection.open(t, server.port);
      connection.send(`GET /shop/cart HTTP/1.1\r\n${HEAD}${fields}\r\n`);
      const { status, text } = await connection.readAnswer();
      assert.deepEqual(status === 200 ? JSON.parse(text) : status, expected);
    });
  }
});

test("SCRIPT_NAME in os.environ mounts the application, whoever has set it there", async (t) => {
  const assignment = 'import os\n\nos.environ["SCRIPT_NAME"] = "/shop"\n';
  const mounted = { SCRIPT_NAME: "/shop", PATH_INFO: "/cart", "wsgi.url_scheme": "http" };
  for (const [who, settings, application] of [
    ["the configuration file", assignment, MOUNT_APPLICATION],
    ["the application", "", assignment + MOUNT_APPLICATION],
  ] as const) {
    await t.test(who, async (t) => {
      const cwd = await temporaryFolder(t, { "gunicorn.conf.py": settings, "mount.py": application });
      const server = await startServer(t, { cwd, args: [...LOOPBACK, "mount"] });
      const ask = async (path: string, fields = ""): Promise<unknown> => {
        const connection = await ClientConnection.open(t, server.port);
        connection.send(`GET ${path} HTTP/1.1\r\n${HEAD}${fields}\r\n`);
        const { status, text } = await connection.readAnswer();
        return status === 200 ? JSON.parse(text) : status;
      };
      assert.deepEqual(await ask("/shop/cart"), mounted);
      assert.equal(await ask("/elsewhere"), 500);
      await server.waitForLine(/the path '\/elsewhere' does not lie under SCRIPT_NAME '\/shop'/);
      const other = { ...mounted, SCRIPT_NAME: "/other", HTTP_SCRIPT_NAME: "/other" };
      assert.deepEqual(await ask("/other/cart", "SCRIPT_NAME: /other\r\n"), other);
    });
  }
});
