import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { allSettings } from "../src/config/settings/all.ts";
import type { ParityRow } from "./parity-rows.ts";

const folder = fileURLToPath(new URL("../test", import.meta.url));

/** Tests of the real command come first. */
function testFiles(): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const rank = (name: string): number => (name.startsWith("process/") ? 0 : 1);
  return names
    .filter((name) => name.endsWith(".test.ts"))
    .toSorted((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}

/** What a test is called, in quotation marks or as a template. */
const TITLE = /\btest\(\s*(?:"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g;

/** The first test whose name has the setting's name or one of its flags in it; or null. */
export function findTest(name: string): ParityRow | null {
  const flags: readonly string[] = allSettings.find((record) => record.name === name)?.flags ?? [];
  const words = [name, ...flags.filter((flag) => flag.startsWith("--"))];
  const wanted = new RegExp(`(^|[^\\w-])(${words.join("|")})($|[^\\w-])`);
  for (const file of testFiles()) {
    const text = readFileSync(join(folder, file), "utf8");
    const titles = [...text.matchAll(TITLE)].map(([, plain, template]) => plain ?? template ?? "");
    const title = titles.find((each) => wanted.test(each));
    if (title !== undefined) return { name, file, test: title, better: null };
  }
  return null;
}
