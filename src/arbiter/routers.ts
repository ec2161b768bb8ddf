import type { ErrorLog } from "../log/error-log.ts";
import type { ArbiterToRouter, RouterToArbiter } from "../router/messages.ts";
import type { Listener } from "./listener.ts";
import type { RouterOptions } from "./router-handle.ts";
import type { EarlyRouter } from "./router-process.ts";
import { RouterSupervisor } from "./router-supervisor.ts";

export interface RoutersOptions {
  readonly count: number;
  /** What the router with this number is started with; asked anew for each start. */
  readonly describe: (router: number) => Omit<RouterOptions, "listener" | "early">;
  /** A process for the first of them. */
  readonly early: EarlyRouter | null;
  readonly log: ErrorLog;
  /** Of the application. */
  readonly interpreter: string;
  readonly onMessage: (message: RouterToArbiter) => void;
  /** A router died and no other could be started. */
  readonly onGivenUp: () => void;
}

/** All routers of a server. They accept from the same listeners; what is said is said to each of them. */
export class Routers {
  readonly #supervisors: readonly RouterSupervisor[];

  constructor({ count, describe, early, ...options }: RoutersOptions) {
    this.#supervisors = Array.from(
      { length: count },
      (_, router) =>
        new RouterSupervisor({
          ...options,
          describe: () => describe(router),
          early: router === 0 ? early : null,
        }),
    );
  }

  /** Starts all; resolves when they listen. */
  async start(): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.start()));
  }

  send(message: ArbiterToRouter): void {
    for (const supervisor of this.#supervisors) supervisor.send(message);
  }

  /** Whether all have answered since the last call; one that is being replaced counts as well. */
  isWell(): boolean {
    // Each is asked, whatever the others have answered.
    return this.#supervisors.map((supervisor) => supervisor.isWell()).every(Boolean);
  }

  /** Has a further listener served. Resolves with the reason why it cannot be; null when it is. */
  async openListener(listener: Listener): Promise<string | null> {
    const errors = await Promise.all(
      this.#supervisors.map((supervisor) => supervisor.openListener(listener)),
    );
    return errors.find((error) => error !== null) ?? null;
  }

  /** Resolves when listeners are closed, with their backlogs empty. */
  async closeListeners(ids: readonly number[]): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.closeListeners(ids)));
  }

  /** Lets them answer all that was accepted, for good; resolves when they have, or are gone. */
  async drain(options: { readonly isHandover: boolean }): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.drain(options)));
  }

  /** As drain() at a handover, but listeners may be opened again; resolves when all is answered. */
  async pause(): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.pause()));
  }

  /** Ends the processes now. */
  kill(): void {
    for (const supervisor of this.#supervisors) supervisor.kill();
  }

  /** Cuts every connection off; the processes may still be there. */
  cutOff(): void {
    for (const supervisor of this.#supervisors) supervisor.cutOff();
  }

  /** Ends the processes. */
  async stop(): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.stop()));
  }
}
