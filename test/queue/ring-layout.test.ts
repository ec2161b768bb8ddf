import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import {
  CLAIM_BYTES,
  CLAIM_COUNT,
  CLAIMS_OFFSET,
  PLACE_BYTES,
  PLACES_OFFSET,
  ringHeader,
  SLOT_BYTES,
  SLOT_COUNT,
  slotOf,
  SLOTS_OFFSET,
} from "../../src/queue/ring-layout.ts";
import { runProgram } from "../helpers/program.ts";
import { repositoryRoot } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { recordedPart, recordedRing, ringFolder } from "./recorded-ring.ts";

test("ringHeader() writes the recorded header", () => {
  assert.deepEqual(ringHeader(recordedRing.epoch, recordedRing.places.count), recordedPart("header"));
});

test("A ring has the recorded size, and the slots and claims their recorded places in it", () => {
  const { places, octets } = recordedRing;
  assert.equal(PLACES_OFFSET + places.count * PLACE_BYTES, octets);
  assert.equal(PLACES_OFFSET + places.number * PLACE_BYTES, places.at);
  for (const { stream, at } of recordedRing.requests) {
    assert.equal(SLOTS_OFFSET + slotOf(stream) * SLOT_BYTES, at);
  }
  const { number, at } = recordedRing.claim;
  assert.equal(CLAIMS_OFFSET + number * CLAIM_BYTES, at);
});

test("The slots of a ring begin behind the claims, at a page, so that a slot is a page, and the places behind the slots", () => {
  assert.ok(SLOTS_OFFSET >= CLAIMS_OFFSET + CLAIM_COUNT * CLAIM_BYTES);
  assert.deepEqual([SLOTS_OFFSET % SLOT_BYTES, SLOT_BYTES % 4096], [0, 0]);
  assert.ok(PLACES_OFFSET >= SLOTS_OFFSET + SLOT_COUNT * SLOT_BYTES);
});

test("slotOf() is the low bits of a stream", () => {
  assert.deepEqual(
    [SLOT_COUNT, SLOT_COUNT + 511, 2 ** 32 - 1].map((stream) => slotOf(stream)),
    [0, 511, 511],
  );
});

test("The recorded ring is what scripts/write-ring.ts writes", async (t) => {
  const folder = await temporaryFolder(t);
  const script = join(repositoryRoot, "scripts/write-ring.ts");
  const { status, stderr } = await runProgram(t, process.execPath, ["--import", "tsx", script, folder]);
  assert.equal(status, 0, stderr);
  const recorded = readdirSync(ringFolder).filter((name) => name !== "README.md");
  assert.deepEqual(readdirSync(folder).toSorted(), recorded.toSorted());
  for (const name of recorded) {
    assert.deepEqual(
      readFileSync(join(folder, name)),
      readFileSync(join(ringFolder, name)),
      `${name} differs from the script`,
    );
  }
});
