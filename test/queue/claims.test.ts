import assert from "node:assert/strict";
import { test } from "node:test";

import { ClaimNumbers, Claims } from "../../src/queue/claims.ts";
import { CLAIM_BYTES, CLAIM_COUNT } from "../../src/queue/ring-layout.ts";

test("Claims knows which claim names a stream", () => {
  const bytes = Buffer.alloc(CLAIM_COUNT * CLAIM_BYTES);
  bytes.writeUInt32LE(513, 0);
  bytes.writeUInt32LE(2 ** 32 - 1, (CLAIM_COUNT - 1) * CLAIM_BYTES);
  const claims = new Claims(bytes);
  assert.deepEqual(
    [513, 2 ** 32 - 1, 514, 0].map((stream) => claims.claimOf(stream)),
    [0, CLAIM_COUNT - 1, null, null],
  );
});

test("Claims is as things were when it was read", () => {
  const bytes = Buffer.alloc(CLAIM_COUNT * CLAIM_BYTES);
  bytes.writeUInt32LE(513, 8);
  const claims = new Claims(bytes);
  bytes.fill(0);
  assert.equal(claims.claimOf(513), 2);
});

test("ClaimNumbers.take() gives each number once, from the first on and around the end", () => {
  const numbers = new ClaimNumbers(CLAIM_COUNT + CLAIM_COUNT - 2);
  const taken = Array.from({ length: CLAIM_COUNT }, () => numbers.take());
  assert.deepEqual(taken.slice(0, 4), [CLAIM_COUNT - 2, CLAIM_COUNT - 1, 0, 1]);
  assert.equal(new Set(taken).size, CLAIM_COUNT);
  assert.equal(numbers.take(), null);
});

test("ClaimNumbers.take() gives a number that came back only after all others", () => {
  const numbers = new ClaimNumbers(0);
  const first = numbers.take();
  assert.equal(first, 0);
  numbers.release(0);
  const later = Array.from({ length: CLAIM_COUNT }, () => numbers.take());
  assert.equal(later.indexOf(0), CLAIM_COUNT - 1);
});

test("ClaimNumbers.take() passes over the numbers that are in use", () => {
  const numbers = new ClaimNumbers(0);
  const taken = Array.from({ length: CLAIM_COUNT }, () => numbers.take());
  assert.equal(taken.length, CLAIM_COUNT);
  numbers.release(7);
  numbers.release(4000);
  assert.deepEqual([numbers.take(), numbers.take(), numbers.take()], [7, 4000, null]);
});
