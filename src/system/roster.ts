/** A place in a roster, which goes with its holder. */
export interface Seat<Holder> {
  readonly holder: Holder;
  /** Its number; -1 when it was given up. */
  place: number;
}

/**
 * Who is there, in no order. A `Set` would do, were it not for what each that goes leaves in it: V8 gives a set whose
 * members come and go a new table time and again, and links the old ones to it. One of them that has grown old keeps
 * all that follow alive until the next full collection, with everybody who was in them.
 */
export class Roster<Holder> {
  readonly #seats: Seat<Holder>[] = [];

  get size(): number {
    return this.#seats.length;
  }

  add(holder: Holder): Seat<Holder> {
    const seat = { holder, place: this.#seats.length };
    this.#seats.push(seat);
    return seat;
  }

  /** A seat that was given up already is left alone. */
  remove(seat: Seat<Holder>): void {
    if (seat.place < 0) return;
    const last = this.#seats.pop();
    if (last !== undefined && last !== seat) {
      this.#seats[seat.place] = last;
      last.place = seat.place;
    }
    seat.place = -1;
  }

  clear(): void {
    for (const seat of this.#seats) seat.place = -1;
    this.#seats.length = 0;
  }

  /** Visits all who are there the whole time at least once; the one that is visited may leave. */
  forEach(visit: (holder: Holder) => void): void {
    // From the end: the one that takes the place of one who goes was visited before.
    for (let place = this.#seats.length - 1; place >= 0; place -= 1) {
      const seat = this.#seats[place];
      if (seat !== undefined) visit(seat.holder);
    }
  }
}
