import assert from "node:assert/strict";
import { existsSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { ClientConnection, request } from "../helpers/client.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { LOOPBACK, runCommand, type Server, startServer } from "../helpers/server.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";

const SHOP = `
import views

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [views.TEXT.encode()]
`;

const CONFIG = "import os\nreload_extra_files = ['templates/**/*.html']\nraw_env = ['COLOUR=red']\n";

interface Shop {
  readonly folder: string;
  readonly server: Server;
  /** Writes files and awaits that the next generation serves, because the named one has changed. */
  readonly change: (files: Readonly<Record<string, string>>, reason: string) => Promise<void>;
}

/** Changes a file in one step. One that is emptied first and written then has changed twice, and may be loaded twice. */
async function save(t: TestContext, path: string, text: string): Promise<void> {
  if (!existsSync(path)) {
    renameSync(join(await temporaryFolder(t, { draft: text }), "draft"), path);
    return;
  }
  const file = await open(path, "r+");
  await file.write(text.padEnd((await file.stat()).size, "\n"), 0);
  await file.close();
}

async function startShop(
  t: TestContext,
  { args = [], files = {} }: { args?: readonly string[]; files?: Readonly<Record<string, string>> } = {},
): Promise<Shop> {
  const folder = await temporaryFolder(t, { "shop.py": SHOP, "views.py": 'TEXT = "one"\n', ...files });
  const server = await startServer(t, { cwd: folder, args: [...LOOPBACK, ...args, "shop:app"] });
  await server.waitForLine(/Reloader is on/);
  const change: Shop["change"] = async (changed, reason) => {
    const from = server.lines.length;
    for (const [name, text] of Object.entries(changed)) await save(t, join(folder, name), text);
    await server.waitForLine(/INFO\] Reloaded: /, { from });
    const told = server.lines.slice(from).find((line) => line.includes("Reloading: "));
    assert.ok(told?.endsWith(` Reloading: ${join(folder, reason)} was modified`), `${told}\n${server.text}`);
  };
  return { folder, server, change };
}

for (const engine of ["inotify", "poll"]) {
  test(`--reload-engine ${engine} takes over code that has changed, and says which file it was`, async (t) => {
    const { server, change } = await startShop(t, { args: ["--reload", "--reload-engine", engine] });
    assert.equal((await request(server.port, "/")).text, "one");
    await change({ "views.py": 'TEXT = "two"\n' }, "views.py");
    assert.equal((await request(server.port, "/")).text, "two");
    await change({ "shop.py": SHOP.replace("200 OK", "203 OK") }, "shop.py");
    assert.equal((await request(server.port, "/")).status, 203);
    assert.doesNotMatch(server.text, /polled/);
  });
}

test("--reload shows in the browser why the application cannot be loaded, until it can", async (t) => {
  // Between two requests lies a reload, which may take long on a loaded machine.
  const { folder, server, change } = await startShop(t, { args: ["--reload", "--keep-alive", "60"] });
  const connection = await ClientConnection.open(t, server.port);

  for (const [broken, says] of [
    ['TEXT = = "two"\n', /views\.py&quot;, line 1\n.*\n.*\nSyntaxError: invalid syntax/],
    ["import prices\n", /ModuleNotFoundError: No module named &#x27;prices&#x27;/],
    ['raise RuntimeError("<no database>")\n', /RuntimeError: &lt;no database&gt;/],
    ["import sys; sys.exit(1)\n", /SystemExit: 1/],
    ["", /./],
  ] as const) {
    await change({ "views.py": broken }, "views.py");
    const answer = await connection.request("/");
    assert.equal(answer.status, 500);
    if (broken === "") break;
    assert.equal(answer.headers.get("content-type"), "text/html; charset=utf-8");
    assert.match(answer.text, says);
    assert.match(server.text, /ERROR\] Cannot load application "shop:app"/);
  }
  await change({ "views.py": 'TEXT = "mended"\n' }, "views.py");
  assert.equal((await connection.request("/")).text, "mended");

  await t.test("and hears of a missing module that comes", async () => {
    await change({ "views.py": "from prices import TEXT\n" }, "views.py");
    await change({ "prices.py": 'TEXT = "priced"\n' }, ".");
    assert.equal((await connection.request("/")).text, "priced");
  });

  await t.test("and goes on with what it has when the configuration file is broken", async () => {
    await change({ "views.py": 'TEXT = "kept"\n' }, "views.py");
    const from = server.lines.length;
    await writeFiles(folder, { "gunicorn.conf.py": "workers = = 2\n" });
    server.signal("SIGHUP");
    await server.waitForLine(/The reload failed/, { from });
    assert.equal((await connection.request("/")).text, "kept");
    rmSync(join(folder, "gunicorn.conf.py"));
    await change({ "views.py": 'TEXT = "again"\n' }, "views.py");
    assert.equal((await connection.request("/")).text, "again");
  });
});

