import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import type { RequestBody } from "../../src/channel/messages.ts";
import type { BodyPlaces } from "../../src/queue/body-places.ts";
import { PLACE_BYTES, RING_BYTES } from "../../src/queue/ring-layout.ts";
import { createRing, Ring } from "../../src/queue/ring.ts";
import { PlacedBody } from "../../src/router/placed-body.ts";
import { RequestBodyCollector } from "../../src/router/request-body.ts";
import { seededBytes } from "../helpers/bodies.ts";
import { mountSmall } from "../helpers/small-file-system.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

interface Made {
  readonly body: PlacedBody;
  readonly places: BodyPlaces;
}

/** A body in the one place that there is. */
async function make(t: TestContext, folder?: string): Promise<Made> {
  const directory = await temporaryFolder(t);
  const path = join(folder ?? directory, "ring-0");
  createRing(path, 1);
  const ring = new Ring(path);
  onTeardown(t, () => ring.close());
  const { places } = ring;
  const makeOther = (): RequestBodyCollector =>
    new RequestBodyCollector({
      directory,
      memoryBytes: () => PLACE_BYTES,
      onPause: () => assert.fail("nothing waits for the disk"),
      onResume: () => assert.fail("nothing waits for the disk"),
      onError: (error) => assert.fail(error),
    });
  const body = new PlacedBody({ places, place: places.take(1) ?? -1, makeOther });
  onTeardown(t, () => body.discard());
  return { body, places };
}

function bytesOf(body: RequestBody | null): Buffer {
  assert.ok(body?.type === "memory");
  return Buffer.concat(body.pieces);
}

/** Adds a body in pieces, whose memory is overwritten as soon as it was added. */
function addLent(body: PlacedBody, bytes: Buffer, pieceBytes: number): void {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const lent = Buffer.from(bytes.subarray(at, at + pieceBytes));
    body.add(lent);
    lent.fill("!");
  }
}

test("PlacedBody puts a body into its place, and keeps none of the pieces", async (t) => {
  const { body, places } = await make(t);
  const bytes = seededBytes(1, PLACE_BYTES);
  addLent(body, bytes, 100_000);
  assert.deepEqual([body.bytes, body.memoryBytes], [PLACE_BYTES, PLACE_BYTES]);
  assert.deepEqual(body.inMemory(), { type: "placed", place: 0, bytes: PLACE_BYTES });
  assert.deepEqual(await body.complete(), body.inMemory());
  assert.ok(places.read(0, PLACE_BYTES).equals(bytes));
});

test("PlacedBody.discard() gives the place to another body, once", async (t) => {
  const { body, places } = await make(t);
  addLent(body, seededBytes(2, 100_000), 50_000);
  assert.equal(places.take(1), null);
  body.discard();
  body.discard();
  assert.equal(places.take(1), 0);
  body.add(Buffer.from("late"));
  assert.equal(places.take(1), null);
});

test("PlacedBody.takeOut() gives the body to a worker that does not see the ring, and the place back", async (t) => {
  const { body, places } = await make(t);
  const bytes = seededBytes(3, 300_000);
  addLent(body, bytes, 70_000);
  const taken = body.takeOut();
  assert.equal(places.take(1), 0);
  places.write(0, 0, Buffer.alloc(300_000, "?"));
  assert.ok(bytesOf(taken).equals(bytes));
});

test("PlacedBody gathers a body elsewhere when the ring's file system is full", async (t) => {
  const folder = await mountSmall(t, RING_BYTES + 256 * 1024);
  if (folder === undefined) {
    t.skip("this user may not mount a file system");
    return;
  }
  const { body, places } = await make(t, folder);
  const bytes = seededBytes(4, PLACE_BYTES);
  addLent(body, bytes, 100_000);
  assert.deepEqual([body.bytes, body.memoryBytes], [PLACE_BYTES, PLACE_BYTES]);
  assert.ok(bytesOf(body.inMemory()).equals(bytes));
  assert.equal(places.take(1), 0);
});
