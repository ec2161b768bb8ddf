import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { test } from "node:test";

import { errorKinds } from "../../src/errors.ts";
import { repositoryRoot } from "../helpers/server.ts";
import { filesBelow, findCycle, importGraph, readText } from "./sources.ts";

/**
 * Who may import whom: a part imports from the ranks below its own, and of its own rank only what is named here.
 * A part is a folder of src/, or a file beside the folders. The picture is in docs/architecture.md.
 */
const ranks: readonly Readonly<Record<string, readonly string[]>>[] = [
  { cli: [], index: [] },
  { arbiter: [] },
  { router: [] },
  { http: [], queue: ["channel"], channel: [] },
  { config: ["log", "metrics", "system"], metrics: ["log"], log: [], system: [] },
  { errors: [], version: [] },
];

const LONGEST_FILE_LINES = 400;

const graph = importGraph();

/** The folder of src/ that a file is in, or the name of a file that is in none. */
function partOf(path: string): string {
  return path.split("/")[1]?.replace(/\.ts$/, "") ?? "";
}

function rankOf(part: string): number {
  return ranks.findIndex((rank) => part in rank);
}

function mayImport(importer: string, imported: string): boolean {
  const own = rankOf(importer);
  const other = rankOf(imported);
  return importer === imported || other > own || ranks[own]?.[importer]?.includes(imported) === true;
}

test("Every folder of src/ and every file beside them has a rank", () => {
  const parts = [...new Set([...graph.keys()].map(partOf))];
  assert.deepEqual(
    parts.filter((part) => rankOf(part) < 0),
    [],
    "A new part of src/: give it its place in the table `ranks` of this test and in docs/architecture.md",
  );
});

test("The folders of src/ import only to the right: cli > arbiter > router > http, queue, channel > the rest", () => {
  const wrong = [...graph].flatMap(([path, { files }]) =>
    files
      .filter((imported) => !mayImport(partOf(path), partOf(imported)))
      .map((imported) => `${path} imports ${imported}`),
  );
  assert.deepEqual(
    wrong,
    [],
    "An import goes against the order of the parts. Move what is shared to a part further down, or hand it over as " +
      "an option or a callback; the table `ranks` of this test changes only with docs/architecture.md",
  );
});

test("The import graph that these tests look at has the imports of values, of types and of both", () => {
  assert.ok(graph.get("src/cli/main.ts")?.files.includes("src/cli/arguments.ts"));
  assert.ok(graph.get("src/log/log-file.ts")?.modules.includes("sonic-boom"));
  assert.ok(graph.get("src/arbiter/signals.ts")?.files.includes("src/arbiter/arbiter.ts"));
});

test("findCycle() finds the circle that a path leads into", () => {
  const imports = (...files: string[]) => ({ files, modules: [] });
  const straight = new Map([
    ["a", imports("b", "c")],
    ["b", imports("c")],
    ["c", imports()],
  ]);
  assert.equal(findCycle(straight), null);
  const round = new Map([...straight, ["c", imports("d")], ["d", imports("b")]]);
  assert.deepEqual(findCycle(round), ["b", "c", "d", "b"]);
});

test("No files of src/ import one another in a circle", () => {
  const cycle = findCycle(graph);
  assert.equal(
    cycle,
    null,
    `${cycle?.join(" > ")}: move what both need into a file of its own, types included`,
  );
});

test("Every import of src/ finds its file, by its full name", () => {
  const lost = [...graph].flatMap(([path, { files }]) =>
    files
      .filter((imported) => !imported.endsWith(".ts") || !existsSync(join(repositoryRoot, imported)))
      .map((imported) => `${path} imports ${imported}`),
  );
  assert.deepEqual(lost, []);
});

test("src/ imports what is Node's as node:, and no package that is not a dependency", () => {
  const known = new Set([...builtinModules.map((name) => `node:${name}`), ...runtimeDependencies()]);
  const strange = [...graph].flatMap(([path, { modules }]) =>
    modules.filter((name) => !known.has(name)).map((name) => `${path} imports ${name}`),
  );
  assert.deepEqual(
    strange,
    [],
    'Write "node:fs" for fs; a new package needs its reason in docs/dependencies.md',
  );
});

test("No file of src/ loads OpenSSL at a start without TLS: it takes 5 MiB of arbiter and router", () => {
  const loads = /^import (?!type )[^;]*from "node:(?:tls|crypto|https|http2)";/m;
  const wrong = [...graph.keys()].filter((path) => loads.test(readText(path)));
  assert.deepEqual(wrong, [], "Ask process.getBuiltinModule() for it, where it is needed");
});

test("Every runtime dependency is imported somewhere in src/", () => {
  const imported = new Set([...graph.values()].flatMap(({ modules }) => modules));
  assert.deepEqual(
    runtimeDependencies().filter((name) => !imported.has(name)),
    [],
    "Remove it from package.json and from docs/dependencies.md",
  );
});

test("The runtime dependencies are those that docs/dependencies.md gives a reason for", () => {
  const [, section = ""] =
    /^# Runtime\n([\s\S]*?)(?=^# |$(?![\s\S]))/m.exec(readText("docs/dependencies.md")) ?? [];
  const documented = [...section.matchAll(/^## (\S+)\s*$/gm)].map(([, name = ""]) => name);
  assert.deepEqual(
    runtimeDependencies(),
    documented.toSorted(),
    "A dependency has a heading `## name` with its reason under `# Runtime` in docs/dependencies.md",
  );
});

test(`No source file has more than ${LONGEST_FILE_LINES} lines`, () => {
  const files = [...filesBelow("src", ".ts"), ...filesBelow("python/tunicorn", ".py")];
  const long = files
    .map((path) => ({ path, lines: readText(path).trimEnd().split("\n").length }))
    .filter(({ lines }) => lines > LONGEST_FILE_LINES)
    .map(({ path, lines }) => `${path} has ${lines}`);
  assert.deepEqual(long, [], "One concept per file: split it along its concepts");
});

test("Every error code of src/errors.ts is used", () => {
  const files = [...filesBelow("src", ".ts"), ...filesBelow("python/tunicorn", ".py")];
  const text = files
    .filter((path) => path !== "src/errors.ts")
    .map(readText)
    .join("\n");
  const unused = Object.keys(errorKinds).filter((code) => !new RegExp(`\\b${code}\\b`).test(text));
  assert.deepEqual(unused, [], "Remove it from src/errors.ts, or use it where it was meant for");
});

test("No error code is used that src/errors.ts does not have", () => {
  const strange = [...graph.keys()].flatMap((path) =>
    [...readText(path).matchAll(/"(ERR_[A-Z_]+)"/g)]
      .map(([, code = ""]) => code)
      .filter((code) => !(code in errorKinds))
      .map((code) => `${path} uses ${code}`),
  );
  assert.deepEqual(strange, []);
});

function runtimeDependencies(): string[] {
  const manifest = JSON.parse(readText("package.json")) as { readonly dependencies: Record<string, string> };
  return Object.keys(manifest.dependencies).toSorted();
}
