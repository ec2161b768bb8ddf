import { join } from "node:path";
import type { TestContext } from "node:test";

import { createRing, Ring } from "../../src/queue/ring.ts";
import { QueueChannel } from "../../src/router/queue-channel.ts";
import { SharedQueue } from "../../src/router/shared-queue.ts";
import { WorkerGreeting } from "../../src/router/worker-greeting.ts";
import type { QueueLimits } from "../../src/router/request-queue.ts";
import { Deadlines } from "../../src/system/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { FakePuller, makeFifos, nextTurn, RingEnd, TokensEnd } from "./fake-puller.ts";
import { type FakeWorker, hello, openChannelServer, ready } from "./fake-worker.ts";
import { limitsOf, recordingListener } from "./pooled.ts";
import { RecordedRequest, type RecordedRequestOptions, Recording } from "./recording.ts";

/** After this time what was withdrawn may be settled. */
export const SETTLED_MS = 20;

export interface OpenedQueue {
  readonly queue: SharedQueue;
  /** Of the ring and the FIFOs. */
  readonly folder: string;
  /** The router's end of the ring. */
  readonly ownRing: Ring;
  /** A worker's. */
  readonly ring: RingEnd;
  /** The FIFO of a generation. */
  readonly tokensPath: (generation: number) => string;
  /** What the queue told its router. */
  readonly told: Recording;
  /** A worker that has said HELLO and READY. */
  readonly dial: (worker: number, generation?: number) => Promise<FakePuller>;
  /** One that was told to pull, too. */
  readonly boot: (worker: number, generation?: number) => Promise<FakePuller>;
  readonly submit: (target: string, options?: RecordedRequestOptions) => RecordedRequest;
  /** Does what is due at intervals, as if so much time had passed. */
  readonly look: (afterMs?: number) => void;
  /** Withdraws what is to be withdrawn, and settles it. */
  readonly settle: () => Promise<void>;
}

export interface OpenedQueueOptions {
  readonly limits?: Partial<QueueLimits>;
  readonly timeoutMs?: number;
  /** Null: none is. */
  readonly active?: number | null;
  /** How many generations have a FIFO. */
  readonly generations?: number;
}

/** A queue in a real file and real FIFOs, whose deadlines fire only when a test calls for them. */
export async function openQueue(
  t: TestContext,
  { limits = {}, timeoutMs = 0, active = 1, generations = 3 }: OpenedQueueOptions = {},
): Promise<OpenedQueue> {
  const folder = await temporaryFolder(t);
  const ringPath = join(folder, "ring-0");
  createRing(ringPath);
  const fifos = makeFifos(folder, generations);
  const tokensPath = (generation: number): string => fifos[generation - 1] ?? "";
  const deadlines = new Deadlines(60_000);
  onTeardown(t, () => deadlines.close());
  const told = new Recording();
  const ownRing = new Ring(ringPath);
  const queue = new SharedQueue({
    ring: ownRing,
    router: 0,
    deadlines,
    limits: limitsOf(limits),
    timeoutMs: () => timeoutMs,
    listener: recordingListener(told),
  });
  onTeardown(t, () => queue.destroy());
  if (active !== null) queue.activate(active, tokensPath(active));
  const server = await openChannelServer(t, (socket) => {
    const greeting = new WorkerGreeting({
      socket,
      deadlines,
      onHello: (said) => queue.add(new QueueChannel({ socket, hello: said, listener: queue })),
      onJoin: (number) => told.add(`join ${number}`),
      onProtocolError: ({ code }) => told.add(`${code} before HELLO`),
    });
    void greeting;
  });
  const ring = new RingEnd(t, ringPath);
  const dial = async (worker: number, generation = 1): Promise<FakePuller> => {
    const channel: FakeWorker = await server.dial();
    channel.send(hello(worker, generation, { isPulling: true }), ready);
    await told.waitFor(`ready ${worker}`);
    return new FakePuller(channel, ring, new TokensEnd(t, tokensPath(generation)));
  };
  const boot = async (worker: number, generation = 1): Promise<FakePuller> => {
    const puller = await dial(worker, generation);
    await puller.waitForPull();
    return puller;
  };
  const submit = (target: string, options: RecordedRequestOptions = {}): RecordedRequest => {
    const request = new RecordedRequest(target, options);
    queue.submit(request);
    return request;
  };
  const look = (afterMs = 0): void => queue.onDeadline(performance.now() + afterMs);
  const settle = async (): Promise<void> => {
    look();
    look(SETTLED_MS);
    await nextTurn();
    await nextTurn();
  };
  return { queue, folder, ownRing, ring, tokensPath, told, dial, boot, submit, look, settle };
}
