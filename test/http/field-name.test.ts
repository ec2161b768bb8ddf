import assert from "node:assert/strict";
import { test } from "node:test";

import { fieldNameOf } from "../../src/http/field-name.ts";

test("fieldNameOf() knows the fields that decide in any case", () => {
  for (const known of [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "content-type",
  ]) {
    const spellings = [known, known.toUpperCase(), known[0]?.toUpperCase() + known.slice(1)];
    for (const spelling of spellings) {
      assert.deepEqual(fieldNameOf(spelling), { lower: known, known });
    }
  }
});

test("fieldNameOf() takes no name for a known one that only looks like it", () => {
  for (const name of [
    "content_length",
    "x-host",
    "hos",
    "hosts",
    "transfer-encoding1",
    "__proto__",
    "constructor",
  ]) {
    assert.deepEqual(fieldNameOf(name), { lower: name, known: null });
  }
});

test("fieldNameOf() gives one record to equal spellings", () => {
  assert.equal(fieldNameOf("X-Field-Name-Test"), fieldNameOf("X-Field-Name-Test"));
});

test("fieldNameOf() is right for more names than it keeps, and for long ones", () => {
  for (let round = 0; round < 2; round += 1) {
    for (let index = 0; index < 3000; index += 1) {
      assert.deepEqual(fieldNameOf(`X-Many-${index}`), { lower: `x-many-${index}`, known: null });
    }
  }
  const long = "X".repeat(5000);
  assert.equal(fieldNameOf(long).lower, long.toLowerCase());
  assert.equal(fieldNameOf("Host").known, "host");
});
