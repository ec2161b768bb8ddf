import assert from "node:assert/strict";
import { test } from "node:test";

import { BodyTurn, BodyTurns } from "../../src/router/body-turns.ts";
import { ANSWER_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";

/** No turn ends by itself. */
const LONG_MS = 60_000;

/** Far more turns than there is room for, in the order in which they are asked for, and the names of those that have begun. */
function fill(turns: BodyTurns): { readonly taken: BodyTurn[]; readonly begun: number[] } {
  const begun: number[] = [];
  const taken = Array.from({ length: 100 }, (_, name) => new BodyTurn(() => begun.push(name)));
  for (const turn of taken) turns.take(turn);
  return { taken, begun };
}

test("BodyTurns begins a few turns at once, and each further one when one before it ends", () => {
  const turns = new BodyTurns(() => 1, LONG_MS);
  const { taken, begun } = fill(turns);
  const room = begun.length;
  assert.ok(room > 1 && room < 20, String(room));
  turns.end(taken[1] as BodyTurn);
  turns.end(taken[0] as BodyTurn);
  assert.deepEqual(begun.slice(room), [room, room + 1]);
});

test("BodyTurns forgets a turn that is given up before it has begun", () => {
  const turns = new BodyTurns(() => 1, LONG_MS);
  const { taken, begun } = fill(turns);
  const room = begun.length;
  turns.end(taken[room] as BodyTurn);
  turns.end(taken[0] as BodyTurn);
  assert.deepEqual(begun.slice(room), [room + 1]);
});

test("BodyTurns begins the next turns when those before them do not end", async () => {
  const turns = new BodyTurns(() => 1, 1);
  const { taken, begun } = fill(turns);
  await untilTrue(() => begun.length === taken.length, { deadlineMs: ANSWER_DEADLINE_MS, what: "all turns" });
  assert.deepEqual(
    begun,
    taken.map((_, name) => name),
  );
});

test("BodyTurns has turns for every worker, and for the next request of each", () => {
  const { begun } = fill(new BodyTurns(() => 20, LONG_MS));
  assert.equal(begun.length, 40);
});