test("--reload starts with an application that cannot be loaded, preloaded or not", async (t) => {
  const args = ["--reload", "--preload", "-w", "2"];
  const { server, change } = await startShop(t, { args, files: { "shop.py": "app = = 1\n" } });
  const answer = await request(server.port, "/");
  assert.deepEqual([answer.status, /SyntaxError/.test(answer.text)], [500, true]);
  await change({ "shop.py": SHOP }, "shop.py");
  assert.equal((await request(server.port, "/")).text, "one");
});

test("reload, its further files and its other settings may stand in the configuration file", async (t) => {
  const files = { "gunicorn.conf.py": `${CONFIG}reload = True\n`, "templates/old/a.html": "" };
  const { folder, server, change } = await startShop(t, { files });

  await change({ "templates/old/a.html": "changed" }, "templates/old/a.html");

  await t.test("which is watched itself, and can switch it off and on", async () => {
    const views = 'import os\nTEXT = os.environ["COLOUR"]\n';
    await change({ "views.py": views }, "views.py");
    assert.equal((await request(server.port, "/")).text, "red");
    await change({ "gunicorn.conf.py": CONFIG.replace("red", "blue") }, "gunicorn.conf.py");
    assert.equal((await request(server.port, "/")).text, "blue");
    await writeFiles(folder, { "views.py": 'TEXT = "two"\n' });
    server.signal("SIGHUP");
    const reloads = server.lines.filter((line) => line.includes("Reloading: ")).length;
    await untilTrue(async () => (await request(server.port, "/")).text === "two", {
      deadlineMs: LOG_DEADLINE_MS,
      what: "the code as it is now",
    });
    assert.equal(server.lines.filter((line) => line.includes("Reloading: ")).length, reloads);
    await writeFiles(folder, { "gunicorn.conf.py": `${CONFIG}reload = True\n` });
    server.signal("SIGHUP");
    await server.waitForLine(/Reloader is on/, { count: 2 });
  });

  await t.test("and files that a pattern matches later are watched as well", async () => {
    const from = server.lines.length;
    await writeFiles(folder, { "templates/new/b.html": "" });
    let count = 0;
    // When the file is known is not told, so it is changed until it is.
    await untilTrue(
      async () => {
        count += 1;
        await writeFiles(folder, { "templates/new/b.html": "x".repeat(count) });
        return server.lines.slice(from).some((line) => /Reloading: .*b\.html was modified/.test(line));
      },
      { deadlineMs: LOG_DEADLINE_MS, what: "reload because of the new file" },
    );
    await server.waitForLine(/INFO\] Reloaded: /, { from });
  });
});

test("--reload-extra-file refuses a file that is not there, unless it is a pattern", async (t) => {
  const cwd = await temporaryFolder(t, { "shop.py": SHOP, "views.py": 'TEXT = "one"\n' });
  const check = (file: string) =>
    runCommand(t, { cwd, args: ["--check-config", "--reload-extra-file", file, "shop:app"] });
  const { status, stderr } = await check("none.html");
  assert.equal(status, 1);
  assert.match(stderr, /reload_extra_files .*none\.html/);
  assert.equal((await check("templates/*.html")).status, 0);
});

test("--spew writes the lines that the workers execute", async (t) => {
  const cwd = await temporaryFolder(t, { "shop.py": SHOP, "views.py": 'TEXT = "one"\n' });
  const server = await startServer(t, { cwd, args: [...LOOPBACK, "--spew", "shop:app"] });
  assert.equal((await request(server.port, "/")).text, "one");
  await server.waitForLine(/^shop:6: {5}return \[views\.TEXT\.encode\(\)\]$/);
  assert.ok(server.linesOf("stdout").some((line) => line === 'views:1: TEXT = "one"'));
});
