import type { Ring } from "../queue/ring.ts";
import type { Deadlines } from "../system/deadlines.ts";
import type { QueueLimits } from "./request-queue.ts";
import type { WorkerPoolListener } from "./worker-pool.ts";

export interface SharedQueueOptions {
  readonly ring: Ring;
  /** Number of the router among those of the server. */
  readonly router: number;
  readonly listener: WorkerPoolListener;
  readonly deadlines: Deadlines;
  readonly limits: () => QueueLimits;
  /** Time for one request, in milliseconds; 0: no limit. */
  readonly timeoutMs: () => number;
}
