import assert from "node:assert/strict";
import { symlinkSync, unlinkSync } from "node:fs";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { isAlive } from "../helpers/processes.ts";
import { fixtureApps, LOOPBACK, type Server, startFixture, startServer } from "../helpers/server.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

interface VersionedAnswer {
  readonly version: string;
  readonly colour: string;
  readonly pid: number;
}

async function askVersion(server: Server): Promise<VersionedAnswer> {
  const answer = await request(server.port, "/");
  assert.equal(answer.status, 200, answer.text);
  const [version = "", colour = "", pid] = answer.text.split(" ");
  return { version, colour, pid: Number(pid) };
}

/** A copy of the fixture `versions` whose modules and settings the test may rewrite. */
async function startVersioned(t: TestContext, settings: string, args: readonly string[] = []) {
  const folder = await temporaryFolder(t, { "gunicorn.conf.py": settings });
  await cp(join(fixtureApps, "versions"), folder, { recursive: true });
  const server = await startServer(t, { cwd: folder, args: [...LOOPBACK, ...args, "versioned"] });
  return { folder, server };
}

/** Awaits the reload by what clients see of it, since that is the promise. */
async function untilAnswered(server: Server, isNew: (answer: VersionedAnswer) => boolean): Promise<void> {
  let last: VersionedAnswer | undefined;
  await untilTrue(
    async () => {
      last = await askVersion(server);
      return isNew(last);
    },
    {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: () => `a new answer, last ${JSON.stringify(last)}\n${server.text}`,
    },
  );
}

/** Asks `count` times, on one connection for as long as the server keeps it open, or each time on a new one. */
async function askRepeatedly(
  server: Server,
  { keepAlive, count, answered }: { keepAlive: boolean; count: number; answered: () => void },
): Promise<void> {
  let connection: ClientConnection | undefined;
  for (let number = 0; number < count; number += 1) {
    if (keepAlive) {
      connection ??= await ClientConnection.connect(server.port);
      const answer = await connection.request("/?s=0.03");
      assert.equal(answer.status, 200);
      if (answer.headers.get("connection") === "close") {
        connection.destroy();
        connection = undefined;
      }
    } else {
      assert.equal((await request(server.port, "/?s=0.03")).status, 200);
    }
    answered();
  }
  connection?.destroy();
}

for (const preload of [[], ["--preload"]]) {
  const name = ["200 requests under way and arriving survive five HUPs", ...preload].join(" with ");
  test(name, async (t) => {
    const { server } = await startVersioned(t, "", ["-w", "2", ...preload]);
    const firstPids = new Set(server.bootedPids);
    const reloadAt = new Set([20, 50, 80, 81, 150]);
    let answers = 0;
    const answered = (): void => {
      answers += 1;
      if (reloadAt.has(answers)) {
        server.signal("SIGHUP");
      }
    };

    const askers = [true, true, false, false];
    await Promise.all(askers.map((keepAlive) => askRepeatedly(server, { keepAlive, count: 50, answered })));

    assert.equal(answers, 200);
    await untilAnswered(server, ({ pid }) => !firstPids.has(pid));
    await untilTrue(() => [...firstPids].every((pid) => !isAlive(pid)), {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: "end of the first workers",
    });
  });
}

test("HUP brings changed code into effect", async (t) => {
  const { folder, server } = await startVersioned(t, "");
  assert.equal((await askVersion(server)).version, "one");

  await writeFiles(folder, { "version.py": 'VERSION = "two"\n' });
  server.signal("SIGHUP");

  await untilAnswered(server, ({ version }) => version === "two");
});

test("HUP brings changed code into effect when the application is preloaded", async (t) => {
  const { folder, server } = await startVersioned(t, "preload_app = True\n");
  assert.equal((await askVersion(server)).version, "one");

  await writeFiles(folder, { "version.py": 'VERSION = "two"\n' });
  server.signal("SIGHUP");

  await untilAnswered(server, ({ version }) => version === "two");
});

