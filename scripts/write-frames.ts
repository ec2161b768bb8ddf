/**
 * Writes test/frames: one recorded frame to a file, and frames.json, which says what each of them holds.
 *
 *     node --import tsx scripts/write-frames.ts [FOLDER]
 *
 * Every octet stands in scripts/frames by hand and follows src/channel/frame.md, not a codec: both languages hold
 * theirs against it.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { requestFrames } from "./frames/request-frames.ts";
import type { RecordedFrame } from "./frames/recorded-frame.ts";
import { responseFrames } from "./frames/response-frames.ts";
import { streamFrames } from "./frames/stream-frames.ts";
import { workerFrames } from "./frames/worker-frames.ts";
import { join as joinOctets, toAsciiJson } from "./octets.ts";

const frames = [...workerFrames, ...requestFrames, ...responseFrames, ...streamFrames];
const HEADER_BYTES = 12;

const folder = process.argv[2] ?? fileURLToPath(new URL("../test/frames", import.meta.url));

mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) {
  if (name.endsWith(".bin")) rmSync(join(folder, name));
}
for (const frame of frames) writeFileSync(join(folder, `${frame.name}.bin`), toOctets(frame));
const entries = Object.fromEntries(frames.map(({ name, fields }) => [name, fields]));
writeFileSync(join(folder, "frames.json"), `${toAsciiJson(entries)}\n`);

/** Lengths were counted by hand, so they are checked. */
function toOctets({ name, octets }: RecordedFrame): Buffer {
  const bytes = joinOctets(octets);
  const announced = bytes.readUInt32LE(0);
  const written = bytes.length - HEADER_BYTES;
  if (announced !== written) {
    throw new Error(`The frame ${name} announces ${announced} octets and has ${written}`);
  }
  return bytes;
}
