import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Gathering } from "../../src/system/gathering.ts";

function open() {
  const clock = { ms: 1000, now: () => clock.ms };
  const written: string[] = [];
  let gathered = "";
  const gathering = new Gathering(() => {
    if (gathered !== "") written.push(gathered);
    gathered = "";
  }, clock);
  const add = (what: string): void => {
    gathered += what;
    gathering.add();
  };
  const addPart = (what: string): void => {
    gathered += what;
    gathering.addPart();
  };
  return { clock, written, add, addPart };
}

test("Gathering writes the first at once and what follows at the end of the turn", async () => {
  const { written, add } = open();
  for (const what of ["a", "b", "c"]) add(what);
  assert.deepEqual(written, ["a"]);
  await nextTurn();
  assert.deepEqual(written, ["a", "bc"]);
});

test("Gathering does not let what is ready wait for the end of a long turn", async () => {
  const { clock, written, add } = open();
  for (const what of ["a", "b", "c", "d"]) {
    add(what);
    clock.ms += 0.15;
  }
  assert.deepEqual(written, ["a", "bc"]);
  await nextTurn();
  assert.deepEqual(written, ["a", "bc", "d"]);
});

test("Gathering begins anew after the end of a turn", async () => {
  const { clock, written, add } = open();
  add("a");
  add("b");
  await nextTurn();
  add("c");
  assert.deepEqual(written, ["a", "b"]);
  clock.ms += 1;
  add("d");
  assert.deepEqual(written, ["a", "b", "cd"]);
});

test("Gathering lets a part wait for what it belongs to", async () => {
  const { clock, written, add, addPart } = open();
  addPart("a");
  assert.deepEqual(written, []);
  add("b");
  assert.deepEqual(written, ["ab"]);
  clock.ms += 1;
  addPart("c");
  await nextTurn();
  assert.deepEqual(written, ["ab", "c"]);
});
