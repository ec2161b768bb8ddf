import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { BODY_SIZES, countingBytes, parseEcho, sha256 } from "../helpers/bodies.ts";
import { ClientConnection, request } from "../helpers/client.ts";
import { parseOutput, runProgram } from "../helpers/program.ts";
import { python, repositoryRoot, startFixture } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const clients = join(repositoryRoot, "test/fixtures/clients");
const KEPT_REQUESTS = 200;

test("our own raw client", async (t) => {
  const server = await startFixture(t, "everything", { args: ["-w", "2"], workers: 2 });

  for (const size of BODY_SIZES) {
    const body = countingBytes(size);

    await t.test(`sends ${size} bytes under a Content-Length`, async () => {
      const answer = await request(server.port, "/echo", { method: "POST", body });
      const echo = parseEcho(answer);
      assert.equal(echo.body_length, size);
      assert.equal(echo.body_sha256, sha256(body));
    });

    await t.test(`receives ${size} bytes under a Content-Length`, async () => {
      const answer = await request(server.port, `/big?n=${size}`);
      assert.equal(answer.headers.get("content-length"), String(size));
      assert.equal(sha256(answer.body), sha256(body));
    });
  }

  await t.test(`gets ${KEPT_REQUESTS} answers on one connection`, async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    for (let number = 0; number < KEPT_REQUESTS; number += 1) {
      const body = `body ${number}`;
      const echo = parseEcho(await connection.request(`/echo?${number}`, { method: "POST", body }));
      assert.equal(echo.query, String(number));
      assert.equal(echo.body_sha256, sha256(Buffer.from(body)));
    }
  });

  await t.test("gets its answers in order when it sends many requests at once", async (t) => {
    const connection = await ClientConnection.open(t, server.port);
    const numbers = Array.from({ length: 20 }, (_, number) => number);
    connection.send(numbers.map((number) => `GET /echo?${number} HTTP/1.1\r\nHost: a\r\n\r\n`).join(""));
    for (const number of numbers) {
      assert.equal(parseEcho(await connection.readAnswer()).query, String(number));
    }
  });
});

test("curl", async (t) => {
  const server = await startFixture(t, "everything", { args: ["-w", "2"], workers: 2 });
  const folder = await temporaryFolder(t);
  const url = `http://127.0.0.1:${server.port}`;
  const curl = ["--silent", "--show-error", "--fail", "--noproxy", "*"];

  for (const size of BODY_SIZES) {
    const body = countingBytes(size);
    const sent = join(folder, `sent-${size}`);
    const received = join(folder, `received-${size}`);
    await writeFile(sent, body);

    // From 1 MiB on, curl asks for 100 Continue before it sends the body.
    await t.test(`sends ${size} bytes under a Content-Length`, async (t) => {
      const { status, stdout, stderr } = await runProgram(t, "curl", [
        ...curl,
        "--data-binary",
        `@${sent}`,
        `${url}/echo`,
      ]);
      assert.equal(status, 0, stderr);
      assert.equal(parseEcho(stdout).body_sha256, sha256(body));
    });

    await t.test(`sends ${size} bytes in chunks`, async (t) => {
      const args = ["-H", "Transfer-Encoding: chunked", "--data-binary", `@${sent}`, `${url}/echo`];
      const { status, stdout, stderr } = await runProgram(t, "curl", [...curl, ...args]);
      assert.equal(status, 0, stderr);
      assert.equal(parseEcho(stdout).body_sha256, sha256(body));
    });

    await t.test(`receives ${size} bytes`, async (t) => {
      const args = [...curl, "--output", received, `${url}/big?n=${size}`];
      const { status, stderr } = await runProgram(t, "curl", args);
      assert.equal(status, 0, stderr);
      const bytes = size === 0 ? Buffer.alloc(0) : await readFile(received);
      assert.equal(sha256(bytes), sha256(body));
    });
  }

  await t.test("reads the head alone of an answer to HEAD", async (t) => {
    const { status, stdout } = await runProgram(t, "curl", [...curl, "--head", `${url}/big?n=65536`]);
    assert.equal(status, 0);
    assert.match(stdout, /^HTTP\/1\.1 200 OK\r$/m);
    assert.match(stdout, /^Content-Length: 65536\r$/im);
  });

  await t.test(`gets ${KEPT_REQUESTS} answers on one connection`, async (t) => {
    const { status, stdout, stderr } = await runProgram(t, "curl", [
      ...curl,
      "--output",
      "/dev/null",
      "--write-out",
      "%{http_code} %{num_connects}\n",
      `${url}/echo?[1-${KEPT_REQUESTS}]`,
    ]);
    assert.equal(status, 0, stderr);
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines.length, KEPT_REQUESTS);
    assert.deepEqual(new Set(lines), new Set(["200 1", "200 0"]));
    assert.equal(lines.filter((line) => line.endsWith(" 1")).length, 1);
  });
});

for (const [name, program] of [
  ["http.client", "stdlib_client.py"],
  ["requests", "requests_client.py"],
] as const) {
  test(name, async (t) => {
    const server = await startFixture(t, "everything", { args: ["-w", "2"], workers: 2 });
    const url = `http://127.0.0.1:${server.port}`;

    await t.test("sends and receives bodies of every size unchanged", async (t) => {
      const args = [join(clients, program), "bodies", url, ...BODY_SIZES.map(String)];
      const rows = parseOutput(await runProgram(t, python, args));
      assert(Array.isArray(rows));
      assert.equal(rows.length, BODY_SIZES.length);
      for (const row of rows as Record<string, unknown>[]) {
        const { size, ...hashes } = row;
        for (const [direction, hash] of Object.entries(hashes)) {
          assert.equal(hash, sha256(countingBytes(Number(size))), `${direction} ${String(size)} bytes`);
        }
      }
    });

    await t.test(`gets ${KEPT_REQUESTS} answers on one connection`, async (t) => {
      const args = [join(clients, program), "keepalive", url, String(KEPT_REQUESTS)];
      const counts = parseOutput(await runProgram(t, python, args));
      assert.deepEqual(counts, { answered: KEPT_REQUESTS, connections: 1 });
    });
  });
}
