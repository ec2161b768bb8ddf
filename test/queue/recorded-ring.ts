import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { RequestBody } from "../../src/channel/messages.ts";
import { repositoryRoot } from "../helpers/server.ts";

export const ringFolder = join(repositoryRoot, "test/ring");

export interface RecordedRequest {
  readonly name: string;
  readonly at: number;
  readonly stream: number;
  readonly flags: readonly string[];
  readonly environ: readonly (readonly [string, string])[];
  /** Latin-1; with file-body its path, with placed-body what lies in the place. */
  readonly body: string;
}

interface RecordedRing {
  /** Size of the file. */
  readonly octets: number;
  readonly epoch: number;
  /** How many there are, and which one has a body. */
  readonly places: { readonly count: number; readonly number: number; readonly at: number };
  readonly claim: { readonly number: number; readonly at: number; readonly stream: number };
  readonly requests: readonly RecordedRequest[];
}

export const recordedRing = JSON.parse(readFileSync(join(ringFolder, "ring.json"), "utf8")) as RecordedRing;

/** The octets of one part. */
export function recordedPart(name: string): Buffer {
  return readFileSync(join(ringFolder, `${name}.bin`));
}

/** A request as the router has it: the text of the environ, and the body. */
export function asPut({ environ, body, flags }: RecordedRequest): [environ: string, body: RequestBody] {
  const text = environ.map(([name, value]) => `${name}\0${value}`).join("\0");
  if (flags.includes("file-body")) return [text, { type: "file", path: body }];
  if (flags.includes("placed-body"))
    return [text, { type: "placed", place: recordedRing.places.number, bytes: body.length }];
  // Too large for any ring; what it is made of does not stand there.
  if (flags.includes("by-channel")) return [text, { type: "memory", pieces: [], bytes: 70_000 }];
  const bytes = Buffer.from(body, "latin1");
  return [text, { type: "memory", pieces: [bytes], bytes: bytes.length }];
}

export const flagBits: Readonly<Record<string, number>> = {
  "file-body": 8,
  "placed-body": 64,
  "by-channel": 128,
};
