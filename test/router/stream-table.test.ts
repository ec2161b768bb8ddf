import assert from "node:assert/strict";
import { test } from "node:test";

import { StreamTable } from "../../src/router/stream-table.ts";

test("StreamTable finds what was set, and nothing else", () => {
  const table = new StreamTable<string>();
  table.set(7, "seven");
  table.set(0xffff_ffff, "last");
  assert.equal(table.get(7), "seven");
  assert.equal(table.get(0xffff_ffff), "last");
  assert.equal(table.get(7 + 64), undefined);
  assert.equal(table.has(7), true);
  assert.equal(table.has(7 + 64), false);
  assert.equal(table.size, 2);
});

test("StreamTable replaces the entry of a stream that is there", () => {
  const table = new StreamTable<string>();
  table.set(7, "before");
  table.set(7, "after");
  assert.deepEqual(table.all(), ["after"]);
  assert.equal(table.size, 1);
});

test("StreamTable keeps streams apart that want the same place, also when the first of them goes", () => {
  const table = new StreamTable<number>();
  const streams = [63, 63 + 64, 63 + 128, 1, 63 + 192];
  for (const stream of streams) table.set(stream, stream);
  assert.equal(table.delete(63), true);
  assert.equal(table.delete(63), false);
  assert.deepEqual(
    streams.map((stream) => table.get(stream)),
    [undefined, 63 + 64, 63 + 128, 1, 63 + 192],
  );
  assert.equal(table.size, 4);
});

test("StreamTable is empty after clear()", () => {
  const table = new StreamTable<number>();
  table.set(1, 1);
  table.clear();
  assert.equal(table.size, 0);
  assert.equal(table.get(1), undefined);
  assert.deepEqual(table.all(), []);
});

test("StreamTable holds what a Map holds, whatever comes and goes", () => {
  // Few places for many streams, so that they collide; the numbers are those of a fixed generator.
  let seed = 1;
  const random = (limit: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % limit;
  };
  const table = new StreamTable<number>();
  const map = new Map<number, number>();
  for (let step = 0; step < 50_000; step += 1) {
    const stream = 1 + random(40) * 16 + random(3) * 1024;
    if (random(5) < 2) {
      assert.equal(table.delete(stream), map.delete(stream));
    } else {
      table.set(stream, step);
      map.set(stream, step);
    }
    assert.equal(table.size, map.size);
    assert.equal(table.get(stream), map.get(stream));
  }
  assert.deepEqual(
    table.all().toSorted((first, second) => first - second),
    [...map.values()].toSorted((first, second) => first - second),
  );
  for (const [stream, entry] of map) assert.equal(table.get(stream), entry);
});
