/** Writes docs/parity.md: `npm run docs`. A test compares the page with what this makes. */
import { writeFileSync } from "node:fs";
import { hooksNotYet } from "../src/config/settings/hooks.ts";
import { settingsNotYet } from "../src/config/settings/not-yet.ts";
import { findTest } from "./find-test.ts";
import { type ParityRow, parityRows } from "./parity-rows.ts";

/** A setting or hook of Gunicorn, with its section. */
export interface GunicornName {
  readonly name: string;
  readonly section: string;
}

const notYet: ReadonlySet<string> = new Set([...settingsNotYet, ...hooksNotYet]);

/** The row of a name: the one that is written down, else one with the first test that is named for it; or null. */
export function rowOf(name: string): ParityRow | null {
  return parityRows.find((row) => row.name === name) ?? findTest(name);
}

/** The whole page, for the names of the Gunicorn that it is compared with. */
export function parityPage(version: string, names: readonly GunicornName[]): string {
  const counts = { works: 0, better: 0, "not yet": 0 };
  for (const { name } of names) counts[stateOf(name)] += 1;
  const sections = [...new Set(names.map(({ section }) => section))];
  return `<!-- Made by scripts/write-parity-doc.ts from scripts/parity-rows.ts. Do not edit: run \`npm run docs\`. -->

# Parity with Gunicorn

This page lists every setting and hook of Gunicorn ${version}, with the test that shows that it works here. **better** says what goes beyond Gunicorn.

Of ${names.length} names, ${counts.works} work, ${counts.better} are better, and ${counts["not yet"]} do not work yet. Using one of the latter gives a warning or an error
([settings.md](settings.md#not-yet)). Where flags and defaults differ on purpose, \`test/config/gunicorn-differences.ts\` says why.
${sections.map((section) => sectionText(section, names)).join("")}`;
}

function sectionText(section: string, names: readonly GunicornName[]): string {
  const rows = names.filter((each) => each.section === section).map(({ name }) => rowText(name));
  return `
## ${section}

| name | state | test |
|---|---|---|
${rows.join("\n")}
`;
}

function stateOf(name: string): "works" | "better" | "not yet" {
  if (notYet.has(name)) return "not yet";
  return (rowOf(name)?.better ?? null) === null ? "works" : "better";
}

function rowText(name: string): string {
  const state = stateOf(name);
  const row = state === "not yet" ? null : rowOf(name);
  const shown = row?.better === undefined || row.better === null ? state : `**${state}**: ${row.better}`;
  const test = row === null ? "" : `\`test/${row.file}\`: ${titleText(row.test)}`;
  return `| \`${name}\` | ${shown} | ${test} |`;
}

/** The title of a test as a reader has it: what a template fills in is left open. */
function titleText(title: string): string {
  return title.replaceAll(/\$\{[^}]*\}/g, "…").replaceAll("|", "\\|");
}

if (process.argv[1] === import.meta.filename) {
  const { gunicornNames, gunicornVersion } = await import("../test/config/gunicorn-settings.ts");
  writeFileSync(new URL("../docs/parity.md", import.meta.url), parityPage(gunicornVersion, gunicornNames));
}
