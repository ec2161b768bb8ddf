import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { settingsPage } from "../../scripts/write-settings-doc.ts";

test("docs/settings.md says what the settings records say (else: npm run docs)", () => {
  const page = readFileSync(new URL("../../docs/settings.md", import.meta.url), "utf8");
  assert.equal(page, settingsPage());
});
