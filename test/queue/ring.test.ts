import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { createRing, Ring } from "../../src/queue/ring.ts";
import {
  BY_CHANNEL,
  RING_BYTES,
  ringHeader,
  SLOT_BYTES,
  SLOT_COUNT,
  slotOf,
} from "../../src/queue/ring-layout.ts";
import { memoryFolder } from "../helpers/memory-folder.ts";
import { Random } from "../helpers/random.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { RingEnd } from "../router/fake-puller.ts";
import { openFilesBelow } from "../system/open-files.ts";
import { asPut, flagBits, recordedPart, recordedRing } from "./recorded-ring.ts";

interface Opened {
  readonly path: string;
  readonly ring: Ring;
  /** As a worker sees it. */
  readonly end: RingEnd;
}

async function newRing(t: TestContext, places = 0): Promise<string> {
  const path = join(await temporaryFolder(t), "ring-0");
  createRing(path, places);
  return path;
}

function takeOver(t: TestContext, path: string): Ring {
  const ring = new Ring(path);
  onTeardown(t, () => ring.close());
  return ring;
}

async function openRing(t: TestContext): Promise<Opened> {
  const path = await newRing(t);
  return { path, ring: takeOver(t, path), end: new RingEnd(t, path) };
}

function memoryBody(bytes: Buffer): Parameters<Ring["put"]>[1] {
  return { type: "memory", pieces: [bytes], bytes: bytes.length };
}

/** A body with which a request takes so many octets as the payload of a frame. */
function bodyFor(payloadBytes: number): Parameters<Ring["put"]>[1] {
  return memoryBody(Buffer.alloc(payloadBytes - 4 - "A\0b".length, "x"));
}

test("createRing() makes a private file of the ring's size, and not over another", async (t) => {
  const path = await newRing(t);
  const { size, mode } = statSync(path);
  assert.deepEqual([size, mode & 0o777], [RING_BYTES, 0o600]);
  assert.throws(() => createRing(path), { code: "EEXIST" });
});

const noMemoryFolder = process.platform === "linux" ? false : "only Linux has /dev/shm";

test(
  "createRing() takes all memory at once, so that no later store finds none",
  { skip: noMemoryFolder },
  (t) => {
    const path = join(memoryFolder(t), "ring-0");
    createRing(path);
    assert.ok(statSync(path).blocks * 512 >= RING_BYTES);
  },
);

test("Ring writes the recorded ring", async (t) => {
  const path = await newRing(t, recordedRing.places.count);
  const fd = openSync(path, "r+");
  writeSync(fd, ringHeader(recordedRing.epoch - 1, 0), 0);
  closeSync(fd);
  const ring = takeOver(t, path);
  assert.equal(ring.epoch, recordedRing.epoch);
  const streams = recordedRing.requests.map((request) => ring.put(...asPut(request)));
  assert.deepEqual(
    streams,
    recordedRing.requests.map(({ stream }) => stream),
  );
  ring.flush();
  const written = readFileSync(path);
  assert.deepEqual(written.subarray(0, 64), recordedPart("header"));
  for (const { name, at, flags } of recordedRing.requests) {
    const part = recordedPart(name);
    assert.deepEqual(written.subarray(at, at + part.length), part, name);
    assert.equal(
      written.readUInt32LE(at + 4),
      flags.reduce((bits, flag) => bits | (flagBits[flag] ?? 0), 0),
    );
  }
});

test("Ring gives out the recorded claim first, and reads what it names", async (t) => {
  const path = await newRing(t);
  const fd = openSync(path, "r+");
  writeSync(fd, ringHeader(recordedRing.epoch - 1, 0), 0);
  const ring = takeOver(t, path);
  const { number, at, stream } = recordedRing.claim;
  assert.equal(ring.openClaim(), number);
  writeSync(fd, recordedPart("claim"), 0, 4, at);
  closeSync(fd);
  assert.equal(ring.readClaims().claimOf(stream), number);
});

test("Ring writes nothing before flush()", async (t) => {
  const { ring, end } = await openRing(t);
  const stream = ring.put("A\0b", bodyFor(10));
  assert.equal(end.slot(stream).stream, 0);
  ring.flush();
  assert.equal(end.slot(stream).stream, stream);
});

