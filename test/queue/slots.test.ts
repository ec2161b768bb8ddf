import assert from "node:assert/strict";
import { test } from "node:test";

import { SLOT_COUNT, slotOf } from "../../src/queue/ring-layout.ts";
import { Slots } from "../../src/queue/slots.ts";
import { Random } from "../helpers/random.ts";

const COUNTER_LIMIT = 2 ** 32 / SLOT_COUNT;

function takeMany(slots: Slots, times: number, count = 1): number[] {
  return Array.from({ length: times }, () => slots.take(count));
}

test("Slots.take() gives slots in rising order, each once", () => {
  const slots = new Slots(0);
  assert.equal(slots.free, SLOT_COUNT);
  const streams = takeMany(slots, SLOT_COUNT);
  assert.deepEqual(
    streams.map((stream) => slotOf(stream)),
    Array.from({ length: SLOT_COUNT }, (_, slot) => slot),
  );
  assert.equal(slots.free, 0);
});

test("Slots.take() gives 0 when all slots are taken, and the one that comes back to the next", () => {
  const slots = new Slots(0);
  const streams = takeMany(slots, SLOT_COUNT);
  assert.equal(slots.take(1), 0);
  slots.release(77);
  assert.equal(slots.free, 1);
  const stream = slots.take(1);
  assert.equal(slotOf(stream), 77);
  assert.ok(!streams.includes(stream), "another stream than before");
});

test("Slots.take() goes on behind the last slot, and begins again at the first", () => {
  const slots = new Slots(0);
  for (const expected of [0, 1, 2]) {
    const slot = slotOf(slots.take(1));
    slots.release(slot);
    assert.equal(slot, expected);
  }
  for (let count = 3; count < SLOT_COUNT; count += 1) slots.release(slotOf(slots.take(1)));
  assert.equal(slotOf(slots.take(1)), 0);
});

test("Slots.take() of several gives neighbours, never across the end", () => {
  const slots = new Slots(0);
  takeMany(slots, SLOT_COUNT - 3);
  for (let slot = 0; slot < 8; slot += 1) slots.release(slot);
  assert.equal(slots.free, 11);
  assert.equal(slotOf(slots.take(4)), 0, "the last three do not do");
  assert.equal(slotOf(slots.take(4)), 4);
  assert.equal(slots.take(4), 0);
  assert.equal(slotOf(slots.take(3)), SLOT_COUNT - 3);
});

test("Slots.take() of several gives 0 when there are enough, but not in a row", () => {
  const slots = new Slots(0);
  takeMany(slots, SLOT_COUNT);
  for (let slot = 0; slot < SLOT_COUNT; slot += 2) slots.release(slot);
  assert.equal(slots.free, SLOT_COUNT / 2);
  assert.equal(slots.take(2), 0);
  assert.notEqual(slots.take(1), 0);
});

test("Slots.take() finds a row that begins before the slot where it would go on", () => {
  const slots = new Slots(0);
  takeMany(slots, SLOT_COUNT);
  for (const slot of [9, 10, 11, 12]) slots.release(slot);
  assert.equal(slotOf(slots.take(1)), 9);
  slots.release(9);
  assert.equal(slotOf(slots.take(4)), 9);
});

test("Slots.release() gives back all that were taken together, once", () => {
  const slots = new Slots(0);
  const slot = slotOf(slots.take(16));
  assert.equal(slots.countOf(slot), 16);
  slots.release(slot);
  slots.release(slot);
  assert.equal(slots.free, SLOT_COUNT);
  assert.equal(slots.countOf(slot), 0);
});

test("Slots gives every stream once before it begins anew, and 0 never", () => {
  const slots = new Slots(COUNTER_LIMIT - 3);
  const streams: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    for (const stream of takeMany(slots, SLOT_COUNT)) {
      streams.push(stream);
      slots.release(slotOf(stream));
    }
  }
  assert.equal(new Set(streams).size, streams.length);
  assert.ok(streams.every((stream) => stream >= SLOT_COUNT && stream < 2 ** 32));
  const firstOfEach = streams.filter((stream) => slotOf(stream) === 0).map((stream) => stream / SLOT_COUNT);
  assert.deepEqual(firstOfEach, [COUNTER_LIMIT - 2, COUNTER_LIMIT - 1, 1, 2, 3, 4]);
});

test("Slots begins with the counter after the one that it is given, which may be beyond the limit", () => {
  assert.equal(new Slots(300 * 128).take(1), (300 * 128 + 1) * SLOT_COUNT);
  assert.equal(new Slots(COUNTER_LIMIT + 5).take(1), 6 * SLOT_COUNT);
});

test("Slots never gives a slot twice and loses none, in whatever order they are taken and given back", () => {
  const random = new Random(4711);
  const slots = new Slots(0);
  /** By first slot. */
  const taken = new Map<number, number>();
  const used = (): number[] =>
    [...taken].flatMap(([slot, count]) => Array.from({ length: count }, (_, index) => slot + index));
  for (let step = 0; step < 5000; step += 1) {
    if (random.below(2) === 0) {
      const count = random.pick([1, 1, 1, 1, 2, 3, 16]);
      const stream = slots.take(count);
      if (stream !== 0) taken.set(slotOf(stream), count);
    } else if (taken.size > 0) {
      const slot = random.pick([...taken.keys()]);
      slots.release(slot);
      taken.delete(slot);
    }
    if (step % 50 === 0) {
      const all = used();
      assert.equal(new Set(all).size, all.length);
      assert.ok(all.every((slot) => slot < SLOT_COUNT));
      assert.equal(slots.free, SLOT_COUNT - all.length);
    }
  }
});
