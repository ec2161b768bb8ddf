import type { Hello } from "../channel/messages.ts";
import type { WorkerRequest } from "./dispatcher.ts";
import type { RequestSummary } from "./messages.ts";

/**
 * issued: its token is in the FIFO, or in the hands of a worker that has not said so. withdrawn: nobody may
 * begin it any more; whether somebody has, is seen a little later. claimed: a worker answers it.
 */
export type QueuedRequestState =
  | { readonly type: "issued" }
  | Withdrawn
  | { readonly type: "claimed"; readonly channel: Claimant };

export interface Withdrawn {
  readonly type: "withdrawn";
  readonly reason: WithdrawalReason;
  readonly at: number;
  /** What follows will be done as soon as all that workers have said is read. */
  isSettling: boolean;
}

/** The channel of a worker that has claimed a request. */
export interface Claimant {
  readonly hello: Hello;
  readonly isPaused: boolean;
  drain(): void;
}

/** cancelled: the client is gone. overdue: it waited too long. reissue: its token may be lost. */
export type WithdrawalReason = "cancelled" | "overdue" | "reissue";

/** A request in the ring. */
export class QueuedRequest {
  readonly request: WorkerRequest;
  readonly stream: number;
  /** In whose FIFO its token is, or was. */
  generation: number;
  state: QueuedRequestState = { type: "issued" };
  /** Somebody waits for the response: the client is there, and nothing was answered in its place. */
  isWanted = true;
  /** When it was first seen with a worker; 0 before. */
  startedAt = 0;
  /** Since when the worker waits for a slow client. */
  pausedAt: number | null = null;
  isTimedOut = false;
  /** The time that its worker takes is limited. */
  isTimed = true;

  constructor(request: WorkerRequest, stream: number, generation: number) {
    this.request = request;
    this.stream = stream;
    this.generation = generation;
  }

  start(now: number): void {
    if (this.startedAt === 0) this.startedAt = now;
  }

  isOverdue(timeoutMs: number, now: number): boolean {
    const isRunning = this.startedAt > 0 && this.pausedAt === null && this.isTimed && !this.isTimedOut;
    return timeoutMs > 0 && isRunning && now - this.startedAt > timeoutMs;
  }

  /** The worker's clock stands still while it waits for a slow client. */
  resume(now: number): void {
    if (this.pausedAt !== null) this.startedAt += now - this.pausedAt;
    this.pausedAt = null;
  }

  summary(now: number): RequestSummary {
    const { method, target, submittedAt } = this.request;
    return { method, target, ageMs: now - (this.startedAt || submittedAt) };
  }
}
