import assert from "node:assert/strict";
import { test } from "node:test";

import { GatheredLines } from "../../src/log/gathered-lines.ts";

test("GatheredLines gives back what was added, in order, once", () => {
  const lines = new GatheredLines(100);
  assert.equal(lines.add("first\n"), true);
  assert.equal(lines.add("zweite mit ü und 中\n"), true);
  assert.equal(lines.isEmpty, false);
  assert.equal(lines.take(), "first\nzweite mit ü und 中\n");
  assert.equal(lines.isEmpty, true);
  assert.equal(lines.take(), "");
});

test("GatheredLines refuses a line for which there may be no room, and keeps those before", () => {
  const lines = new GatheredLines(30);
  assert.equal(lines.add("123456789\n"), true);
  assert.equal(lines.add("12345678\n"), false);
  assert.equal(lines.add("123456"), true);
  assert.equal(lines.take(), "123456789\n123456");
});
