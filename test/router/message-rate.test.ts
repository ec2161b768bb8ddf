import assert from "node:assert/strict";
import { test } from "node:test";

import { MessageRate } from "../../src/router/message-rate.ts";

/** How many may come at this time. */
function count(rate: MessageRate, now: number): number {
  let taken = 0;
  while (rate.take(now)) taken += 1;
  return taken;
}

test("a second's worth may come at once, and then so many a second", () => {
  const rate = new MessageRate(10, 5000);
  assert.equal(count(rate, 5000), 10);
  assert.equal(count(rate, 5099), 0);
  assert.equal(count(rate, 5100), 1);
  assert.equal(count(rate, 5600), 5);
});

test("a sender that keeps to its rate never sends too many", () => {
  const rate = new MessageRate(10, 0);
  for (let now = 0; now <= 100_000; now += 100) assert.equal(rate.take(now), true, `after ${now} ms`);
});

test("what was not used for long is no more than a second's worth", () => {
  const rate = new MessageRate(10, 0);
  assert.equal(count(rate, 3_600_000), 10);
});

test("after a pause there may come what the sender could send meanwhile, and then no more than before", () => {
  const rate = new MessageRate(10, 0);
  assert.equal(count(rate, 0), 10);
  rate.pause(0);
  rate.pause(2000);
  rate.resume(3000);
  rate.resume(4000);
  for (let taken = 0; taken < 25; taken += 1) assert.equal(rate.take(3000), true);
  assert.equal(count(rate, 3000), 5);
  assert.equal(count(rate, 9000), 10);
});
