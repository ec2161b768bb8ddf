import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { countingBytes, sha256 } from "../helpers/bodies.ts";
import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { fetchFrom, fetchJson, openResponse } from "../helpers/fetching.ts";
import { startFixture, type Server } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** Node's client may ask on a connection that it has not yet heard to be closed: none is closed for idling. */
const ARGS = ["-k", "asgi", "--keep-alive", "60"];
const MIB = 1024 * 1024;
const content = countingBytes(3 * MIB);

/** A form with a file, as a browser sends it. */
function form(title: string): FormData {
  const data = new FormData();
  data.set("title", title);
  data.set("file", new Blob([content]), "upload.bin");
  return data;
}

async function publish(server: Server, text: string, method: string): Promise<void> {
  assert.equal((await fetchFrom(server, `/publish/${text}`, { method })).status, 200);
}

test("Starlette", async (t) => {
  const folder = await temporaryFolder(t, { "index.html": "<h1>Index</h1>", "style.css": "a{}" });
  await writeFile(join(folder, "large.bin"), content);
  const env = { STATIC_FOLDER: folder };
  const server = await startFixture(t, "asgi_frameworks.starlette_app:app", { args: ARGS, env });
  const plain = { headers: { "Accept-Encoding": "identity" } };

  await t.test("has its files sent by the router, if sendfile is True", async (t) => {
    const sender = await startFixture(t, "asgi_frameworks.starlette_app:app", {
      args: ARGS,
      env: { ...env, SENDFILE: "true" },
    });
    const file = await fetchFrom(sender, "/file", plain);
    assert.match(file.headers.get("content-disposition") ?? "", /a%20name\.bin/);
    assert.equal(file.headers.get("content-length"), String(content.length));
    assert.equal(sha256(Buffer.from(await file.arrayBuffer())), sha256(content));
    const sent = await fetchJson(sender, "/sent");
    assert.deepEqual(sent, ["http.response.start", "http.response.pathsend"]);
  });

  await t.test("sends parts of files, and nothing of what its client has", async () => {
    const part = await fetchFrom(server, "/file", { headers: { ...plain.headers, Range: "bytes=100-299" } });
    assert.deepEqual(
      [part.status, part.headers.get("content-range")],
      [206, `bytes 100-299/${content.length}`],
    );
    assert(Buffer.from(await part.arrayBuffer()).equals(content.subarray(100, 300)));
    const style = await fetchFrom(server, "/static/style.css", plain);
    assert.equal(await style.text(), "a{}");
    const etag = style.headers.get("etag") ?? "";
    const again = await fetchFrom(server, "/static/style.css", { headers: { "If-None-Match": etag } });
    assert.equal(again.status, 304);
    assert.equal(await (await fetchFrom(server, "/static/")).text(), "<h1>Index</h1>");
    assert.equal((await fetchFrom(server, "/static/missing.css")).status, 404);
    const head = await fetchFrom(server, "/file", { method: "HEAD", ...plain });
    assert.equal(head.headers.get("content-length"), String(content.length));
  });

  await t.test("compresses what clients take compressed", async () => {
    const compressed = await fetchFrom(server, "/text");
    assert.equal(compressed.headers.get("content-encoding"), "gzip");
    assert.equal(await compressed.text(), "compress me ".repeat(1000));
    const file = await fetchFrom(server, "/static/large.bin");
    assert.equal(file.headers.get("content-encoding"), "gzip");
    assert.equal(sha256(Buffer.from(await file.arrayBuffer())), sha256(content));
    const whole = await fetchFrom(server, "/text", plain);
    assert.equal(whole.headers.get("content-encoding"), null);
    assert.equal(await whole.text(), "compress me ".repeat(1000));
  });

  await t.test("keeps sessions in cookies", async () => {
    const first = await fetchFrom(server, "/count");
    const [cookie = ""] = (first.headers.get("set-cookie") ?? "").split(";");
    assert.deepEqual(await fetchJson(server, "/count", { headers: { Cookie: cookie } }), { count: 2 });
  });
});

