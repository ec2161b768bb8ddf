import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { errorsPage } from "../../scripts/write-errors-doc.ts";
import { errorKinds } from "../../src/errors.ts";

test("docs/errors.md says what the registry of errors says (else: npm run docs)", () => {
  const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  assert.equal(page, errorsPage());
});

test("Every code of the registry stands on the page once", () => {
  const page = errorsPage();
  const counts = Object.keys(errorKinds).map((code) => [code, page.split(`\`${code}\``).length - 1]);
  assert.deepEqual(
    counts.filter(([, count]) => count !== 1),
    [],
  );
});
