import type { Octets } from "../octets.ts";

/** A frame as it stands in test/frames. */
export interface RecordedFrame {
  readonly name: string;
  /** The header comes first: payload length, type, flags, aux, stream. A text is latin-1. */
  readonly octets: readonly Octets[];
  /** Its entry in frames.json. */
  readonly fields: Readonly<Record<string, unknown>>;
}