test("Quart", async (t) => {
  const server = await startFixture(t, "asgi_frameworks.quart_app:app", { args: ARGS });

  await t.test("gets its parameters, forms, files and bodies", async () => {
    const hello = await fetchJson(server, "/hello/%C3%84nne?q=1&q=2");
    assert.deepEqual(hello, { name: "Änne", q: ["1", "2"], database: "a connection" });
    const told = { size: content.length, sha256: sha256(content) };
    const posted = await fetchJson(server, "/form", { method: "POST", body: form("Größe") });
    assert.deepEqual(posted, { title: "Größe", ...told });
    assert.deepEqual(await fetchJson(server, "/raw", { method: "POST", body: content }), told);
  });

  await t.test("keeps sessions, and answers what it cannot serve", async () => {
    const first = await fetchFrom(server, "/count");
    const [cookie = ""] = (first.headers.get("set-cookie") ?? "").split(";");
    assert.deepEqual(await fetchJson(server, "/count", { headers: { Cookie: cookie } }), { count: 2 });
    assert.equal((await fetchFrom(server, "/nothing")).status, 404);
    assert.equal((await fetchFrom(server, "/raises")).status, 500);
    await server.waitForLine(/ValueError: as asked/);
  });

  await t.test("streams, each piece when it is there", async (t) => {
    await publish(server, "one", "POST");
    const stream = await openResponse(t, server, "/stream");
    await stream.readUntil("one\n");
    await publish(server, "two", "POST");
    await stream.readUntil("two\n");
    await publish(server, "end", "POST");
    assert.equal(await stream.readEnd(), "one\ntwo\n");
  });

  await t.test("ends its background tasks when the worker leaves", async () => {
    assert.equal((await fetchFrom(server, "/background", { method: "POST" })).status, 200);
    assert.deepEqual(await server.stop(), { status: 0, signal: null });
    await server.waitForLine(/after_serving, notes: \['worked'\]/);
    assert.doesNotMatch(server.text, /destroyed|never awaited|was never retrieved/);
  });
});

test("Django under ASGI", async (t) => {
  const server = await startFixture(t, "asgi_frameworks.django_app", { args: ARGS });

  await t.test("serves asynchronous views and synchronous ones", async () => {
    const told = await fetchJson(server, "/async/caf%C3%A9?q=1&q=%26");
    assert.deepEqual(told, { name: "café", q: ["1", "&"], path: "/async/café" });
    const [first, second] = await Promise.all(
      ["a", "b"].map((body) => fetchJson(server, "/sync", { method: "POST", body })),
    );
    assert.notEqual((first as { thread: string }).thread, "MainThread");
    assert.deepEqual([first, second].map((each) => (each as { body: string }).body).toSorted(), ["a", "b"]);
  });

  await t.test("takes uploads, and answers 500 when a view raises", async () => {
    const told = await fetchJson(server, "/upload", { method: "POST", body: form("Größe") });
    assert.deepEqual(told, { title: "Größe", size: content.length, sha256: sha256(content) });
    assert.equal((await fetchFrom(server, "/raises")).status, 500);
  });

  await t.test("streams, each piece when it is there", async (t) => {
    await publish(server, "one", "GET");
    const stream = await openResponse(t, server, "/stream");
    await stream.readUntil("one\n");
    await publish(server, "two", "GET");
    await stream.readUntil("two\n");
    await publish(server, "end", "GET");
    assert.equal(await stream.readEnd(), "one\ntwo\n");
  });

  await t.test("cancels the view of a client that leaves", async () => {
    const leaving = new AbortController();
    const answer = fetchFrom(server, "/wait", { signal: leaving.signal });
    const untilNoted = (note: string): Promise<void> =>
      untilTrue(async () => ((await fetchJson(server, "/notes")) as string[]).includes(note), {
        deadlineMs: CLEANUP_DEADLINE_MS,
        what: () => `the note "${note}"\n${server.text}`,
      });
    await untilNoted("waiting");
    leaving.abort();
    await assert.rejects(answer);
    await untilNoted("cancelled");
    assert.doesNotMatch(server.text, /Error handling request GET \/wait/);
  });
});

for (const name of ["Application", "instance"]) {
  test(`an application of ASGI 2 is served as it is: ${name}`, async (t) => {
    const server = await startFixture(t, `asgi_frameworks.asgi2:${name}`, { args: ["-k", "asgi"] });
    const told = await fetchJson(server, "/", { method: "POST", body: "hello" });
    assert.deepEqual(told, { asgi: "2.0", state: { opened: true }, body: "hello" });
    await server.stop();
    await server.waitForLine(/lifespan ended/);
  });
}

for (const [adapter, application, args] of [
  ["a2wsgi", "flask_by_a2wsgi", ["-k", "asgi"]],
  ["asgiref", "flask_by_asgiref", ["-k", "asgi"]],
] as const) {
  test(`a WSGI application is served by the asgi worker through ${adapter}`, async (t) => {
    const server = await startFixture(t, `asgi_frameworks.adapted:${application}`, { args });
    const told = await fetchJson(server, "/echo/caf%C3%A9?q=%26", { method: "POST", body: "hello" });
    assert.deepEqual(told, { name: "café", q: "&", body: "hello" });
    const pieces = Array.from({ length: 100 }, (_, number) => `piece ${number}\n`).join("");
    assert.equal(await (await fetchFrom(server, "/pieces")).text(), pieces);
  });
}

test("an ASGI application is served by threads through a2wsgi", async (t) => {
  const args = ["-k", "gthread", "--threads", "2"];
  const server = await startFixture(t, "asgi_frameworks.adapted:fastapi_by_a2wsgi", { args });
  assert.deepEqual(await fetchJson(server, "/items/7"), { item_id: 7 });
  assert.equal((await fetchFrom(server, "/items/seven")).status, 422);
});
