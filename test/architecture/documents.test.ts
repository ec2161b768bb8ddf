import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { test } from "node:test";

import { allSettings } from "../../src/config/settings/all.ts";
import { recordsNotYet } from "../../src/config/settings/not-yet.ts";
import { repositoryRoot } from "../helpers/server.ts";
import { filesBelow, readText } from "./sources.ts";

const FOLDERS = ["src", "python", "bin", "scripts", "test", "bench", "docs", "examples"] as const;

const documents = [
  "README.md",
  "CONTRIBUTING.md",
  ...FOLDERS.filter((folder) => folder !== "python").flatMap((folder) => filesBelow(folder, ".md")),
];

/** `[text](path#heading)` of this repository; addresses elsewhere are not looked at. */
const LINK = /\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)/g;

/** As GitHub makes it of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{Pc} -]/gu, "")
    .replaceAll(" ", "-");
}

test("Every link of the documents leads to a file, and to a heading of it", () => {
  const dead = documents.flatMap((document) =>
    [...readText(document).matchAll(LINK)]
      .filter(([, path = "", anchor]) => {
        const target = path === "" ? document : normalize(join(dirname(document), path));
        if (!existsSync(join(repositoryRoot, target))) return true;
        if (anchor === undefined) return false;
        const headings = [...readText(target).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => heading);
        return !headings.map(anchorOf).includes(anchor);
      })
      .map(([link]) => `${document}: ${link}`),
  );
  assert.deepEqual(dead, []);
});

test("docs/architecture.md names only files that are there", () => {
  const paths = FOLDERS.flatMap((folder) => [
    ...filesBelow(folder, ".ts"),
    ...filesBelow(folder, ".js"),
    ...filesBelow(folder, ".py"),
    ...filesBelow(folder, ".md"),
  ]);
  const named = [...readText("docs/architecture.md").matchAll(/`([\w./-]+\.(?:ts|js|py|md))`/g)];
  assert.ok(named.length > 50);
  const lost = named
    .map(([, name = ""]) => name)
    .filter((name) => !paths.some((path) => endsWith(path, name)));
  assert.deepEqual(lost, [], "Name the file that has taken its place, or take the sentence out");
});

test("docs/architecture.md names every folder of src/", () => {
  const text = readText("docs/architecture.md");
  const folders = new Set(filesBelow("src", ".ts").map((path) => path.split("/")[1] ?? ""));
  const missing = [...folders].filter((folder) => !folder.endsWith(".ts") && !text.includes(`${folder}/`));
  assert.deepEqual(missing, []);
});

test("The commands in the documents have no long flag that the command does not know", () => {
  const known = new Set([
    "--help",
    "--version",
    ...allSettings.flatMap(({ flags }) => flags),
    ...Object.values(recordsNotYet).flatMap(({ flags }) => flags),
  ]);
  const commands = documents.flatMap((document) =>
    [...readText(document).matchAll(/\btunicorn(?:\.js)? ([^`\n]*)/g)].map(([, rest = ""]) => ({
      document,
      rest,
    })),
  );
  const unknown = commands.flatMap(({ document, rest }) =>
    [...rest.matchAll(/(?<=^|\s)--[a-z][\w-]*/g)]
      .map(([flag]) => flag)
      .filter((flag) => !known.has(flag))
      .map((flag) => `${document}: ${flag}`),
  );
  assert.ok(commands.length > 50);
  assert.deepEqual(unknown, []);
});

test("docs/troubleshooting.md quotes messages as the code has them", () => {
  const code = [...filesBelow("src", ".ts"), ...filesBelow("python", ".py")].map(readText).join("\n");
  const tables = readText("docs/troubleshooting.md").split(/\n\n/);
  const quoted = tables
    .filter((table) => /^\| the (?:log|message) says /.test(table))
    .flatMap((table) => table.split("\n").slice(2))
    .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text));
  assert.ok(quoted.length > 15);
  assert.deepEqual(
    quoted.filter((text) => !code.includes(text)),
    [],
    "Quote what the code says, without the values that it fills in",
  );
});

/** Whether a path ends in these parts. */
function endsWith(path: string, name: string): boolean {
  return basename(path) === basename(name) && `/${path}`.endsWith(`/${name}`);
}
