import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { filesBelow } from "../architecture/sources.ts";
import { request } from "../helpers/client.ts";
import { withDeadline } from "../helpers/deadlines.ts";
import { runProgram } from "../helpers/program.ts";
import { examples, LOOPBACK, python, repositoryRoot, runCommand, startServer } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder, writeFiles } from "../helpers/temporary-folder.ts";
import { useCommand } from "./command.ts";

/** For npm to pack, and to get the dependencies from its registry or its cache. */
const NPM_DEADLINE_MS = 300_000;

/** Variables of an npm that runs these tests; they would lead the one that is run here back to the repository. */
const OUTER_NPM =
  /^npm_(package|lifecycle|command|node|config_(local|global)_prefix)|^(INIT_CWD|NODE_OPTIONS)$/;

/** Runs npm to its end and gives its standard output. */
async function npm(t: TestContext, cwd: string, ...args: readonly string[]): Promise<string> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OUTER_NPM.test(name)));
  const child = spawn("npm", args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  onTeardown(t, () => void child.kill("SIGKILL"));
  const pieces = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (pieces.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (pieces.stderr += text));
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const status = await withDeadline(closed, {
    deadlineMs: NPM_DEADLINE_MS,
    what: () => `end of npm ${args.join(" ")}\n${pieces.stdout}${pieces.stderr}`,
  });
  assert.equal(status, 0, `npm ${args.join(" ")}\n${pieces.stdout}${pieces.stderr}`);
  return pieces.stdout;
}

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

/** Packs what is built; the build itself is left as it is, because other tests run it at the same time. */
async function pack(t: TestContext, ...how: readonly string[]): Promise<Packed> {
  const output = await npm(t, repositoryRoot, "pack", "--ignore-scripts", "--json", ...how);
  const [packed] = JSON.parse(output) as readonly Packed[];
  assert.ok(packed !== undefined);
  return packed;
}

let listed: Promise<Packed> | undefined;

/** What a package would hold. npm is asked once. */
async function listPacked(t: TestContext): Promise<Packed["files"]> {
  listed ??= pack(t, "--dry-run");
  return (await listed).files;
}

