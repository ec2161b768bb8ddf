import assert from "node:assert/strict";
import { test } from "node:test";

import {
  nextServerState,
  type ServerEvent,
  ServerLife,
  type ServerState,
} from "../../src/arbiter/server-life.ts";

type Row = Readonly<Record<ServerEvent, ServerState | null>>;

/** Every pair of state and event; null: it may not happen. */
const transitions: Readonly<Record<ServerState, Row>> = {
  starting: { started: "running", reload: null, reloaded: null, end: "ending" },
  running: { started: null, reload: "reloading", reloaded: null, end: "ending" },
  reloading: { started: null, reload: null, reloaded: "running", end: "ending" },
  ending: { started: null, reload: null, reloaded: "ending", end: "ending" },
};

/** The shortest way into each state. */
const ways: Readonly<Record<ServerState, readonly ServerEvent[]>> = {
  starting: [],
  running: ["started"],
  reloading: ["started", "reload"],
  ending: ["end"],
};

function lifeIn(state: ServerState): ServerLife {
  const life = new ServerLife();
  for (const event of ways[state]) life.enter(event);
  assert.equal(life.state, state);
  return life;
}

for (const [state, row] of Object.entries(transitions) as [ServerState, Row][]) {
  for (const [event, next] of Object.entries(row) as [ServerEvent, ServerState | null][]) {
    const outcome = next === null ? `refuses "${event}"` : `becomes ${next} by "${event}"`;
    test(`ServerLife that is ${state} ${outcome}`, () => {
      assert.equal(nextServerState(state, event), next);
      const life = lifeIn(state);
      if (next === null) assert.throws(() => life.enter(event), { code: "ERR_PROTOCOL" });
      else life.enter(event);
      assert.equal(life.state, next ?? state);
    });
  }
}

test("ServerLife tells those who wait when the server begins to end", () => {
  for (const state of ["starting", "running", "reloading"] as const) {
    const life = lifeIn(state);
    let told = 0;
    life.ending.addEventListener("abort", () => (told += 1));
    assert.equal(life.ending.aborted, false);
    life.enter("end");
    life.enter("end");
    assert.deepEqual([life.ending.aborted, told], [true, 1]);
  }
});

test("ServerLife breaks off a start as soon as it is no longer starting", () => {
  lifeIn("starting").requireStarting();
  for (const state of ["running", "reloading", "ending"] as const) {
    assert.throws(() => lifeIn(state).requireStarting(), { code: "ERR_MOLD_LOST" });
  }
});