test("HUP brings a changed settings file into effect", async (t) => {
  const settings = (colour: string, workers: number): string =>
    `raw_env = ["COLOUR=${colour}"]\nworkers = ${workers}\n`;
  const { folder, server } = await startVersioned(t, settings("red", 1));
  assert.equal((await askVersion(server)).colour, "red");
  const before = server.lines.length;

  await writeFiles(folder, { "gunicorn.conf.py": settings("blue", 3) });
  server.signal("SIGHUP");

  await server.waitForLine(/Booting worker/, { from: before, count: 3 });
  await untilAnswered(server, ({ colour }) => colour === "blue");
});

for (const preload of [[], ["--preload"]]) {
  const name = ["HUP with broken code keeps the old code serving and says why", ...preload].join(" with ");
  test(name, (t) => keepsServing(t, preload));
}

async function keepsServing(t: TestContext, preload: readonly string[]): Promise<void> {
  const { folder, server } = await startVersioned(t, "", preload);
  const old = await askVersion(server);

  await writeFiles(folder, { "version.py": "VERSION = not python at all\n" });
  server.signal("SIGHUP");

  await server.waitForLine(/SyntaxError/);
  assert.deepEqual(await askVersion(server), old);
  assert(isAlive(server.pid));

  await t.test("and the next HUP with mended code takes effect", async () => {
    await writeFiles(folder, { "version.py": 'VERSION = "mended"\n' });
    server.signal("SIGHUP");
    await untilAnswered(server, ({ version }) => version === "mended");
  });
}

test("HUP with a broken settings file keeps the old settings serving and says why", async (t) => {
  const { folder, server } = await startVersioned(t, 'raw_env = ["COLOUR=red"]\n');
  const old = await askVersion(server);

  await writeFile(join(folder, "gunicorn.conf.py"), "raise ValueError('no such colour')\n");
  server.signal("SIGHUP");

  await server.waitForLine(/no such colour/);
  assert.deepEqual(await askVersion(server), old);
  assert(isAlive(server.pid));

  await t.test("and the next HUP with a mended file takes effect", async () => {
    await writeFile(join(folder, "gunicorn.conf.py"), 'raw_env = ["COLOUR=green"]\n');
    server.signal("SIGHUP");
    await untilAnswered(server, ({ colour }) => colour === "green");
  });
});

test("a kept-alive connection survives HUP and reaches the new workers", async (t) => {
  const server = await startFixture(t, "pid", { args: ["--keep-alive", "60"] });
  const [firstPid] = server.bootedPids;
  assert(firstPid !== undefined);
  const connection = await ClientConnection.open(t, server.port);
  assert.equal((await connection.request("/")).text, String(firstPid));

  server.signal("SIGHUP");
  await untilTrue(() => !isAlive(firstPid), {
    deadlineMs: CLEANUP_DEADLINE_MS,
    what: () => `end of the first worker:\n${server.text}`,
  });

  assert(connection.isOpen);
  assert.equal((await connection.request("/")).text, String(server.bootedPids.at(-1)));
});

test("a request under way when HUP comes is finished by its worker", async (t) => {
  const server = await startFixture(t, "slow");
  const answer = request(server.port, "/?s=1.5");
  await server.waitForLine(/slow began/);

  server.signal("SIGHUP");

  const [firstPid] = server.bootedPids;
  assert.equal((await answer).text, String(firstPid));
  await untilTrue(async () => (await request(server.port, "/?s=0")).text !== String(firstPid), {
    deadlineMs: CLEANUP_DEADLINE_MS,
    what: () => `answer of a new worker:\n${server.text}`,
  });
});

test("HUP finds the release that a link leads to by now, when it was started by the name of the link", async (t) => {
  const folder = await temporaryFolder(t);
  const link = join(folder, "current");
  for (const release of ["one", "two"]) {
    await cp(join(fixtureApps, "versions"), join(folder, release), { recursive: true });
    await writeFiles(join(folder, release), { "version.py": `VERSION = "${release}"\n` });
  }
  symlinkSync("one", link);
  const server = await startServer(t, { cwd: link, env: { PWD: link }, args: [...LOOPBACK, "versioned"] });
  assert.equal((await askVersion(server)).version, "one");

  unlinkSync(link);
  symlinkSync("two", link);
  server.signal("SIGHUP");

  await untilAnswered(server, ({ version }) => version === "two");
});
