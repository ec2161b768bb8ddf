import { setTimeout as sleep } from "node:timers/promises";
import { SLOWNESS, SlowClient } from "../../slow-clients/slow-client.ts";
import type { ExitGuard } from "../measure/exit-guard.ts";
import type { LoadShape, WorkRequest } from "../works/work.ts";
import type { PreparedRequest } from "./client.ts";
import type { Generator, Load, LoadResult } from "./load.ts";
import { prepare, runClosedLoop } from "./own.ts";

const ARRIVAL_DEADLINE_MS = 5000;
const POLL_MS = 10;
/** The same for every server and round. */
const SEED = 20_261_121;

/** Puts the work's load on a server: by the generator where it can, by the one in this process for every server where not. */
export async function runShape(
  shape: LoadShape,
  load: Load,
  tools: { readonly generator: Generator; readonly guard: ExitGuard },
): Promise<LoadResult> {
  switch (shape.type) {
    case "closed":
      return tools.generator.run(load, tools.guard);
    case "mixed":
      return runClosedLoop({ ...load, next: mixedRequests(load.request, shape, load.port) });
    case "slow-clients":
      return runBesideSlowClients(shape.clients, load);
    default:
      return shape satisfies never;
  }
}

/** In every row of `1 / share` requests one slow one, at a place that a seeded generator draws. */
export function mixedRequests(
  request: WorkRequest,
  shape: Extract<LoadShape, { readonly type: "mixed" }>,
  port: number,
): () => PreparedRequest {
  const fast = prepare(request, port);
  const slow = prepare(shape.slow, port, true);
  const rowLength = Math.round(1 / shape.share);
  const random = seededRandom(SEED);
  let index = 0;
  let slowIndex = 0;
  return () => {
    if (index % rowLength === 0) slowIndex = index + Math.floor(random() * rowLength);
    const isSlow = index === slowIndex;
    index += 1;
    return isSlow ? slow : fast;
  };
}

/** Two thirds of the slow clients send their body a byte at a time, the rest their head. */
async function runBesideSlowClients(count: number, load: Load): Promise<LoadResult> {
  const clients = Array.from(
    { length: count },
    (_, index) => new SlowClient(load.port, index % 3 === 2 ? SLOWNESS.head : SLOWNESS.upload),
  );
  try {
    const deadlineMs = performance.now() + ARRIVAL_DEADLINE_MS;
    while (!clients.every((client) => client.isUnderWay) && performance.now() < deadlineMs)
      await sleep(POLL_MS);
    const prepared = prepare(load.request, load.port);
    return await runClosedLoop({ ...load, next: () => prepared, mayWait: true });
  } finally {
    for (const client of clients) client.leave();
  }
}

/** The 32-bit generator "mulberry32": numbers from 0 to below 1. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
