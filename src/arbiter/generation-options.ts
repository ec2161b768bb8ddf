import type { Invocation } from "../config/invocation.ts";
import type { AdoptedMold } from "./mold-process.ts";

/** What a generation tells the arbiter. */
export interface GenerationListener {
  /** The mold of the generation with this number died although nobody told it to leave. */
  onMoldLost(generation: number): void;
}

export interface GenerationOptions {
  readonly number: number;
  readonly invocation: Invocation;
  readonly interpreter: string;
  /** A mold that is there already, and has read the configuration file; or null. */
  readonly adoptedMold: AdoptedMold | null;
  /** Gives the next worker its number. */
  readonly nextAge: () => number;
  readonly listener: GenerationListener;
}
