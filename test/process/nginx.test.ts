import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";

import { BODY_SIZES, countingBytes, parseEcho, sha256 } from "../helpers/bodies.ts";
import { ClientConnection, request } from "../helpers/client.ts";
import { BOOT_DEADLINE_MS, EXIT_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { examples, startFixture } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

const hasNginx = spawnSync("nginx", ["-v"]).status === 0;
const skip = hasNginx ? false : "nginx is not on PATH: install it to test tunicorn behind it";
const ATTEMPTS = 5;

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

/** nginx with the configuration of examples/nginx, moved to a free port and in front of `upstreamPort`. */
async function startNginx(
  t: TestContext,
  upstreamPort: number,
  rewrite: (configuration: string) => string = (configuration) => configuration,
): Promise<number> {
  const guide = await readFile(join(examples, "nginx/nginx.conf"), "utf8");
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const folder = await temporaryFolder(t);
    const port = await findFreePort();
    const moved = guide
      .replace("server 127.0.0.1:8000 ", `server 127.0.0.1:${upstreamPort} `)
      .replace("listen 80;", `listen 127.0.0.1:${port};`);
    await writeFiles(folder, { "nginx.conf": rewrite(moved) });
    if (await isServing(t, folder)) {
      return port;
    }
  }
  throw new Error(`No free port for nginx in ${ATTEMPTS} attempts`);
}

test("behind nginx with the guide's configuration", { skip }, async (t) => {
  const server = await startFixture(t, "everything", { args: ["-w", "2"], workers: 2 });
  const port = await startNginx(t, server.port);

  await t.test("the application sees what nginx says of the client", async () => {
    const headers = { Host: "yourdomain.com" };
    const echo = parseEcho(await request(port, "/some/path?query=1", { headers }));
    assert.deepEqual([echo.method, echo.path, echo.query], ["GET", "/some/path", "query=1"]);
    assert.equal(echo.scheme, "http");
    assert.equal(echo.headers["HOST"], "yourdomain.com");
    assert.equal(echo.headers["X_REAL_IP"], "127.0.0.1");
    assert.equal(echo.headers["X_FORWARDED_FOR"], "127.0.0.1");
    assert.equal(echo.headers["X_FORWARDED_PROTO"], "http");
  });

  for (const size of BODY_SIZES) {
    const body = countingBytes(size);
    await t.test(`${size} bytes pass both ways unchanged`, async () => {
      const echo = parseEcho(await request(port, "/echo", { method: "POST", body }));
      assert.equal(echo.body_length, size);
      assert.equal(echo.body_sha256, sha256(body));
      const answer = await request(port, `/big?n=${size}`);
      assert.equal(answer.headers.get("content-length"), String(size));
      assert.equal(sha256(answer.body), sha256(body));
    });
  }

  await t.test("200 requests of one client are all answered", async (t) => {
    const connection = await ClientConnection.open(t, port);
    for (let number = 0; number < 200; number += 1) {
      assert.equal(parseEcho(await connection.request(`/echo?${number}`)).query, String(number));
    }
  });

  await t.test("an answer of unknown length arrives whole", async (t) => {
    const streaming = await startFixture(t, "stream");
    const streamed = await request(await startNginx(t, streaming.port), "/?pieces=100");
    const pieces = Array.from({ length: 100 }, (_, number) => `piece ${number}\n`);
    assert.equal(streamed.text, pieces.join(""));
  });
});

test("behind an nginx that ends TLS, wsgi.url_scheme is https", { skip }, async (t) => {
  const server = await startFixture(t, "echo");
  const port = await startNginx(t, server.port, (configuration) =>
    configuration.replace("X-Forwarded-Proto $scheme", "X-Forwarded-Proto https"),
  );
  assert.equal(parseEcho(await request(port, "/")).scheme, "https");
});

test("a client that is no trusted proxy cannot choose wsgi.url_scheme", async (t) => {
  const server = await startFixture(t, "echo", { args: ["--forwarded-allow-ips", "192.0.2.1"] });
  const headers = { "X-Forwarded-Proto": "https" };
  assert.equal(parseEcho(await request(server.port, "/", { headers })).scheme, "http");
});
