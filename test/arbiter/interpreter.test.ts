import assert from "node:assert/strict";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { findInterpreter, type InterpreterSources } from "../../src/arbiter/interpreter.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** A folder with programs at the given paths, and one file that is none: `plain`. */
async function folderWith(t: TestContext, ...programs: readonly string[]): Promise<string> {
  const files = Object.fromEntries(programs.map((path) => [path, "#!/bin/sh\n"]));
  const folder = await temporaryFolder(t, { ...files, plain: "" });
  for (const path of programs) {
    chmodSync(join(folder, path), 0o755);
  }
  chmodSync(join(folder, "plain"), 0o644);
  return folder;
}

interface SearchCase {
  readonly what: string;
  readonly programs: readonly string[];
  readonly named?: string;
  readonly launcher?: string;
  /** Relative to the folder; the folders of PATH too. */
  readonly virtualEnvironment?: string;
  readonly path?: readonly string[];
  readonly applicationFolder?: string;
  readonly expected: string;
}

const found: readonly SearchCase[] = [
  {
    what: "the one named by a path, from the working folder",
    programs: ["opt/python", ".venv/bin/python", "bin/python3"],
    named: "opt/python",
    virtualEnvironment: ".venv",
    path: ["bin"],
    expected: "opt/python",
  },
  { what: "the one named by ./", programs: ["python"], named: "./python", expected: "python" },
  {
    what: "the one named without a slash, on the PATH",
    programs: ["a/python3.12", "b/python3.11", "python3.11"],
    named: "python3.11",
    path: ["a", "b"],
    expected: "b/python3.11",
  },
  {
    what: "the one named before the one that tunicorn was installed in",
    programs: ["opt/python", "venv/bin/python"],
    named: "opt/python",
    launcher: "venv/bin/python",
    expected: "opt/python",
  },
  {
    what: "the one that tunicorn was installed in before any that is only around",
    programs: ["venv/bin/python", "env/bin/python", ".venv/bin/python", "bin/python3"],
    launcher: "venv/bin/python",
    virtualEnvironment: "env",
    path: ["bin"],
    expected: "venv/bin/python",
  },
  {
    what: "that of $VIRTUAL_ENV before that of .venv",
    programs: ["env/bin/python", ".venv/bin/python", "bin/python3"],
    virtualEnvironment: "env",
    path: ["bin"],
    expected: "env/bin/python",
  },
  {
    what: "that of .venv when $VIRTUAL_ENV has none any more",
    programs: [".venv/bin/python", "bin/python3"],
    virtualEnvironment: "removed",
    path: ["bin"],
    expected: ".venv/bin/python",
  },
  {
    what: "that of .venv before the PATH",
    programs: [".venv/bin/python", "bin/python3"],
    path: ["bin"],
    expected: ".venv/bin/python",
  },
  {
    what: "that of .venv in the folder of the application, not in the working folder",
    programs: ["shop/.venv/bin/python", ".venv/bin/python"],
    applicationFolder: "shop",
    expected: "shop/.venv/bin/python",
  },
  {
    what: "the first python3 on the PATH",
    programs: ["b/python3", "c/python3", "a/python"],
    path: ["a", "missing", "b", "c"],
    expected: "b/python3",
  },
];

function sourcesOf(
  folder: string,
  search: Omit<SearchCase, "what" | "programs" | "expected">,
): InterpreterSources {
  const path = (search.path ?? []).map((name) => join(folder, name)).join(":");
  const { virtualEnvironment } = search;
  return {
    named: search.named ?? null,
    environment: {
      PATH: path,
      ...(virtualEnvironment === undefined ? {} : { VIRTUAL_ENV: join(folder, virtualEnvironment) }),
    },
    workingFolder: folder,
    applicationFolder: search.applicationFolder ?? null,
    launcher: search.launcher === undefined ? null : join(folder, search.launcher),
  };
}

for (const { what, programs, expected, ...search } of found) {
  test(`findInterpreter() finds ${what}`, async (t) => {
    const folder = await folderWith(t, ...programs);
    assert.equal(findInterpreter(sourcesOf(folder, search)), join(folder, expected));
  });
}

test("findInterpreter() takes an application folder that is absolute", async (t) => {
  const folder = await folderWith(t, "shop/.venv/bin/python");
  const sources = sourcesOf("/nonexistent", {});
  const applicationFolder = join(folder, "shop");
  assert.equal(
    findInterpreter({ ...sources, applicationFolder }),
    join(applicationFolder, ".venv/bin/python"),
  );
});

test("findInterpreter() looks past empty entries of the PATH, which would mean any folder", async (t) => {
  const folder = await folderWith(t, "bin/python3");
  const environment = { PATH: `::${join(folder, "bin")}:`, VIRTUAL_ENV: "" };
  const sources = { ...sourcesOf(folder, {}), environment };
  assert.equal(findInterpreter(sources), join(folder, "bin/python3"));
});

test("findInterpreter() looks past a folder and a plain file on the PATH that are named python3", async (t) => {
  const folder = await folderWith(t, "c/python3");
  mkdirSync(join(folder, "a/python3"), { recursive: true });
  mkdirSync(join(folder, "b"));
  const sources = sourcesOf(folder, { path: ["a", "b", "c"] });
  assert.equal(findInterpreter(sources), join(folder, "c/python3"));
});

for (const { what, named } of [
  { what: "a path where nothing is", named: "./nowhere/python" },
  { what: "a file that cannot be executed", named: "./plain" },
  { what: "a folder", named: "./folder" },
  { what: "a name that is not on the PATH", named: "python2.2" },
]) {
  test(`findInterpreter() refuses ${what} after --python, and takes no other in its place`, async (t) => {
    const folder = await folderWith(t, "bin/python3", ".venv/bin/python", "folder/bin/python");
    assert.throws(() => findInterpreter(sourcesOf(folder, { named, path: ["bin"] })), {
      code: "ERR_INTERPRETER",
      message: new RegExp(`"${named}"`),
      hint: /3\.10/,
    });
  });
}

test("findInterpreter() says what to do when there is no Python", async (t) => {
  const folder = await folderWith(t);
  for (const environment of [{}, { PATH: "" }, { PATH: folder }]) {
    assert.throws(() => findInterpreter({ ...sourcesOf(folder, {}), environment }), {
      code: "ERR_INTERPRETER",
      hint: /--python/,
    });
  }
});