for (const { what, payloadBytes, slots } of [
  { what: "fills its slot", payloadBytes: SLOT_BYTES - 16, slots: 1 },
  { what: "is an octet larger than a slot", payloadBytes: SLOT_BYTES - 15, slots: 2 },
  { what: "fills sixteen slots", payloadBytes: 16 * SLOT_BYTES - 16, slots: 16 },
]) {
  test(`Ring takes a request that ${what} whole, into ${slots}`, async (t) => {
    const { ring, end } = await openRing(t);
    const stream = ring.put("A\0b", bodyFor(payloadBytes));
    ring.flush();
    const { flags, payload } = end.slot(stream);
    assert.deepEqual([flags, payload.length], [0, payloadBytes]);
    assert.equal(payload.subarray(0, 7).toString("latin1"), "\x03\0\0\0A\0b");
    assert(payload.subarray(7).every((octet) => octet === "x".charCodeAt(0)));
    assert.deepEqual([ring.slotsOf(stream), ring.free], [slots, SLOT_COUNT - slots]);
    ring.release(stream);
    assert.equal(ring.free, SLOT_COUNT);
  });
}

test("Ring takes one slot for a request that is larger than sixteen, which goes by channel", async (t) => {
  const { ring, end } = await openRing(t);
  const stream = ring.put("A\0b", bodyFor(16 * SLOT_BYTES - 15));
  ring.flush();
  assert.deepEqual(end.slot(stream), { stream, flags: BY_CHANNEL, payload: Buffer.alloc(0) });
  assert.equal(ring.free, SLOT_COUNT - 1);
});

test("Ring lets a request of several slots go by channel while half of the slots are taken", async (t) => {
  const { ring, end } = await openRing(t);
  const streams = Array.from({ length: SLOT_COUNT / 2 }, () => ring.put("A\0b", bodyFor(10)));
  const large = ring.put("A\0b", bodyFor(SLOT_BYTES));
  ring.flush();
  assert.equal(end.slot(large).flags, BY_CHANNEL);
  assert.equal(ring.slotsOf(large), 1);
  ring.release(large);
  ring.release(streams[0] ?? 0);
  const next = ring.put("A\0b", bodyFor(SLOT_BYTES));
  assert.equal(ring.slotsOf(next), 2);
});

test("Ring lets a request of several slots go by channel when there is no row of free ones", async (t) => {
  const { ring, end } = await openRing(t);
  const streams = Array.from({ length: SLOT_COUNT }, () => ring.put("A\0b", bodyFor(10)));
  for (const [index, stream] of streams.entries()) if (index % 3 !== 0) ring.release(stream);
  const large = ring.put("A\0b", bodyFor(3 * SLOT_BYTES - 16));
  ring.flush();
  assert.equal(end.slot(large).flags, BY_CHANNEL);
  const smaller = ring.put("A\0b", bodyFor(2 * SLOT_BYTES - 16));
  assert.equal(ring.slotsOf(smaller), 2);
});

test("Ring.put() gives 0 when every slot is taken, and leaves what is in them", async (t) => {
  const { ring, end } = await openRing(t);
  const streams = Array.from({ length: SLOT_COUNT }, () => ring.put("A\0b", bodyFor(10)));
  assert.equal(ring.put("A\0b", bodyFor(10)), 0);
  assert.equal(ring.put("A\0b", bodyFor(100_000)), 0);
  assert.equal(ring.put("A\0b", { type: "placed", place: 0, bytes: 70_000 }), 0);
  ring.flush();
  assert.deepEqual(
    streams.map((stream) => end.slot(stream).stream),
    streams,
  );
});

test("Ring keeps a request of several slots whole that comes in one turn with many small ones", async (t) => {
  const { ring, end } = await openRing(t);
  const small = Array.from({ length: SLOT_COUNT / 2 - 1 }, () => ring.put("A\0b", bodyFor(10)));
  const large = ring.put("A\0b", bodyFor(2 * SLOT_BYTES - 16));
  ring.flush();
  const { payload } = end.slot(large);
  assert.deepEqual([ring.slotsOf(large), payload.length], [2, 2 * SLOT_BYTES - 16]);
  assert(payload.subarray(7).every((octet) => octet === "x".charCodeAt(0)));
  assert(small.every((stream) => end.slot(stream).stream === stream));
});

test("Ring.withdraw() hides a request from workers, also one that was put in the same turn, and no other", async (t) => {
  const { ring, end } = await openRing(t);
  const [first, second] = [ring.put("A\0b", bodyFor(10)), ring.put("A\0b", bodyFor(10))];
  ring.withdraw(first);
  assert.deepEqual([end.slot(first).stream, end.slot(second).stream], [0, second]);
  const third = ring.put("A\0b", bodyFor(10));
  ring.withdraw(second);
  ring.flush();
  assert.deepEqual(
    [first, second, third].map((stream) => end.slot(stream).stream),
    [0, 0, third],
  );
});

test("Ring.openClaim() gives each channel another claim, empty, and closeClaim() empties it", async (t) => {
  const { ring, end } = await openRing(t);
  const [first, second] = [ring.openClaim(), ring.openClaim()];
  assert(first !== null && second !== null && first !== second);
  end.store(first, 513);
  assert.equal(ring.readClaims().claimOf(513), first);
  ring.closeClaim(first);
  assert.equal(end.claimed(first), 0);
  assert.equal(ring.readClaims().claimOf(513), null);
});

