/** What the tests of the ways by which requests come to workers have in common. */
import assert from "node:assert/strict";

import { FrameType } from "../../src/channel/frame.ts";
import type { Dispatcher } from "../../src/router/dispatcher.ts";
import type { QueueLimits } from "../../src/router/request-queue.ts";
import type { WorkerPoolListener } from "../../src/router/worker-pool.ts";
import type { FakeWorker } from "./fake-worker.ts";
import { RecordedRequest, type Recording } from "./recording.ts";

const UNLIMITED = Number.MAX_SAFE_INTEGER;

/** No request waits in vain but for the limits that a test sets. */
export function limitsOf(limits: Partial<QueueLimits>): () => QueueLimits {
  return () => ({ queuedRequests: UNLIMITED, queueMs: UNLIMITED, ...limits });
}

/** Writes down what a router is told. */
export function recordingListener(told: Recording): WorkerPoolListener {
  return {
    onWorkerDialled: (worker) => told.add(`dialled ${worker}`),
    onWorkerReady: (worker) => told.add(`ready ${worker}`),
    onWorkerLeaving: (worker) => told.add(`leaving ${worker}`),
    onWorkerLost: (worker, request) => told.add(`lost ${worker} with ${request?.target ?? "nothing"}`),
    onWorkerTimeout: (worker, request) => told.add(`timeout ${worker} of ${request.target}`),
    onProtocolError: (worker, { code }) => told.add(`${code} by ${worker}`),
  };
}

export function submit(pool: Dispatcher, target: string, submittedAt = performance.now()): RecordedRequest {
  const request = new RecordedRequest(target, { submittedAt });
  pool.submit(request);
  return request;
}

/** The stream and the target of the request that the worker is given next. */
export async function receiveRequest(worker: FakeWorker): Promise<readonly [number, string]> {
  const { type, stream, payload } = await worker.receive();
  assert.equal(type, FrameType.request);
  return [stream, /RAW_URI\0(.*)$/.exec(payload.toString("latin1"))?.[1] ?? ""];
}
