import assert from "node:assert/strict";
import { openAsBlob, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { countingBytes, sha256 } from "../helpers/bodies.ts";
import { CLEANUP_DEADLINE_MS, PROGRAM_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { fetchFrom, fetchJson, openResponse, postJson } from "../helpers/fetching.ts";
import { startFixture, type Server } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const MIB = 1024 * 1024;
const UPLOAD_BYTES = 100 * MIB;
/** Below what is sent twice, and above what a process takes for anything else, its garbage included. */
const GROWTH_LIMIT_BYTES = 90 * MIB;

async function notes(server: Server): Promise<readonly string[]> {
  return (await fetchJson(server, "/notes")) as string[];
}

async function untilNoted(server: Server, note: string): Promise<void> {
  await untilTrue(async () => (await notes(server)).includes(note), {
    deadlineMs: CLEANUP_DEADLINE_MS,
    what: () => `the note "${note}"\n${server.text}`,
  });
}

async function publish(server: Server, text: string): Promise<void> {
  const response = await fetchFrom(server, `/publish/${text}`, { method: "POST" });
  assert.equal(await response.json(), 1);
}

/** The most memory that a process has had, without what it maps of files. */
function peakBytes(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}

test("FastAPI", async (t) => {
  // Node's client begins an upload on a connection that it has not yet heard to be closed.
  const args = ["-k", "asgi", "--keep-alive", "60"];
  const server = await startFixture(t, "asgi_frameworks.fastapi_app:app", { args });
  await server.waitForLine(/Ready: 1 worker/);

  await t.test("gets parameters of path and query, and refuses what is none", async () => {
    assert.deepEqual(await fetchJson(server, "/items/7?q=caf%C3%A9%20%26&limit=3"), {
      item_id: 7,
      q: "café &",
      limit: 3,
    });
    assert.deepEqual(await fetchJson(server, "/files/a%2Fb/c.txt"), { path: "a/b/c.txt" });
    assert.equal((await fetchFrom(server, "/items/seven")).status, 422);
    const missing = await fetchFrom(server, "/missing");
    assert.deepEqual([missing.status, missing.headers.get("x-why")], [404, "a test"]);
    assert.equal((await fetchFrom(server, "/items", { method: "DELETE" })).status, 405);
  });

  await t.test("gets bodies as models, and refuses others", async () => {
    const item = { name: "Tee", price: 2.5, tags: ["heiß"] };
    const created = await postJson(server, "/items", item);
    assert.equal(created.status, 201);
    assert.deepEqual(await created.json(), item);
    const refused = await postJson(server, "/items", { name: "Tee", price: -1 });
    assert.equal(refused.status, 422);
    assert.match(await refused.text(), /greater than 0/);
  });

  await t.test("has the state of its lifespan", async () => {
    assert.deepEqual(await fetchJson(server, "/state"), { database: "a connection" });
  });

  await t.test("ends its dependencies, also those of a call that raises", async () => {
    assert.deepEqual(await fetchJson(server, "/session"), { session: "a session" });
    await untilNoted(server, "session closed");
    assert.equal((await fetchFrom(server, "/session/raises")).status, 500);
    await untilNoted(server, "session rolled back");
    await server.waitForLine(/ValueError: no luck with a session/);
    assert.equal((await notes(server)).filter((note) => note === "session closed").length, 2);
  });

  await t.test("answers before its background tasks are done, and lets them run", async () => {
    const accepted = await fetchFrom(server, "/background/mail", { method: "POST" });
    assert.deepEqual(await accepted.json(), { accepted: "mail" });
    await untilNoted(server, "mail began");
    assert(!(await notes(server)).includes("mail done"));
    await fetchFrom(server, "/set/mail", { method: "POST" });
    await untilNoted(server, "mail done");
  });

  await t.test("streams, each piece when it is there", async (t) => {
    const stream = await openResponse(t, server, "/stream");
    for (const piece of ["one", "two", "three"]) {
      await publish(server, piece);
      assert((await stream.readUntil(`${piece}\n`)).endsWith(`${piece}\n`));
    }
    await publish(server, "end");
    assert.equal(await stream.readEnd(), "one\ntwo\nthree\n");
  });

  await t.test("sends events while it runs, and ends when its client leaves", async (t) => {
    const events = await openResponse(t, server, "/events");
    assert.match(events.response.headers.get("content-type") ?? "", /^text\/event-stream/);
    for (const event of ["one", "two"]) {
      await publish(server, event);
      await events.readUntil(`data: ${event}\n\n`);
    }
    const before = (await notes(server)).filter((note) => note === "0 subscribers left").length;
    events.leave();
    await untilTrue(
      async () => (await notes(server)).filter((note) => note === "0 subscribers left").length > before,
      { deadlineMs: CLEANUP_DEADLINE_MS, what: "the end of the events" },
    );
  });

  await t.test("takes an upload of 100 MiB, which neither worker nor router keeps in memory", async (t) => {
    const content = countingBytes(UPLOAD_BYTES);
    const path = join(await temporaryFolder(t), "upload.bin");
    await writeFile(path, content);
    const watched = server
      .processTree()
      .filter(({ pid, command }) => server.bootedPids.includes(pid) || command.includes("router"));
    assert.equal(watched.length, 2, JSON.stringify(server.processTree()));
    const before = watched.map(({ pid }) => peakBytes(pid));

    const form = new FormData();
    form.set("title", "Größe");
    form.set("file", await openAsBlob(path), "upload.bin");
    const signal = AbortSignal.timeout(PROGRAM_DEADLINE_MS);
    const told = await fetchJson(server, "/upload", { method: "POST", body: form, signal });
    const digest = sha256(content);
    assert.deepEqual(told, { title: "Größe", name: "upload.bin", size: UPLOAD_BYTES, sha256: digest });
    const body = await openAsBlob(path);
    const raw = await fetchJson(server, "/raw", { method: "POST", body, signal });
    assert.deepEqual(raw, { size: UPLOAD_BYTES, sha256: digest });

    for (const [index, { pid, command }] of watched.entries()) {
      const growth = peakBytes(pid) - (before[index] ?? 0);
      assert(growth < GROWTH_LIMIT_BYTES, `${command} has grown by ${Math.round(growth / MIB)} MiB`);
    }
  });

  await t.test("ends its background tasks, then its lifespan, before the worker leaves", async () => {
    await fetchFrom(server, "/background/last?seconds=1", { method: "POST" });
    await untilNoted(server, "last began");
    server.signal("SIGTERM");
    assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
    await server.waitForLine(/lifespan ended, notes: .*'last done'\]$/);
    assert.doesNotMatch(server.text, /destroyed|never awaited|was never retrieved|Cancelling/);
  });
});
