import type { RequestBody } from "../channel/messages.ts";
import type { BodyPlaces } from "../queue/body-places.ts";
import type { BodyCollector } from "./body-collector.ts";
import { BodyTurn, type BodyTurns } from "./body-turns.ts";

/** The client that sends a body. */
export interface BodyClient {
  /** More of the body has come than what is being given out. */
  readonly hasMoreBody: boolean;
  pauseBody(): void;
  resumeBody(): void;
}

export interface PlacedBodyOptions {
  readonly places: BodyPlaces;
  readonly turns: BodyTurns;
  /** Its size. */
  readonly bytes: number;
  readonly client: BodyClient;
  /** Gathers the body another way, for when there is no place, or it turns out to have no memory. */
  readonly makeOther: () => BodyCollector;
}

/**
 * Gathers the body of one request in a place of the ring. It keeps none of the bytes that it is given, but for the
 * first ones of a body that comes fast: such bodies come by turns, and have a place only then.
 */
export class PlacedBody implements BodyCollector {
  readonly #options: PlacedBodyOptions;
  #turn: BodyTurn | null = null;
  /** The first place of those that it has. */
  #place: number | null = null;
  /** What has come before its turn. */
  #early: Buffer[] = [];
  #bytes = 0;
  #other: BodyCollector | null = null;
  #isReleased = false;

  constructor(options: PlacedBodyOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#other?.bytes ?? this.#bytes;
  }

  get memoryBytes(): number {
    return this.#other?.memoryBytes ?? this.#bytes;
  }

  /** To be called first. False: there is no place, and this is of no use. */
  begin(): boolean {
    const { places, turns, bytes, client } = this.#options;
    if (!client.hasMoreBody) {
      // A client that sends slowly waits for nobody, and nobody waits for it.
      this.#place = places.take(bytes);
      return this.#place !== null;
    }
    let isPaused = false;
    this.#turn = new BodyTurn(() => {
      this.#onTurn();
      if (isPaused) client.resumeBody();
    });
    turns.take(this.#turn);
    if (this.#turn?.isWaiting) {
      isPaused = true;
      client.pauseBody();
    }
    return true;
  }

  add(piece: Buffer): void {
    this.#store(piece);
    const isSlow = !this.#isComplete && !this.#options.client.hasMoreBody;
    // The rest has not come yet: the next body does not wait for it.
    if (isSlow && this.#turn?.isWaiting === false) this.#endTurn();
  }

  #store(piece: Buffer): void {
    if (this.#other !== null) {
      this.#other.add(Buffer.from(piece));
      return;
    }
    if (this.#isReleased) return;
    if (this.#place === null) {
      this.#early.push(Buffer.from(piece));
    } else if (!this.#options.places.write(this.#place, this.#bytes, piece)) {
      this.#moveToOther().add(Buffer.from(piece));
      return;
    }
    this.#bytes += piece.length;
  }

  inMemory(): RequestBody | null {
    if (this.#other !== null) return this.#other.inMemory();
    if (this.#place === null) return { type: "memory", pieces: this.#early, bytes: this.#bytes };
    return { type: "placed", place: this.#place, bytes: this.#bytes };
  }

  async complete(): Promise<RequestBody | null> {
    return this.#other === null ? this.inMemory() : await this.#other.complete();
  }

  /** The complete body, out of its place: whoever gets it does not see the ring. */
  takeOut(): RequestBody {
    if (this.#place === null) throw new Error("the body has no place");
    const body = this.#options.places.read(this.#place, this.#bytes);
    this.#release();
    return { type: "memory", pieces: [body], bytes: body.length };
  }

  discard(): void {
    this.#release();
    this.#other?.discard();
  }

  get #isComplete(): boolean {
    return this.#bytes === this.#options.bytes;
  }

  #onTurn(): void {
    // What is complete already goes to its worker as it is.
    if (this.#isComplete) return;
    const early = this.#early;
    this.#early = [];
    this.#bytes = 0;
    this.#place = this.#options.places.take(this.#options.bytes);
    if (this.#place === null) this.#moveToOther();
    for (const piece of early) this.#store(piece);
  }

  #endTurn(): void {
    const turn = this.#turn;
    this.#turn = null;
    if (turn !== null) this.#options.turns.end(turn);
  }

  #moveToOther(): BodyCollector {
    const { places, makeOther } = this.#options;
    const other = makeOther();
    this.#other = other;
    if (this.#place !== null && this.#bytes > 0) other.add(places.read(this.#place, this.#bytes));
    this.#release();
    return other;
  }

  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#early = [];
    if (this.#place !== null) this.#options.places.release(this.#place);
    this.#endTurn();
  }
}