test("Ring gives out every claim again, empty, whatever a process that lost it has stored there since", async (t) => {
  const { ring, end } = await openRing(t);
  const first = ring.openClaim();
  assert(first !== null);
  ring.closeClaim(first);
  end.store(first, 513);
  for (let next = ring.openClaim(); next !== first; next = ring.openClaim()) {
    assert(next !== null, "all are in use");
    ring.closeClaim(next);
  }
  assert.equal(end.claimed(first), 0);
  assert.equal(ring.readClaims().claimOf(513), null);
});

test("Ring of a router that takes over has the next epoch, and no stream, request or claim of the one before", async (t) => {
  const { path, ring, end } = await openRing(t);
  const streams = Array.from({ length: 1000 }, () => {
    const stream = ring.put("A\0b", bodyFor(10));
    ring.release(stream);
    return stream;
  });
  ring.flush();
  const claims = Array.from({ length: 8 }, () => ring.openClaim() ?? -1);
  for (const claim of claims) end.store(claim, 513);
  const next = takeOver(t, path);
  assert.deepEqual([next.epoch, end.epoch], [ring.epoch + 1, ring.epoch + 1]);
  assert.deepEqual([...new Set(streams.map((stream) => end.slot(stream).stream))], [0]);
  assert.equal(next.readClaims().claimOf(513), null);
  assert.ok(!claims.includes(next.openClaim() ?? -1));
  assert.ok(!streams.includes(next.put("A\0b", bodyFor(10))));
});

test("Ring's epoch begins anew after the largest", async (t) => {
  const path = await newRing(t);
  const fd = openSync(path, "r+");
  writeSync(fd, ringHeader(65_535, 0), 0);
  closeSync(fd);
  assert.equal(takeOver(t, path).epoch, 0);
});

test("Ring gives a file of another size its own", async (t) => {
  const path = await newRing(t);
  truncateSync(path, 100);
  takeOver(t, path);
  assert.equal(statSync(path).size, RING_BYTES);
});

test("Ring withdraws a stream whose body has a place when it is released, and no other", async (t) => {
  const { ring, end } = await openRing(t);
  const placed = ring.put("A\0b", { type: "placed", place: 1, bytes: 70_000 });
  const other = ring.put("A\0b", bodyFor(10));
  ring.flush();
  assert.deepEqual([end.slot(placed).stream, end.slot(other).stream], [placed, other]);
  ring.release(placed);
  ring.release(other);
  assert.deepEqual([end.slot(placed).stream, end.slot(other).stream], [0, other]);
});

test("Ring withdraws a stream that goes by channel, too, when its body has a place", async (t) => {
  const { ring, end } = await openRing(t);
  const stream = ring.put(`A\0${"b".repeat(70_000)}`, { type: "placed", place: 0, bytes: 70_000 });
  ring.flush();
  assert.deepEqual([end.slot(stream).stream, end.slot(stream).flags], [stream, BY_CHANNEL]);
  ring.release(stream);
  assert.equal(end.slot(stream).stream, 0);
});

test("Ring.close() keeps nothing open", async (t) => {
  const path = await newRing(t);
  const ring = new Ring(path);
  ring.close();
  assert.deepEqual(openFilesBelow(path), []);
});

test("Ring keeps every request as it was put, in whatever order they come, go, and are written", async (t) => {
  const random = new Random(815);
  const { ring, end } = await openRing(t);
  /** What each stream has to be; null: it was withdrawn. */
  const put = new Map<number, Buffer | null>();
  for (let step = 0; step < 1500; step += 1) {
    const choice = random.below(10);
    if (choice < 5) {
      const bytes = Buffer.alloc(random.pick([0, 100, 4000, 4073, 4080, 9000, 65_000]), step % 256);
      const stream = ring.put("A\0b", memoryBody(bytes));
      if (stream !== 0) put.set(stream, bytes);
    } else if (choice < 8 && put.size > 0) {
      const stream = random.pick([...put.keys()]);
      ring.release(stream);
      put.delete(stream);
    } else if (choice === 8 && put.size > 0) {
      const stream = random.pick([...put.keys()]);
      ring.withdraw(stream);
      put.set(stream, null);
    } else {
      ring.flush();
    }
  }
  ring.flush();
  assert.ok(put.size > 50);
  assert.equal(new Set([...put.keys()].map((stream) => slotOf(stream))).size, put.size);
  for (const [stream, bytes] of put) {
    const stored = end.slot(stream);
    assert.equal(stored.stream, bytes === null ? 0 : stream);
    if (bytes === null || stored.flags === BY_CHANNEL) continue;
    assert(stored.payload.subarray(7).equals(bytes), `stream ${stream}`);
  }
});
