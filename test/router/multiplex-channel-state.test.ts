import assert from "node:assert/strict";
import { test } from "node:test";

import {
  type MultiplexChannelEvent,
  type MultiplexChannelState,
  nextMultiplexState,
} from "../../src/router/multiplex-channel-state.ts";

type Row = Readonly<Record<MultiplexChannelEvent, MultiplexChannelState | null>>;

/** Every pair of state and event; null: it may not happen. */
const transitions: Readonly<Record<MultiplexChannelState, Row>> = {
  greeting: { hello: "booted", ready: null, drain: null, close: "closed" },
  booted: { hello: null, ready: "serving", drain: "draining", close: "closed" },
  serving: { hello: null, ready: null, drain: "draining", close: "closed" },
  // READY may have crossed DRAIN on the way.
  draining: { hello: null, ready: "draining", drain: "draining", close: "closed" },
  closed: { hello: null, ready: null, drain: "closed", close: null },
};

for (const [state, row] of Object.entries(transitions) as [MultiplexChannelState, Row][]) {
  for (const [event, next] of Object.entries(row) as [
    MultiplexChannelEvent,
    MultiplexChannelState | null,
  ][]) {
    const outcome = next === null ? `refuses ${event}` : `becomes ${next} by ${event}`;
    test(`A worker that multiplexes and is ${state} ${outcome}`, () => {
      assert.equal(nextMultiplexState(state, event), next);
    });
  }
}
