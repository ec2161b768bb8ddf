import assert from "node:assert/strict";
import { test } from "node:test";

import { Succession } from "../../src/arbiter/succession.ts";

function record(isThere: (age: number) => boolean = () => true) {
  const begun: number[] = [];
  const succession = new Succession((age) => {
    if (isThere(age)) begun.push(age);
    return isThere(age);
  });
  return { succession, begun };
}

test("Succession begins with the first at once, and with the next when that one is done", () => {
  const { succession, begun } = record();
  for (const age of [3, 1, 2]) succession.add(age);
  assert.deepEqual(begun, [3]);
  succession.done(3);
  assert.deepEqual(begun, [3, 1]);
  succession.done(1);
  succession.done(2);
  assert.deepEqual(begun, [3, 1, 2]);
  succession.add(4);
  assert.deepEqual(begun, [3, 1, 2, 4]);
});

test("Succession takes each worker once, until it is done", () => {
  const { succession, begun } = record();
  for (const age of [1, 1, 1, 2, 2, 2]) succession.add(age);
  assert.deepEqual([succession.has(1), succession.has(2), succession.has(3)], [true, true, false]);
  succession.done(1);
  succession.done(1);
  assert.deepEqual(begun, [1, 2]);
  succession.done(2);
  assert.deepEqual(begun, [1, 2]);
  assert.equal(succession.has(1), false);
});

test("Succession passes over those that are gone when their turn comes, or that left by themselves", () => {
  const { succession, begun } = record((age) => age !== 2);
  for (const age of [1, 2, 3, 4]) succession.add(age);
  succession.done(3);
  assert.deepEqual(begun, [1]);
  succession.done(1);
  assert.deepEqual(begun, [1, 4]);
});

test("Succession goes on when one is done while it begins", () => {
  const begun: number[] = [];
  const succession = new Succession((age) => {
    begun.push(age);
    if (age === 1) succession.done(1);
    return age !== 1;
  });
  for (const age of [1, 2]) succession.add(age);
  assert.deepEqual(begun, [1, 2]);
});

test("Succession keeps to one at a time where one is done while it begins, and others wait", () => {
  const begun: number[] = [];
  const succession = new Succession((age) => {
    begun.push(age);
    if (age === 2) succession.done(2);
    return age !== 2;
  });
  for (const age of [1, 2, 3, 4]) succession.add(age);
  succession.done(1);
  assert.deepEqual(begun, [1, 2, 3]);
  succession.add(5);
  assert.deepEqual(begun, [1, 2, 3]);
});

test("Succession.end() lets nobody's turn come any more who waits for it", () => {
  const { succession, begun } = record();
  for (const age of [1, 2, 3]) succession.add(age);
  succession.end();
  assert.equal(succession.has(2), false);
  succession.done(1);
  assert.deepEqual(begun, [1]);
});
