import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { repositoryRoot } from "../helpers/server.ts";

/** The paths of all files below a folder of the repository, relative to its root, in order. */
export function filesBelow(folder: string, extension: string): string[] {
  return readdirSync(join(repositoryRoot, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(extension) && !/__pycache__|node_modules/.test(name))
    .map((name) => join(folder, name))
    .toSorted();
}

export function readText(path: string): string {
  return readFileSync(join(repositoryRoot, path), "utf8");
}

export interface SourceImports {
  /** The files of src/ that it imports. */
  readonly files: readonly string[];
  /** Everything else: packages and modules of Node. */
  readonly modules: readonly string[];
}

/** `import … from "x"`, `export … from "x"` and `import "x"`, of types too; and `import("x")`. */
const IMPORT = /^(?:import|export)\b(?:[^"';]*?\bfrom)?\s*"([^"]+)"|\bimport\("([^"]+)"\)/gm;

/** The import graph of src/, by path. */
export function importGraph(): ReadonlyMap<string, SourceImports> {
  return new Map(filesBelow("src", ".ts").map((path) => [path, importsOf(path)]));
}

function importsOf(path: string): SourceImports {
  const specifiers = [...readText(path).matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? "");
  const [relatives, modules] = [true, false].map((isRelative) =>
    specifiers.filter((specifier) => specifier.startsWith(".") === isRelative),
  );
  const root = join(repositoryRoot, dirname(path));
  const files = (relatives ?? []).map((specifier) => relative(repositoryRoot, join(root, specifier)));
  return { files, modules: modules ?? [] };
}

/** A cycle of the graph as a list of paths whose last is its first, or null. */
export function findCycle(graph: ReadonlyMap<string, SourceImports>): readonly string[] | null {
  const finished = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): readonly string[] | null => {
    if (finished.has(path)) {
      return null;
    }
    if (trail.includes(path)) {
      return [...trail.slice(trail.indexOf(path)), path];
    }
    trail.push(path);
    for (const imported of graph.get(path)?.files ?? []) {
      const cycle = visit(imported);
      if (cycle !== null) {
        return cycle;
      }
    }
    trail.pop();
    finished.add(path);
    return null;
  };
  for (const path of graph.keys()) {
    const cycle = visit(path);
    if (cycle !== null) {
      return cycle;
    }
  }
  return null;
}
