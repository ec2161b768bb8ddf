import assert from "node:assert/strict";
import { test } from "node:test";

import { Fifo } from "../../src/router/fifo.ts";

function fifoOf<Item>(...items: readonly Item[]): Fifo<Item> {
  const fifo = new Fifo<Item>();
  for (const item of items) {
    fifo.push(item);
  }
  return fifo;
}

function drain<Item>(fifo: Fifo<Item>): Item[] {
  const items: Item[] = [];
  for (let item = fifo.shift(); item !== undefined; item = fifo.shift()) {
    items.push(item);
  }
  return items;
}

test("Fifo gives its items in the order in which they came", () => {
  assert.deepEqual(drain(fifoOf("a", "b", "c")), ["a", "b", "c"]);
});

test("Fifo gives undefined when it is empty, any number of times, and can be filled again", () => {
  const fifo = fifoOf("a");
  assert.equal(fifo.shift(), "a");
  assert.equal(fifo.shift(), undefined);
  assert.equal(fifo.shift(), undefined);
  assert.equal(fifo.peek(), undefined);
  assert.equal(fifo.size, 0);
  fifo.push("b");
  assert.equal(fifo.size, 1);
  assert.equal(fifo.shift(), "b");
});

test("Fifo.peek() shows what shift() would give and leaves it there", () => {
  const fifo = fifoOf("a", "b");
  assert.equal(fifo.peek(), "a");
  assert.equal(fifo.size, 2);
  assert.equal(fifo.shift(), "a");
  assert.equal(fifo.peek(), "b");
});

const deletions = [
  { what: "the first item", deleted: "a", left: ["b", "c"] },
  { what: "an item in the middle", deleted: "b", left: ["a", "c"] },
  { what: "the last item", deleted: "c", left: ["a", "b"] },
  { what: "an item that is not there", deleted: "d", left: ["a", "b", "c"] },
];

for (const { what, deleted, left } of deletions) {
  test(`Fifo.delete() removes ${what} and nothing else`, () => {
    const fifo = fifoOf("a", "b", "c");
    fifo.delete(deleted);
    assert.equal(fifo.size, left.length);
    assert.deepEqual(drain(fifo), left);
  });
}

test("Fifo.delete() does not find an item that was given already", () => {
  const fifo = fifoOf("a", "b", "a");
  fifo.shift();
  fifo.delete("a");
  assert.deepEqual(drain(fifo), ["b"]);
});

test("Fifo.delete() removes one of several equal items, the first", () => {
  const fifo = fifoOf("a", "b", "a");
  fifo.delete("a");
  assert.deepEqual(drain(fifo), ["b", "a"]);
});

test("Fifo behaves as a plain array does, over many random calls", () => {
  const fifo = new Fifo<number>();
  const model: number[] = [];
  // The low bits of a linear congruence repeat soon, so the choice is made of the high ones.
  let state = 1;
  for (let step = 0; step < 50_000; step += 1) {
    state = (state * 48271) % 2147483647;
    // Long stretches of growing and of shrinking, so that the storage is cut many times.
    const isGrowing = Math.floor(step / 1000) % 2 === 0;
    const choice = state % 100;
    if (choice < (isGrowing ? 70 : 25)) {
      fifo.push(step);
      model.push(step);
    } else if (choice < 97) {
      assert.equal(fifo.shift(), model.shift());
    } else if (model.length > 0) {
      const [item = 0] = model.splice(state % model.length, 1);
      fifo.delete(item);
    }
    assert.equal(fifo.size, model.length);
    assert.equal(fifo.peek(), model[0]);
  }
});
