import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import type { RequestBody } from "../../src/channel/messages.ts";
import type { BodyPlaces } from "../../src/queue/body-places.ts";
import { PLACE_BYTES, RING_BYTES } from "../../src/queue/ring-layout.ts";
import { createRing, Ring } from "../../src/queue/ring.ts";
import { BodyTurn, BodyTurns } from "../../src/router/body-turns.ts";
import { PlacedBody, type BodyClient } from "../../src/router/placed-body.ts";
import { RequestBodyCollector } from "../../src/router/request-body.ts";
import { seededBytes } from "../helpers/bodies.ts";
import { mountSmall } from "../helpers/small-file-system.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** No turn ends by itself. */
const LONG_MS = 60_000;

interface Made {
  readonly body: PlacedBody;
  readonly places: BodyPlaces;
}

/** A client of which only what happens to it counts. */
class Client implements BodyClient {
  hasMoreBody: boolean;
  readonly readings: ("paused" | "resumed")[] = [];

  constructor({ hasMoreBody }: { readonly hasMoreBody: boolean }) {
    this.hasMoreBody = hasMoreBody;
  }

  pauseBody(): void {
    this.readings.push("paused");
  }

  resumeBody(): void {
    this.readings.push("resumed");
  }
}

/** Turns of which none is left, and who has them. */
function takenTurns(): { readonly turns: BodyTurns; readonly taken: readonly BodyTurn[] } {
  const turns = new BodyTurns(() => 1, LONG_MS);
  const taken = Array.from({ length: 8 }, () => new BodyTurn(() => {}));
  for (const turn of taken) turns.take(turn);
  assert.ok(taken.every((turn) => !turn.isWaiting));
  return { turns, taken };
}

/** A body of a client that sends slowly, in the one place that there is. */
async function make(t: TestContext, folder?: string): Promise<Made> {
  const turns = new BodyTurns(() => 1, LONG_MS);
  const made = await makeFor(t, { client: new Client({ hasMoreBody: false }), turns, folder });
  assert.ok(made.body.begin());
  return made;
}

interface Wanted {
  readonly client: BodyClient;
  readonly turns: BodyTurns;
  readonly bytes?: number;
  readonly folder?: string | undefined;
}

/** A body that has not begun. */
async function makeFor(
  t: TestContext,
  { client, turns, bytes = PLACE_BYTES, folder }: Wanted,
): Promise<Made> {
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
  const body = new PlacedBody({ places, turns, bytes, client, makeOther });
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

test("PlacedBody of a client that sends fast waits for its turn, and takes no place until then", async (t) => {
  const { turns, taken } = takenTurns();
  const client = new Client({ hasMoreBody: true });
  const { body, places } = await makeFor(t, { client, turns });
  assert.ok(body.begin());
  const bytes = seededBytes(5, PLACE_BYTES);
  addLent(body, bytes.subarray(0, 20_000), 8_000);
  assert.deepEqual([places.taken, body.bytes, client.readings], [0, 20_000, ["paused"]]);
  turns.end(taken[3] as BodyTurn);
  assert.deepEqual([places.taken, client.readings], [1, ["paused", "resumed"]]);
  addLent(body, bytes.subarray(20_000), 100_000);
  assert.deepEqual(body.inMemory(), { type: "placed", place: 0, bytes: PLACE_BYTES });
  assert.ok(places.read(0, PLACE_BYTES).equals(bytes));
});

test("PlacedBody keeps its turn until it is discarded", async (t) => {
  const { turns, taken } = takenTurns();
  const { body } = await makeFor(t, { client: new Client({ hasMoreBody: true }), turns });
  turns.end(taken[0] as BodyTurn);
  assert.ok(body.begin());
  const next = new BodyTurn(() => {});
  turns.take(next);
  addLent(body, seededBytes(6, PLACE_BYTES), 100_000);
  assert.ok(next.isWaiting);
  body.discard();
  assert.ok(!next.isWaiting);
});

test("PlacedBody gives its turn to the next one when its client sends slowly, and goes on", async (t) => {
  const { turns, taken } = takenTurns();
  const client = new Client({ hasMoreBody: true });
  const { body, places } = await makeFor(t, { client, turns });
  turns.end(taken[0] as BodyTurn);
  assert.ok(body.begin());
  const next = new BodyTurn(() => {});
  turns.take(next);
  const bytes = seededBytes(7, PLACE_BYTES);
  addLent(body, bytes.subarray(0, 300_000), 100_000);
  assert.ok(next.isWaiting);
  client.hasMoreBody = false;
  addLent(body, bytes.subarray(300_000), 100_000);
  assert.ok(!next.isWaiting);
  assert.ok(places.read(0, PLACE_BYTES).equals(bytes));
});

test("PlacedBody of a client that leaves does not wait any more", async (t) => {
  const { turns, taken } = takenTurns();
  const client = new Client({ hasMoreBody: true });
  const { body, places } = await makeFor(t, { client, turns });
  assert.ok(body.begin());
  body.discard();
  turns.end(taken[0] as BodyTurn);
  assert.deepEqual([places.taken, client.readings], [0, ["paused"]]);
});

test("PlacedBody that is complete before its turn stays in memory", async (t) => {
  const { turns, taken } = takenTurns();
  const client = new Client({ hasMoreBody: true });
  const { body, places } = await makeFor(t, { client, turns, bytes: 100_000 });
  assert.ok(body.begin());
  const bytes = seededBytes(8, 100_000);
  addLent(body, bytes, 60_000);
  const complete = body.inMemory();
  turns.end(taken[0] as BodyTurn);
  assert.ok(bytesOf(complete).equals(bytes));
  assert.deepEqual([places.taken, client.readings], [0, ["paused", "resumed"]]);
});

test("PlacedBody gathers a body elsewhere when no place is left in its turn, which is the next one's then", async (t) => {
  const { turns, taken } = takenTurns();
  const { body, places } = await makeFor(t, { client: new Client({ hasMoreBody: true }), turns });
  assert.ok(body.begin());
  const bytes = seededBytes(9, PLACE_BYTES);
  addLent(body, bytes.subarray(0, 20_000), 8_000);
  assert.equal(places.take(1), 0);
  const next = new BodyTurn(() => {});
  turns.take(next);
  turns.end(taken[0] as BodyTurn);
  assert.ok(!next.isWaiting);
  addLent(body, bytes.subarray(20_000), 100_000);
  assert.ok(bytesOf(body.inMemory()).equals(bytes));
});
