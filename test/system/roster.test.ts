import assert from "node:assert/strict";
import { test } from "node:test";

import { Roster } from "../../src/system/roster.ts";

function holders(roster: Roster<string>): string[] {
  const seen: string[] = [];
  roster.forEach((holder) => seen.push(holder));
  return seen.toSorted();
}

test("Roster has those that were added and not removed", () => {
  const roster = new Roster<string>();
  const first = roster.add("first");
  roster.add("second");
  const third = roster.add("third");
  roster.remove(first);
  assert.deepEqual(holders(roster), ["second", "third"]);
  roster.remove(third);
  assert.deepEqual(holders(roster), ["second"]);
  assert.equal(roster.size, 1);
});

test("Roster leaves others alone when a seat is removed twice", () => {
  const roster = new Roster<string>();
  const first = roster.add("first");
  roster.add("second");
  roster.remove(first);
  roster.remove(first);
  assert.deepEqual(holders(roster), ["second"]);
});

test("Roster visits everybody who stays, while those that are visited go", () => {
  const roster = new Roster<{ readonly name: string; readonly leave: () => void }>();
  const seen: string[] = [];
  for (const name of ["a", "b", "c", "d", "e"]) {
    const seat = roster.add({ name, leave: () => roster.remove(seat) });
  }
  roster.forEach(({ name, leave }) => {
    seen.push(name);
    if (name !== "c") leave();
  });
  assert.deepEqual(seen.toSorted(), ["a", "b", "c", "d", "e"]);
  assert.equal(roster.size, 1);
});

test("Roster has nobody after clear(), and their seats may still be removed", () => {
  const roster = new Roster<string>();
  const seat = roster.add("first");
  roster.clear();
  roster.remove(seat);
  assert.deepEqual(holders(roster), []);
});
