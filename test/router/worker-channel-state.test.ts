import assert from "node:assert/strict";
import { test } from "node:test";

import {
  nextState,
  type WorkerChannelEvent,
  type WorkerChannelState,
} from "../../src/router/worker-channel-state.ts";

type Row = Readonly<Record<WorkerChannelEvent, WorkerChannelState | null>>;

/** Every pair of state and event; null: it may not happen. */
const transitions: Readonly<Record<WorkerChannelState, Row>> = {
  greeting: { hello: "booted", ready: null, dispatch: null, end: null, drain: null, close: "closed" },
  booted: { hello: null, ready: "idle", dispatch: null, end: null, drain: "draining", close: "closed" },
  idle: { hello: null, ready: null, dispatch: "busy", end: null, drain: "draining", close: "closed" },
  busy: { hello: null, ready: null, dispatch: null, end: "finishing", drain: null, close: "closed" },
  finishing: { hello: null, ready: "idle", dispatch: null, end: null, drain: "draining", close: "closed" },
  draining: { hello: null, ready: null, dispatch: null, end: null, drain: null, close: "closed" },
  closed: { hello: null, ready: null, dispatch: null, end: null, drain: null, close: null },
};

for (const [state, row] of Object.entries(transitions) as [WorkerChannelState, Row][]) {
  for (const [event, next] of Object.entries(row) as [WorkerChannelEvent, WorkerChannelState | null][]) {
    const outcome = next === null ? `refuses ${event}` : `becomes ${next} by ${event}`;
    test(`A worker that is ${state} ${outcome}`, () => {
      assert.equal(nextState(state, event), next);
    });
  }
}
