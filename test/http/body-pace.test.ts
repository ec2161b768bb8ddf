import assert from "node:assert/strict";
import { test } from "node:test";

import { BodyPace } from "../../src/http/body-pace.ts";

const STARTED_AT = 5_000;

for (const { what, bytes, afterMs, isFastEnough } of [
  { what: "nothing within the first ten seconds", bytes: 0, afterMs: 10_000, isFastEnough: true },
  { what: "nothing behind them", bytes: 0, afterMs: 10_001, isFastEnough: false },
  { what: "a byte less than the rate wants", bytes: 1999, afterMs: 20_000, isFastEnough: false },
  { what: "as much as the rate wants", bytes: 2000, afterMs: 20_000, isFastEnough: true },
]) {
  test(`BodyPace of 100 bytes a second finds ${what} ${isFastEnough ? "fast enough" : "too slow"}`, () => {
    const pace = new BodyPace(100);
    pace.restart(STARTED_AT);
    assert.equal(pace.add(bytes, STARTED_AT + afterMs), isFastEnough);
  });
}

test("BodyPace adds up what has come", () => {
  const pace = new BodyPace(100);
  pace.restart(STARTED_AT);
  for (let second = 1; second < 60; second += 1)
    assert.equal(pace.add(100, STARTED_AT + second * 1000), true, `after ${second} s`);
  assert.equal(pace.add(0, STARTED_AT + 60_000), false);
});

test("BodyPace counts neither time nor bytes from before restart()", () => {
  const pace = new BodyPace(100);
  pace.restart(STARTED_AT);
  pace.add(1_000_000, STARTED_AT + 1000);
  pace.restart(STARTED_AT + 60_000);
  assert.equal(pace.add(10, STARTED_AT + 70_000), true, "its first ten seconds");
  assert.equal(pace.add(10, STARTED_AT + 71_000), false);
});

test("BodyPace without a rate finds nothing too slow", () => {
  const pace = new BodyPace(0);
  pace.restart(STARTED_AT);
  assert.equal(pace.add(0, STARTED_AT + 3_600_000), true);
});
