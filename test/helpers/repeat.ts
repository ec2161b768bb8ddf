import type { TestContext } from "node:test";

import { onTeardown } from "./teardown.ts";

/** Between two octets of a client that sends or reads slowly. */
const DRIP_INTERVAL_MS = 50;

/** Calls `step` again and again, at the pace of a slow client, until the test ends. */
export function repeat(t: TestContext, step: () => void): void {
  const timer = setInterval(step, DRIP_INTERVAL_MS);
  onTeardown(t, () => clearInterval(timer));
}
