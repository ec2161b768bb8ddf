import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { parityRows } from "../../scripts/parity-rows.ts";
import { parityPage, rowOf } from "../../scripts/write-parity-doc.ts";
import { hooksNotYet } from "../../src/config/settings/hooks.ts";
import { settingsNotYet } from "../../src/config/settings/not-yet.ts";
import { gunicornNames, gunicornVersion } from "../config/gunicorn-settings.ts";

const notYet = new Set([...settingsNotYet, ...hooksNotYet]);

test("docs/parity.md says what its rows and the settings say (else: npm run docs)", () => {
  const page = readFileSync(new URL("../../docs/parity.md", import.meta.url), "utf8");
  assert.equal(page, parityPage(gunicornVersion, gunicornNames));
});

test("Every row of the parity page names a test that is there", () => {
  const lost = parityRows.filter(({ file, test: title }) => {
    const text = readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
    return !text.includes(title);
  });
  assert.deepEqual(
    lost.map(({ name, file, test: title }) => `${name}: test/${file} has no "${title}"`),
    [],
  );
});

test("Every name of Gunicorn that works has a test", () => {
  const names = gunicornNames.map(({ name }) => name).filter((name) => !notYet.has(name));
  assert.deepEqual(
    names.filter((name) => rowOf(name) === null),
    [],
    "Give it a row in scripts/parity-rows.ts, or a test that has its name or flag in its own, and run npm run docs",
  );
});

test("Every row of the parity page is for a name of Gunicorn that works, and there is one for each", () => {
  const names = new Set(gunicornNames.map(({ name }) => name));
  const rows = parityRows.map(({ name }) => name);
  assert.deepEqual(
    rows.filter((name, index) => !names.has(name) || notYet.has(name) || rows.indexOf(name) !== index),
    [],
  );
});
