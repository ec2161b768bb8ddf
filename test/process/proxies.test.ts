import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";

import { BODY_SIZES, countingBytes, parseEcho, sha256 } from "../helpers/bodies.ts";
import { ClientConnection, request } from "../helpers/client.ts";
import { BOOT_DEADLINE_MS, EXIT_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { addressBlock, binaryPreamble, startPreambleProxy } from "../helpers/preamble-proxy.ts";
import { LOOPBACK, repositoryRoot, startFixture, startServer } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

const CLIENT = "203.0.113.7";
const LINE = `PROXY TCP4 ${CLIENT} 192.0.2.1 56324 443\r\n`;
const LINE_OF_IPV6 = "PROXY TCP6 2001:DB8:0:0::7 ::1 56324 443\r\n";
const BINARY = binaryPreamble({ block: addressBlock([203, 0, 113, 7], [192, 0, 2, 1], 56324, 443) });
const LOCAL = binaryPreamble({ command: 0x20, family: 0, block: Buffer.alloc(0) });

/** An application that answers with all texts of its environ. */
const ENVIRON_APPLICATION = `
import json

def application(environ, start_response):
    texts = {name: value for name, value in environ.items() if isinstance(value, str)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(texts).encode()]
`;

async function environOf(t: TestContext, args: readonly string[], preamble: string): Promise<unknown> {
  const cwd = await temporaryFolder(t, { "texts.py": ENVIRON_APPLICATION });
  const server = await startServer(t, { cwd, args: [...LOOPBACK, ...args, "texts"] });
  const port = await startPreambleProxy(t, server.port, preamble);
  return JSON.parse((await request(port, "/")).text);
}

const accepted: readonly (readonly [mode: string, what: string, Buffer | string, client: string])[] = [
  ["v1", "version 1", LINE, CLIENT],
  ["v1", "version 1 of an IPv6 client", LINE_OF_IPV6, "2001:db8::7"],
  ["v2", "version 2", BINARY, CLIENT],
  ["auto", "version 1", LINE, CLIENT],
  ["auto", "version 2", BINARY, CLIENT],
  ["auto", "version 1 of nobody", "PROXY UNKNOWN\r\n", "127.0.0.1"],
  ["auto", "version 2 of the proxy itself", LOCAL, "127.0.0.1"],
];
for (const [mode, what, preamble, client] of accepted) {
  test(`--proxy-protocol ${mode} takes a preamble of ${what}`, async (t) => {
    const server = await startFixture(t, "echo", { args: ["--proxy-protocol", mode] });
    const port = await startPreambleProxy(t, server.port, preamble);
    const connection = await ClientConnection.open(t, port);
    for (const path of ["/first", "/second", "/third"]) {
      const echo = parseEcho(await connection.request(path));
      assert.deepEqual([echo.path, echo.client], [path, client]);
      if (client !== "127.0.0.1") assert.equal(echo.client_port, "56324");
    }
  });
}

test("a PROXY preamble may come in single octets, together with a request", async (t) => {
  const server = await startFixture(t, "echo", { args: ["--proxy-protocol", "auto"] });
  const connection = await ClientConnection.open(t, server.port);
  const head = `${LINE}GET /slow HTTP/1.1\r\nHost: a\r\n\r\n`;
  for (const octet of head) {
    connection.send(octet);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(parseEcho(await connection.readAnswer()).client, CLIENT);
});

const refused: readonly (readonly [mode: string, what: string, Buffer | string])[] = [
  ["v1", "no preamble", ""],
  ["v2", "no preamble", ""],
  ["auto", "no preamble", ""],
  ["v1", "a preamble of version 2", BINARY],
  ["v2", "a preamble of version 1", LINE],
  ["auto", "a preamble of version 1 that is none", "PROXY TCP4 1.2.3 192.0.2.1 1 2\r\n"],
  ["auto", "a preamble of version 2 that is none", binaryPreamble({ command: 0x22 })],
  ["auto", "two preambles", LINE + LINE],
];
for (const [mode, what, bytes] of refused) {
  test(`--proxy-protocol ${mode} answers 400 to ${what}, and serves on`, async (t) => {
    const server = await startFixture(t, "echo", { args: ["--proxy-protocol", mode] });
    const port = await startPreambleProxy(t, server.port, bytes);
    const answer = await request(port, "/");
    assert.equal(answer.status, 400);
    assert.doesNotMatch(answer.text, /203\.0\.113/);
    const good = await startPreambleProxy(t, server.port, mode === "v2" ? BINARY : LINE);
    assert.equal(parseEcho(await request(good, "/")).client, CLIENT);
  });
}

test("without --proxy-protocol a preamble is a bad request", async (t) => {
  const server = await startFixture(t, "echo");
  for (const preamble of [LINE, BINARY]) {
    const port = await startPreambleProxy(t, server.port, preamble);
    assert.equal((await request(port, "/")).status, 400);
  }
});

test("a peer that --proxy-allow-from does not name gets 403, whatever it says", async (t) => {
  const args = ["--proxy-protocol", "auto", "--proxy-allow-from", "192.0.2.0/24"];
  const server = await startFixture(t, "echo", { args });
  for (const preamble of [LINE, BINARY]) {
    const port = await startPreambleProxy(t, server.port, preamble);
    assert.equal((await request(port, "/")).status, 403);
  }
});

for (const allowed of ["127.0.0.0/8", "192.0.2.1,127.0.0.1", "*"]) {
  test(`--proxy-allow-from ${allowed} lets a proxy on this machine name its client`, async (t) => {
    const args = ["--proxy-protocol", "v1", "--proxy-allow-from", allowed];
    const server = await startFixture(t, "echo", { args });
    const port = await startPreambleProxy(t, server.port, LINE);
    assert.equal(parseEcho(await request(port, "/")).client, CLIENT);
  });
}

test("a client behind a PROXY proxy is not trusted for being relayed by a trusted peer", async (t) => {
  const headers = { "X-Forwarded-Proto": "https" };
  const plain = await startFixture(t, "echo", { args: ["--proxy-protocol", "auto"] });
  const port = await startPreambleProxy(t, plain.port, LINE);
  assert.equal(parseEcho(await request(port, "/", { headers })).scheme, "http");
  const args = ["--proxy-protocol", "auto", "--forwarded-allow-ips", CLIENT];
  const trusting = await startFixture(t, "echo", { args });
  const trustedPort = await startPreambleProxy(t, trusting.port, LINE);
  assert.equal(parseEcho(await request(trustedPort, "/", { headers })).scheme, "https");
});

test("the environ says what the PROXY preamble said, under Gunicorn's names", async (t) => {
  const environ = await environOf(t, ["--proxy-protocol", "auto"], LINE);
  const expected = {
    PROXY_PROTOCOL: "TCP4",
    PROXY_ADDR: "192.0.2.1",
    PROXY_PORT: "443",
    REMOTE_ADDR: CLIENT,
    REMOTE_PORT: "56324",
  };
  assert.deepEqual({ ...(environ as object), ...expected }, environ);
});

type Rewrite = (configuration: string) => string;

const ATTEMPTS = 5;
const nginxVersion = spawnSync("nginx", ["-V"], { encoding: "utf8" });
const skipUwsgi =
  nginxVersion.status === 0 ? false : "nginx is not on PATH: install it to test --protocol uwsgi";
const loadStream = findStreamModule();
const skipStream =
  loadStream === undefined
    ? "nginx has no stream module: install libnginx-mod-stream to test its PROXY protocol"
    : false;

/** The line that loads nginx's stream module, empty when it is built in; undefined when there is none. */
function findStreamModule(): string | undefined {
  const { stderr, status } = nginxVersion;
  if (status !== 0) return undefined;
  if (/--with-stream(?:\s|$)/.test(stderr)) return "";
  const folder = /--modules-path=(\S+)/.exec(stderr)?.[1];
  const path = join(folder ?? "", "ngx_stream_module.so");
  return folder !== undefined && existsSync(path) ? `load_module ${path};` : undefined;
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert(typeof address === "object" && address !== null);
  return address.port;
}

/** Resolves with whether nginx serves: another program may take the port between our look and its bind. */
async function isServing(t: TestContext, folder: string): Promise<boolean> {
  // As root nginx would hand its folders to another user, who cannot reach into ours.
  const user = process.getuid?.() === 0 ? ["-g", `user ${userInfo().username};`] : [];
  const args = ["-p", `${folder}/`, "-c", "nginx.conf", "-e", "stderr", ...user];
  const nginx = spawn("nginx", args, { stdio: ["ignore", "ignore", "pipe"] });
  const exited = new Promise<void>((resolve) => nginx.once("exit", () => resolve()));
  onTeardown(t, async () => {
    nginx.kill("SIGTERM");
    await withDeadline(exited, { deadlineMs: EXIT_DEADLINE_MS, what: "exit of nginx" });
  });
  const lines: string[] = [];
  const told = new Promise<boolean>((resolve, reject) => {
    const reader = createInterface({ input: nginx.stderr });
    reader.on("line", (line) => {
      lines.push(line);
      if (line.includes("start worker process ")) {
        resolve(true);
      } else if (line.includes("Address already in use")) {
        resolve(false);
      }
    });
    reader.once("close", () => reject(new Error(`nginx did not start:\n${lines.join("\n")}`)));
  });
  return withDeadline(told, { deadlineMs: BOOT_DEADLINE_MS, what: () => `nginx: ${lines.join("\n")}` });
}

/** nginx with a template of test/fixtures/nginx, on a free port and in front of `upstreamPort`. */
async function startNginx(
  t: TestContext,
  template: "uwsgi" | "proxy-protocol",
  upstreamPort: number,
  rewrite: Rewrite = (configuration) => configuration,
): Promise<number> {
  const path = join(repositoryRoot, "test/fixtures/nginx", `${template}.conf.template`);
  const text = await readFile(path, "utf8");
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const folder = await temporaryFolder(t);
    const port = await findFreePort();
    const filled = text
      .replace("@PORT@", String(port))
      .replace("@UPSTREAM_PORT@", String(upstreamPort))
      .replace("@MODULES@", loadStream ?? "");
    await writeFiles(folder, { "nginx.conf": rewrite(filled) });
    if (await isServing(t, folder)) {
      return port;
    }
  }
  throw new Error(`No free port for nginx in ${ATTEMPTS} attempts`);
}

test(
  "behind nginx as a proxy of bytes, clients are named by its PROXY preamble",
  { skip: skipStream },
  async (t) => {
    for (const mode of ["v1", "auto"]) {
      const server = await startFixture(t, "echo", { args: ["--proxy-protocol", mode] });
      const port = await startNginx(t, "proxy-protocol", server.port);
      const connection = await ClientConnection.open(t, port);
      const ports = new Set<string>();
      for (let number = 0; number < 20; number += 1) {
        const echo = parseEcho(await connection.request(`/?${number}`));
        assert.deepEqual([echo.client, echo.query], ["127.0.0.1", String(number)]);
        ports.add(echo.client_port);
      }
      assert.equal(ports.size, 1);
    }
  },
);

const UWSGI = ["--protocol", "uwsgi"];

test("behind nginx's uwsgi_pass", { skip: skipUwsgi }, async (t) => {
  const server = await startFixture(t, "everything", { args: [...UWSGI, "-w", "2"], workers: 2 });
  const port = await startNginx(t, "uwsgi", server.port);

  await t.test("the application sees the request and the client of nginx", async () => {
    const headers = { Host: "example.org", "X-Real-IP": CLIENT, "X-Some-Field": "some value" };
    const echo = parseEcho(await request(port, "/some/%70ath?query=%20", { headers }));
    assert.deepEqual([echo.method, echo.path, echo.query], ["GET", "/some/path", "query=%20"]);
    assert.deepEqual([echo.protocol, echo.scheme], ["HTTP/1.1", "http"]);
    assert.equal(echo.client, CLIENT);
    assert.equal(echo.headers["HOST"], "example.org");
    assert.equal(echo.headers["X_SOME_FIELD"], "some value");
  });

  await t.test("a path is decoded once", async () => {
    assert.equal(parseEcho(await request(port, "/a%2541%20%C3%A9")).path, "/a%41 \u00e9");
  });

  for (const size of BODY_SIZES) {
    const body = countingBytes(size);
    await t.test(`${size} bytes pass both ways unchanged`, async () => {
      const headers = { "Content-Type": "application/x-test" };
      const echo = parseEcho(await request(port, "/echo", { method: "POST", headers, body }));
      assert.equal(echo.method, "POST");
      assert.equal(echo.headers["CONTENT_TYPE"], "application/x-test");
      assert.equal(echo.body_length, size);
      assert.equal(echo.body_sha256, sha256(body));
      const answer = await request(port, `/big?n=${size}`);
      assert.equal(answer.headers.get("content-length"), String(size));
      assert.equal(sha256(answer.body), sha256(body));
    });
  }

  await t.test("a chunked upload arrives decoded", async (t) => {
    const connection = await ClientConnection.open(t, port);
    const fields = "Host: a\r\nTransfer-Encoding: chunked\r\n";
    connection.send(`POST /echo HTTP/1.1\r\n${fields}\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`);
    const echo = parseEcho(await connection.readAnswer());
    assert.equal(echo.body_sha256, sha256(Buffer.from("abcde")));
    assert.equal(echo.headers["CONTENT_LENGTH"], "5");
  });

  await t.test("an upload that waits for 100 Continue arrives", async (t) => {
    const connection = await ClientConnection.open(t, port);
    const fields = "Host: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n";
    connection.send(`POST /echo HTTP/1.1\r\n${fields}\r\n`);
    assert.equal((await connection.readAnswer()).status, 100);
    connection.send("abcde");
    assert.equal(parseEcho(await connection.readAnswer()).body_length, 5);
  });

  await t.test("a repeated header field is joined", async (t) => {
    const connection = await ClientConnection.open(t, port);
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nX-Some: 1\r\nX-Some: 2\r\n\r\n");
    assert.match(parseEcho(await connection.readAnswer()).headers["X_SOME"] ?? "", /^1, ?2$/);
  });

  await t.test("a client of HTTP/1.0 without Host is served", async (t) => {
    const connection = await ClientConnection.open(t, port);
    connection.send("GET /old HTTP/1.0\r\n\r\n");
    const echo = parseEcho(await connection.readAnswer());
    assert.deepEqual([echo.path, echo.protocol], ["/old", "HTTP/1.0"]);
  });

  await t.test("HEAD is answered without a body", async () => {
    const answer = await request(port, "/big?n=10", { method: "HEAD" });
    assert.deepEqual([answer.status, answer.body.length], [200, 0]);
    assert.equal(answer.headers.get("content-length"), "10");
  });

  await t.test("200 requests of one client are all answered", async (t) => {
    const connection = await ClientConnection.open(t, port);
    for (let number = 0; number < 200; number += 1) {
      assert.equal(parseEcho(await connection.request(`/echo?${number}`)).query, String(number));
    }
  });

  await t.test("an answer of unknown length arrives whole, without chunk sizes in it", async (t) => {
    const streaming = await startFixture(t, "stream", { args: UWSGI });
    const streamed = await request(await startNginx(t, "uwsgi", streaming.port), "/?pieces=100");
    const pieces = Array.from({ length: 100 }, (_, number) => `piece ${number}\n`);
    assert.equal(streamed.text, pieces.join(""));
  });
});

test("behind a uwsgi_pass that says so, wsgi.url_scheme is https", { skip: skipUwsgi }, async (t) => {
  const server = await startFixture(t, "echo", { args: UWSGI });
  const port = await startNginx(t, "uwsgi", server.port, (configuration) =>
    configuration.replace("$https if_not_empty", "on"),
  );
  assert.equal(parseEcho(await request(port, "/")).scheme, "https");
});

test(
  "behind uwsgi_pass a header of the client is not taken for a variable",
  { skip: skipUwsgi },
  async (t) => {
    const server = await startFixture(t, "echo", { args: UWSGI });
    const port = await startNginx(t, "uwsgi", server.port, (configuration) =>
      configuration.replace("access_log off;", "access_log off; underscores_in_headers on;"),
    );
    const headers = { REMOTE_ADDR: "6.6.6.6", SCRIPT_NAME: "/s", HTTPS: "on", Remote_Addr_: "6.6.6.6" };
    const echo = parseEcho(await request(port, "/path", { headers }));
    assert.deepEqual([echo.client, echo.path, echo.scheme], ["127.0.0.1", "/path", "http"]);
  },
);

function uwsgiPacket(variables: Readonly<Record<string, string>>): Buffer {
  const sized = (text: string): Buffer => {
    const bytes = Buffer.from(text, "latin1");
    return Buffer.concat([Buffer.from([bytes.length & 0xff, bytes.length >> 8]), bytes]);
  };
  const block = Buffer.concat(Object.entries(variables).flatMap((pair) => pair.map(sized)));
  return Buffer.concat([Buffer.from([0, block.length & 0xff, block.length >> 8, 0]), block]);
}

const REQUEST = {
  REQUEST_METHOD: "GET",
  REQUEST_URI: "/a",
  PATH_INFO: "/a",
  QUERY_STRING: "",
  SERVER_PROTOCOL: "HTTP/1.1",
  HTTP_HOST: "a",
  REMOTE_ADDR: CLIENT,
  REMOTE_PORT: "1",
};

test("--protocol uwsgi answers a packet with an HTTP response and closes", async (t) => {
  const server = await startFixture(t, "echo", { args: UWSGI });
  const connection = await ClientConnection.open(t, server.port);
  connection.send(uwsgiPacket(REQUEST));
  const echo = parseEcho(await connection.readAnswer());
  assert.deepEqual([echo.path, echo.client, echo.client_port], ["/a", CLIENT, "1"]);
  await connection.readEnd();
  assert.equal(connection.waitingBytes, 0);
});

const badPackets: readonly (readonly [what: string, Buffer | string])[] = [
  ["plain HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["code to evaluate", Buffer.from([22, 1, 0, 0, 0x31])],
  ["a bad length", uwsgiPacket({ ...REQUEST, CONTENT_LENGTH: "x" })],
  ["a header field with a line end", uwsgiPacket({ ...REQUEST, HTTP_X: "a\r\nb" })],
];
for (const [what, bytes] of badPackets) {
  test(`--protocol uwsgi answers 400 to ${what}, and serves on`, async (t) => {
    const server = await startFixture(t, "echo", { args: UWSGI });
    const connection = await ClientConnection.open(t, server.port);
    connection.send(bytes);
    assert.equal((await connection.readAnswer()).status, 400);
    const next = await ClientConnection.open(t, server.port);
    next.send(uwsgiPacket(REQUEST));
    assert.equal(parseEcho(await next.readAnswer()).path, "/a");
  });
}

test("a peer that --uwsgi-allow-from does not name reaches no application", async (t) => {
  const args = [...UWSGI, "--uwsgi-allow-from", "192.0.2.1"];
  const server = await startFixture(t, "echo", { args });
  const connection = await ClientConnection.open(t, server.port);
  connection.send(uwsgiPacket(REQUEST));
  await connection.readEnd();
  if (connection.waitingBytes > 0) assert.equal((await connection.readAnswer()).status, 403);
});

for (const allowed of ["127.0.0.0/8", "*"]) {
  test(`--uwsgi-allow-from ${allowed} lets a front server on this machine in`, async (t) => {
    const server = await startFixture(t, "echo", { args: [...UWSGI, "--uwsgi-allow-from", allowed] });
    const connection = await ClientConnection.open(t, server.port);
    connection.send(uwsgiPacket(REQUEST));
    assert.equal(parseEcho(await connection.readAnswer()).client, CLIENT);
  });
}
