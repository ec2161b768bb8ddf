import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { request } from "../helpers/client.ts";
import { fixtureApps, startFixture } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const WORKERS = 2;
const THREADS = 4;

/** As SQLAlchemy's documentation wants it: a child does not use the connections of its parent. */
const SETTINGS = `
def post_fork(server, worker):
    from flask_sqlalchemy_pool import engine

    engine.dispose(close=False)
`;

for (const [way, args] of [
  ["loaded in each worker", []],
  ["preloaded", ["--preload"]],
] as const) {
  test(`Flask with SQLAlchemy's pool, ${way}, gives each thread a connection and has all of them back`, async (t) => {
    const folder = await temporaryFolder(t, { "gunicorn.conf.py": SETTINGS });
    const server = await startFixture(t, "flask_sqlalchemy_pool:app", {
      args: [
        ...["-c", join(folder, "gunicorn.conf.py"), "--pythonpath", fixtureApps],
        ...["-k", "gthread", "--threads", String(THREADS), "-w", String(WORKERS), ...args],
      ],
      env: { DATABASE: join(folder, "books.db"), THREADS: String(THREADS) },
      workers: WORKERS,
    });
    await server.waitForLine(new RegExp(`Ready: ${WORKERS} workers`));

    const met = new Set<number>();
    const meet = async (): Promise<void> => {
      while (met.size < WORKERS) {
        const { status, text } = await request(server.port, "/meet");
        assert.equal(status, 200, server.text);
        met.add((JSON.parse(text) as { pid: number }).pid);
      }
    };
    await Promise.all(Array.from({ length: WORKERS * THREADS }, () => meet()));

    const added = await Promise.all(
      Array.from({ length: 120 }, () => request(server.port, "/books", { method: "POST" })),
    );
    assert.deepEqual(
      added.map(({ status }) => status),
      added.map(() => 201),
      server.text,
    );
    const books = JSON.parse((await request(server.port, "/books")).text) as Record<string, number>;
    const total = Object.values(books).reduce((sum, count) => sum + count, 0);
    assert.equal(total, 120);
    const pools = await Promise.all(Array.from({ length: 20 }, () => request(server.port, "/pool")));
    for (const { text } of pools) assert.equal((JSON.parse(text) as { out: number }).out, 0);
    assert.deepEqual(await server.stop(), { status: 0, signal: null });
    assert.doesNotMatch(server.text, /\[ERROR\]|Traceback/);
  });
}
