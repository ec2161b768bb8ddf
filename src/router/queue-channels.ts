import type { Claims } from "../queue/claims.ts";
import type { Ring } from "../queue/ring.ts";
import type { QueueChannel } from "./queue-channel.ts";

/** The channels of the workers that pull, each with a claim of its own in the ring. */
export class QueueChannels {
  readonly #ring: Ring;
  readonly #all = new Set<QueueChannel>();
  readonly #claimants = new Map<number, QueueChannel>();

  constructor(ring: Ring) {
    this.#ring = ring;
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): IterableIterator<QueueChannel> {
    return this.#all.values();
  }

  add(channel: QueueChannel): void {
    this.#all.add(channel);
  }

  delete(channel: QueueChannel): void {
    this.#all.delete(channel);
    if (channel.claim === null) return;
    this.#claimants.delete(channel.claim);
    this.#ring.closeClaim(channel.claim);
  }

  /** The channel whose worker has claimed a stream. */
  claimantOf(stream: number, claims: Claims): QueueChannel | null {
    const claim = claims.claimOf(stream);
    return claim === null ? null : (this.#claimants.get(claim) ?? null);
  }

  /**
   * Channels that a slow client holds back although their worker is done with its answer. Answers to other clients
   * may wait in such a socket behind that answer, so it is read on. That is no more than a socket holds.
   */
  heldBack(claims: Claims): readonly QueueChannel[] {
    return [...this.#all].filter((channel) => channel.isPaused && !channel.isAnswering(claims));
  }

  hasGeneration(generation: number): boolean {
    for (const { hello } of this.#all) if (hello.generation === generation) return true;
    return false;
  }

  /** A worker with several threads has several channels. */
  hasWorker(worker: number): boolean {
    for (const { hello } of this.#all) if (hello.worker === worker) return true;
    return false;
  }

  /** Workers of older generations leave; those of this one pull, where it `isOpen`. */
  tellPlaces(generation: number, isOpen: boolean): void {
    for (const channel of this.#all) {
      if (channel.hello.generation < generation) channel.drain();
      else if (channel.hello.generation === generation && isOpen) this.#letPull(channel);
    }
  }

  #letPull(channel: QueueChannel): void {
    if (!channel.mayPull) return;
    const claim = this.#ring.openClaim();
    // All are in use: it waits until another channel has gone.
    if (claim === null) return;
    this.#claimants.set(claim, channel);
    channel.pull(this.#ring.epoch, claim);
  }
}
