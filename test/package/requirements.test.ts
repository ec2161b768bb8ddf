import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { Script } from "node:vm";

import { fixtureApps, repositoryRoot, runCommand } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { useCommand } from "./command.ts";

const program = join(repositoryRoot, "bin/tunicorn.js");

/** A module that Node runs before the program, and that makes it say another version of itself. */
function versionModule(version: string): string {
  const text = `globalThis.process = Object.create(process, { versions: { value: { ...process.versions, node: "${version}" } } });`;
  return `data:text/javascript,${encodeURIComponent(text)}`;
}

for (const version of ["12.22.12", "14.21.3", "18.20.8", "20.18.3"]) {
  test(`tunicorn says on Node ${version} in one line that it needs a newer one`, async (t) => {
    useCommand(t, [process.execPath, "--import", versionModule(version), program]);
    const { status, stdout, stderr } = await runCommand(t, { args: ["--version"], cwd: fixtureApps });
    assert.equal(stdout, "");
    assert.match(
      stderr,
      new RegExp(`^tunicorn needs Node 20\\.19 or newer, but this is Node ${version}\\.[^\\n]*$`),
    );
    assert.equal(status, 1);
  });
}

for (const version of ["20.19.0", "20.100.0", "21.0.0", "24.2.1", "100.0.0"]) {
  test(`tunicorn runs on Node ${version}`, async (t) => {
    useCommand(t, [process.execPath, "--import", versionModule(version), program]);
    const { status, stdout, stderr } = await runCommand(t, { args: ["--version"], cwd: fixtureApps });
    assert.equal(stderr, "");
    assert.match(stdout, /^tunicorn \(version /);
    assert.equal(status, 0);
  });
}

test("package.json asks for the Node that the program asks for", () => {
  const manifest = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8")) as {
    readonly engines: { readonly node: string };
  };
  assert.equal(manifest.engines.node, ">=20.19");
});

const programs = readdirSync(join(repositoryRoot, "bin")).filter((name) => name.endsWith(".js"));
for (const name of programs) {
  test(`bin/${name} can be read by a Node that is too old, so that it can say so`, () => {
    const text = readFileSync(join(repositoryRoot, "bin", name), "utf8");
    const body = text.replace(/^#!.*$/m, "").replace(/^import "[^"]+";$/gm, "");
    // Read as a script, `await` outside of functions is an error, as it is in a module of Node 12.
    assert.doesNotThrow(() => new Script(body));
    assert.doesNotMatch(body, /\?\.|\?\?|\bimport\.meta\b|#[a-z]/);
  });
}

/** Pythons of this machine that are older than 3.10, by version. */
function oldPythons(): ReadonlyMap<string, string> {
  const pyenv = join(homedir(), ".pyenv/versions");
  const folders = [
    ...(existsSync(pyenv) ? readdirSync(pyenv).map((name) => join(pyenv, name, "bin")) : []),
    ...(process.env["PATH"] ?? "").split(delimiter),
  ];
  const names = [
    "python",
    "python2",
    "python2.7",
    "python3",
    "python3.6",
    "python3.7",
    "python3.8",
    "python3.9",
  ];
  const paths = folders.flatMap((folder) => names.map((name) => join(folder, name))).filter(existsSync);
  const found = new Map<string, string>();
  for (const path of new Set(paths.map((each) => realpathSync(each)))) {
    const print = "import sys; sys.stdout.write('%d.%d.%d' % sys.version_info[:3])";
    const { stdout } = spawnSync(path, ["-c", print], { encoding: "utf8" });
    const matched = /^([23])\.(\d+)\.\d+$/.exec(stdout);
    if (matched !== null && (matched[1] === "2" || Number(matched[2]) < 10)) {
      found.set(stdout, path);
    }
  }
  return found;
}

const pythons = [...oldPythons()];

if (pythons.length === 0) {
  test("tunicorn says of a Python that is too old that it needs a newer one", {
    skip: "no Python older than 3.10 was found in ~/.pyenv/versions and on the PATH",
  });
}

for (const [version, path] of pythons) {
  for (const [what, args] of [
    ["start", ["-b", "127.0.0.1:0", "echo:application"]],
    ["check its settings", ["--check-config", "echo:application"]],
  ] as const) {
    test(`tunicorn that is to ${what} says of Python ${version} that it needs a newer one`, async (t) => {
      const { status, stdout, stderr } = await runCommand(t, { args, cwd: fixtureApps, python: path });
      assert.equal(stdout, "");
      // The arbiter starts while Python does.
      const lines = stderr.split("\n").filter((each) => !each.includes("[INFO] Starting tunicorn "));
      const [line = "", hint, ...others] = lines;
      assert.equal(line, `Python 3.10 or newer is needed, but ${path} is Python ${version}.`);
      assert.match(hint ?? "", /--python/);
      assert.deepEqual(others, []);
      assert.equal(status, 1);
    });
  }
}

test("tunicorn says that there is no Python", async (t) => {
  const folder = await temporaryFolder(t, { "app.py": "" });
  useCommand(t, [process.execPath, program]);
  const { status, stdout, stderr } = await runCommand(t, {
    args: ["app"],
    cwd: folder,
    env: { PATH: folder },
  });
  assert.equal(stdout, "");
  const [line = "", hint, ...others] = stderr.split("\n");
  assert.match(line, /^tunicorn: No Python was found/);
  assert.match(hint ?? "", /3\.10 .*--python/);
  assert.deepEqual(others, []);
  assert.equal(status, 1);
});
