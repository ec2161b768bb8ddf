import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import type { BodyPlaces } from "../../src/queue/body-places.ts";
import { PLACE_BYTES, PLACES_OFFSET, RING_BYTES } from "../../src/queue/ring-layout.ts";
import { createRing, Ring } from "../../src/queue/ring.ts";
import { seededBytes } from "../helpers/bodies.ts";
import { memoryFolder } from "../helpers/memory-folder.ts";
import { mountSmall } from "../helpers/small-file-system.ts";
import { runProgram } from "../helpers/program.ts";
import { repositoryRoot } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

interface Opened {
  readonly path: string;
  readonly places: BodyPlaces;
}

async function open(t: TestContext, count: number, folder?: string): Promise<Opened> {
  const path = join(folder ?? (await temporaryFolder(t)), "ring-0");
  createRing(path, count);
  const ring = new Ring(path);
  onTeardown(t, () => ring.close());
  return { path, places: ring.places };
}

const needsMemoryFolder = process.platform === "linux" ? false : "only Linux has /dev/shm";

test("BodyPlaces gives each place to one body at a time, and the lowest that is free to the next", async (t) => {
  const { places } = await open(t, 3);
  const taken = [places.take(1), places.take(1), places.take(1)];
  assert.deepEqual(taken, [0, 1, 2]);
  assert.equal(places.take(1), null);
  places.release(1);
  places.release(0);
  assert.equal(places.take(1), 0);
});

test("BodyPlaces gives a body of several mebibytes as many places in a row, and all of them back", async (t) => {
  const { places } = await open(t, 12);
  assert.equal(places.take(PLACE_BYTES), 0);
  assert.equal(places.take(PLACE_BYTES + 1), 1);
  assert.equal(places.take(PLACE_BYTES), 3);
  places.release(0);
  // One is free before those that are taken, which is too few.
  assert.equal(places.take(4 * PLACE_BYTES), 4);
  assert.equal(places.taken, 7);
  places.release(1);
  assert.equal(places.take(3 * PLACE_BYTES), 0);
  assert.equal(places.take(4 * PLACE_BYTES + 1), null);
});

test("BodyPlaces gives out several places only while half of them are free", async (t) => {
  const { places } = await open(t, 8);
  assert.deepEqual([places.take(3 * PLACE_BYTES), places.take(PLACE_BYTES)], [0, 3]);
  assert.equal(places.take(2 * PLACE_BYTES), null);
  assert.equal(places.take(PLACE_BYTES), 4);
  places.release(3);
  places.release(4);
  assert.equal(places.take(2 * PLACE_BYTES), 3);
});

test("BodyPlaces has none where the ring's file has no room for any", async (t) => {
  const { places } = await open(t, 0);
  assert.equal(places.take(1), null);
});

test("BodyPlaces keeps the bodies of neighbours apart, of which each may fill its place", async (t) => {
  const { path, places } = await open(t, 3);
  const bodies = [0, 1, 2].map((seed) => seededBytes(seed, PLACE_BYTES));
  for (const [place, body] of [...bodies.entries()].toReversed()) {
    assert.ok(places.write(place, 0, body.subarray(0, 1000)));
    assert.ok(places.write(place, 1000, body.subarray(1000)));
  }
  for (const [place, body] of bodies.entries()) {
    assert.ok(places.read(place, PLACE_BYTES).equals(body));
    assert.ok(places.read(place, 10).equals(body.subarray(0, 10)));
  }
  const start = PLACES_OFFSET + PLACE_BYTES;
  assert.ok(
    readFileSync(path)
      .subarray(start, start + PLACE_BYTES)
      .equals(bodies[1] ?? Buffer.alloc(0)),
  );
});

test(
  "BodyPlaces takes memory for what is written, and gives it back when no place was used for a while",
  { skip: needsMemoryFolder },
  async (t) => {
    const { path, places } = await open(t, 3, memoryFolder(t));
    const bytesNow = (): number => statSync(path).blocks * 512;
    assert.ok(bytesNow() < RING_BYTES + PLACE_BYTES);
    const place = places.take(1) ?? -1;
    places.write(place, 0, seededBytes(1, PLACE_BYTES));
    assert.ok(bytesNow() >= RING_BYTES + PLACE_BYTES);

    places.release(place);
    assert.ok(Number.isFinite(places.deadlineAt));
    places.take(1);
    places.onDeadline();
    assert.ok(bytesNow() >= RING_BYTES + PLACE_BYTES, "a place is in use");

    places.release(place);
    places.onDeadline();
    assert.ok(bytesNow() < RING_BYTES + PLACE_BYTES);
    assert.equal(statSync(path).size, RING_BYTES + 3 * PLACE_BYTES);
    assert.equal(places.deadlineAt, Infinity);
  },
);

test("BodyPlaces says when the file system is full, and what was written before stays", async (t) => {
  const folder = await mountSmall(t, RING_BYTES + PLACE_BYTES / 2);
  if (folder === undefined) {
    t.skip("this user may not mount a file system");
    return;
  }
  const { places } = await open(t, 1, folder);
  const body = seededBytes(7, PLACE_BYTES);
  assert.ok(places.write(0, 0, body.subarray(0, 100_000)));
  assert.equal(places.write(0, 100_000, body.subarray(100_000)), false);
  assert.ok(places.read(0, 100_000).equals(body.subarray(0, 100_000)));
});

test("A ring has no places where files may not be so large", async (t) => {
  const path = join(await temporaryFolder(t), "ring-0");
  const program = `import { createRing } from "./src/queue/ring.ts"; createRing(${JSON.stringify(path)}, 64);`;
  // In units of 512 or 1024 octets, as the shell has it.
  const command = 'ulimit -f 8192 && exec "$0" --import tsx --input-type=module --eval "$1"';
  const { status, stderr } = await runProgram(t, "sh", ["-c", command, process.execPath, program], {
    cwd: repositoryRoot,
  });
  assert.equal(status, 0, stderr);
  assert.equal(statSync(path).size, RING_BYTES);
});

test("A ring that another router takes over has nothing of the bodies before, and as many places", async (t) => {
  const { path, places } = await open(t, 2);
  places.write(1, 0, Buffer.from("secret"));
  const next = new Ring(path);
  onTeardown(t, () => next.close());
  assert.equal(next.places.count, 2);
  assert.deepEqual(next.places.read(1, 6), Buffer.alloc(6));
});
