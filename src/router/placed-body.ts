import type { RequestBody } from "../channel/messages.ts";
import type { BodyPlaces } from "../queue/body-places.ts";
import type { BodyCollector } from "./body-collector.ts";

export interface PlacedBodyOptions {
  readonly places: BodyPlaces;
  /** The place that it has, or the first of several; the whole body fits in. */
  readonly place: number;
  /** Gathers the body another way, for when the place turns out to have no memory. */
  readonly makeOther: () => BodyCollector;
}

/** Gathers the body of one request in a place of the ring. It keeps none of the bytes that it is given. */
export class PlacedBody implements BodyCollector {
  readonly #options: PlacedBodyOptions;
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

  add(piece: Buffer): void {
    if (this.#other !== null) {
      this.#other.add(Buffer.from(piece));
      return;
    }
    const { places, place } = this.#options;
    if (this.#isReleased) return;
    if (places.write(place, this.#bytes, piece)) {
      this.#bytes += piece.length;
      return;
    }
    const other = this.#moveToOther();
    other.add(Buffer.from(piece));
  }

  inMemory(): RequestBody | null {
    if (this.#other !== null) return this.#other.inMemory();
    return { type: "placed", place: this.#options.place, bytes: this.#bytes };
  }

  async complete(): Promise<RequestBody | null> {
    return this.#other === null ? this.inMemory() : await this.#other.complete();
  }

  /** Takes the complete body out of its place, for a worker that cannot read the ring. */
  takeOut(): RequestBody {
    const { places, place } = this.#options;
    const body = places.read(place, this.#bytes);
    this.#release();
    return { type: "memory", pieces: [body], bytes: body.length };
  }

  discard(): void {
    this.#release();
    this.#other?.discard();
  }

  #moveToOther(): BodyCollector {
    if (this.#other !== null) return this.#other;
    const { places, place, makeOther } = this.#options;
    this.#other = makeOther();
    if (this.#bytes > 0) this.#other.add(places.read(place, this.#bytes));
    this.#release();
    return this.#other;
  }

  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#options.places.release(this.#options.place);
  }
}