test("The package holds the program, what it runs, and nothing else", async (t) => {
  const files = await listPacked(t);
  const paths = files.map(({ path }) => path);
  const outside = paths.filter((path) => !/^(bin|dist|python\/tunicorn)\//.test(path));
  const known = new Set(["LICENSE", "README.md", "package.json"]);
  assert.deepEqual(
    outside.filter((path) => !known.has(path)),
    [],
  );
  assert.ok(paths.includes("bin/tunicorn.js") && paths.includes("bin/require-node.js"));
  assert.deepEqual(
    paths.filter((path) =>
      /(^|\/)(tests?|bench|__pycache__|node_modules)\/|\.(pyc|tgz|tsbuildinfo)$|\.test\.|\.cjs\.compiled/.test(
        path,
      ),
    ),
    [],
  );
});

const BUNDLES = ["command-program", "command", "router-program", "router"].map(
  (name) => `dist/bundle/${name}.cjs`,
);

test("The package holds every module in its built form, and none whose source is gone", async (t) => {
  const files = await listPacked(t);
  const built = files.map(({ path }) => path).filter((path) => /^dist\/.*\.js$/.test(path));
  const sources = filesBelow("src", ".ts").map((path) =>
    path.replace(/^src/, "dist").replace(/\.ts$/, ".js"),
  );
  assert.deepEqual(built.toSorted(), sources.toSorted(), "Remove dist and build anew: npm run build");
  const bundles = files.map(({ path }) => path).filter((path) => path.endsWith(".cjs"));
  assert.deepEqual(bundles.toSorted(), BUNDLES);
  const modules = files.map(({ path }) => path).filter((path) => path.endsWith(".py"));
  assert.deepEqual(modules.toSorted(), filesBelow("python/tunicorn", ".py"));
});

test("The package can be executed by everybody who may read it", async (t) => {
  const files = await listPacked(t);
  const modeOf = (path: string): number => files.find((file) => file.path === path)?.mode ?? 0;
  assert.equal(modeOf("bin/tunicorn.js") & 0o555, 0o555);
  assert.match(readFileSync(join(repositoryRoot, "bin/tunicorn.js"), "utf8"), /^#!\/usr\/bin\/env node\n/);
});

test("The command of a checkout that is not built says so in a line, without a stack", async (t) => {
  const folder = await temporaryFolder(t, { "bin/package.json": "{}" });
  for (const name of ["tunicorn.js", "require-node.js"])
    copyFileSync(join(repositoryRoot, "bin", name), join(folder, "bin", name));
  const { status, stderr } = await runProgram(t, process.execPath, [join(folder, "bin/tunicorn.js")]);
  assert.equal(status, 1);
  assert.equal(
    stderr,
    `tunicorn: There is no ${folder}/dist/bundle/command.cjs: it is not built\n  In a checkout, run npm ci\n`,
  );
});

const APPLICATION = `
import sys

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [sys.modules["tunicorn"].__file__.encode()]
`;

test("The package, installed where nothing else is, serves an application", async (t) => {
  const folder = await temporaryFolder(t, { "app.py": APPLICATION, "reload.conf.py": "" });
  const { filename } = await pack(t, "--pack-destination", folder);
  await npm(
    t,
    folder,
    "install",
    "--omit=dev",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    `./${filename}`,
  );
  const installed = join(folder, "node_modules/tunicorn");
  for (const name of ["typescript", "tsx", "oxlint"]) {
    assert.ok(!existsSync(join(folder, "node_modules", name)), `${name} was installed too`);
  }

  useCommand(t, [join(folder, "node_modules/.bin/tunicorn"), "--python", python]);
  const { stdout } = await runCommand(t, { args: ["--version"], cwd: folder });
  const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as { version: string };
  assert.equal(stdout, `tunicorn (version ${manifest.version})`);

  const server = await startServer(t, { args: [...LOOPBACK, "app:app"], cwd: folder });
  const answer = await request(server.port, "/");
  assert.equal(answer.status, 200);
  assert.equal(answer.text, join(installed, "python/tunicorn/__init__.py"));
  const { status } = await server.stop();
  assert.equal(status, 0);

  await t.test("and is what a TypeScript program imports, with its types", async (t) => {
    await writeFiles(folder, {
      "package.json": JSON.stringify({ type: "module" }),
      "tsconfig.json": JSON.stringify({ compilerOptions: STRICT, include: ["*.ts"] }),
      "use.ts": USE,
      "misuse.ts": MISUSE,
    });
    copyFileSync(join(examples, "typescript/serve.ts"), join(folder, "serve.ts"));
    const compiler = join(repositoryRoot, "node_modules/typescript/bin/tsc");
    const compiled = await runProgram(t, process.execPath, [compiler, "-p", "."], { cwd: folder });
    // The misuse alone is told, each of its lines.
    const told = [...compiled.stdout.matchAll(/^(\S+)\((\d+),/gm)].map(([, file, line]) => `${file}:${line}`);
    assert.deepEqual(told, ["misuse.ts:2", "misuse.ts:3", "misuse.ts:4"], compiled.stdout);

    const used = await runProgram(t, process.execPath, ["use.js"], {
      cwd: folder,
      env: { ...process.env, VIRTUAL_ENV: join(repositoryRoot, ".venv") },
    });
    assert.equal(used.status, 0, used.stderr);
    assert.deepEqual(JSON.parse(used.stdout), {
      failures: [
        ["ERR_WORKER_BOOT", true],
        ["ERR_SETTING_VALUE", true],
        ["ERR_NO_APPLICATION", true],
        ["ERR_SETTING_VALUE", true],
      ],
      unknown: "ERR_USAGE",
      text: join(installed, "python/tunicorn/__init__.py"),
      second: "ERR_ALREADY_RUNNING",
      reload: "done",
      brokenReload: "ERR_RELOAD",
      signals: [0, 0],
    });
  });

  await t.test("and runs the example, which signals stop", async (t) => {
    useCommand(t, [process.execPath, "serve.js"]);
    const env = { VIRTUAL_ENV: join(repositoryRoot, ".venv"), GUNICORN_CMD_ARGS: "--workers nonsense" };
    const hello = join(examples, "hello");
    await writeFiles(folder, {
      "serve.js": readFileSync(join(folder, "serve.js"), "utf8")
        .replace("../hello", hello)
        .replace(":8000", ":0"),
    });
    const program = await startServer(t, { args: [], cwd: folder, env, workers: 2 });
    await program.waitForLine(new RegExp(`^Serving at http://127\\.0\\.0\\.1:${program.port}$`));
    assert.match((await request(program.port, "/")).text, /served by tunicorn/);
    assert.equal((await program.stop()).status, 0);
    assert.equal(program.lines.at(-1), "Served");
  });
});

/** A project without Node's types: ours must not need them. */
const STRICT = {
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  module: "NodeNext",
  target: "ES2023",
  lib: ["ES2023", "DOM"],
  types: [],
};

const MISUSE = `import { run } from "tunicorn";
void run({ settings: { workers: "two" } });
void run({ settings: { wrokers: 2 } });
void run({ aplication: "app:app" });
`;

const USE = `
import { run, TunicornError, version, type RunningServer, type RunOptions } from "tunicorn";

async function codeOf(action: Promise<unknown>): Promise<string> {
  return await action.then(() => "done", (error: unknown) => error instanceof TunicornError ? error.code : String(error));
}

declare const process: { listenerCount(name: string): number };
const quiet = { bind: "127.0.0.1:0", errorlog: "error.log", config: "reload.conf.py" } as const;
const broken: RunOptions[] = [
  { application: "none:app" }, { application: "app:app", settings: { bind: "127.0.0.1:none" } }, {},
  { application: "app:app", settings: { daemon: true } },
];
const failures = [];
for (const options of broken) {
  failures.push([await codeOf(run({ ...options, settings: { bind: "127.0.0.1:0", ...options.settings } })), version !== ""]);
}
const unknown = await codeOf(run({ application: "app:app", settings: JSON.parse('{"wrokers": 1}') }));
const server: RunningServer = await run({ application: "app:app", settings: { bind: "127.0.0.1:0", errorlog: "error.log" }, signals: false });
const [address = ""] = server.addresses;
const text = await (await fetch(address)).text();
const second = await codeOf(run({ application: "app:app" }));
const reload = await codeOf(server.reload());
const signals = [process.listenerCount("SIGTERM")];
await server.stop();
await server.stopped;
const again = await run({ application: "app:app", settings: quiet });
const { writeFileSync } = await import("node:" + "fs");
writeFileSync("reload.conf.py", "workers = = 1\\n");
const brokenReload = await codeOf(again.reload());
await again.stop();
signals.push(process.listenerCount("SIGTERM"));
console.log(JSON.stringify({ failures, unknown, text, second, reload, brokenReload, signals }));
`;
