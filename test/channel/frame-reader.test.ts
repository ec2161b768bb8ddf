import assert from "node:assert/strict";
import { test } from "node:test";

import {
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_LIMIT_BYTES,
  FrameFlag,
  FrameType,
  writeFrameHeader,
} from "../../src/channel/frame.ts";
import { FrameReader } from "../../src/channel/frame-reader.ts";
import { recordedFrame, recordedFrames } from "./recorded-frames.ts";

interface ReadFrame {
  readonly payloadBytes: number;
  readonly type: number;
  readonly flags: number;
  readonly aux: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** What the sink is given when the pieces are fed one after another. */
function read(...pieces: readonly Buffer[]): ReadFrame[] {
  const frames: ReadFrame[] = [];
  const reader = new FrameReader((header, payload) => frames.push({ ...header, payload }));
  for (const piece of pieces) {
    reader.feed(piece);
  }
  return frames;
}

/** No recorded body begins as another one, so a body is whole when it is one of these. */
const recordedBodies = new Set(
  recordedFrames.filter(({ type }) => type === FrameType.body).map(({ body = "" }) => body),
);

/** The frames with the pieces of each recorded body joined again. */
function joinBodies(frames: readonly ReadFrame[]): ReadFrame[] {
  const joined: ReadFrame[] = [];
  let isOpen = false;
  for (const frame of frames) {
    const before = isOpen ? joined.pop() : undefined;
    const payload = Buffer.concat([before?.payload ?? Buffer.alloc(0), frame.payload]);
    joined.push({ ...frame, payload, payloadBytes: payload.length });
    isOpen = frame.type === FrameType.body && !recordedBodies.has(payload.toString("latin1"));
  }
  return joined;
}

/** A recorded frame as it must be read. */
function asRead(name: string): ReadFrame {
  const { octets, type, flags, aux, stream } = recordedFrame(name);
  const payload = octets.subarray(FRAME_HEADER_BYTES);
  return { payloadBytes: payload.length, type, flags, aux, stream, payload };
}

function bodyFrame(stream: number, flags: number, payload: Buffer): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  writeFrameHeader(frame, 0, { payloadBytes: payload.length, type: FrameType.body, flags, aux: 0, stream });
  payload.copy(frame, FRAME_HEADER_BYTES);
  return frame;
}

const everyFrame = Buffer.concat(recordedFrames.map(({ octets }) => octets));
const everyFrameAsRead = recordedFrames.map(({ name }) => asRead(name));

for (const { name, octets } of recordedFrames) {
  test(`FrameReader reads the recorded frame ${name} that comes at once`, () => {
    assert.deepEqual(read(octets), [asRead(name)]);
  });

  test(`FrameReader reads the recorded frame ${name}, wherever it is split`, () => {
    for (let split = 0; split <= octets.length; split += 1) {
      const frames = read(octets.subarray(0, split), octets.subarray(split));
      assert.deepEqual(joinBodies(frames), [asRead(name)], `split at ${split}`);
    }
  });

  test(`FrameReader gives nothing for ${name} while its last octet is missing`, () => {
    const frames = read(octets.subarray(0, -1));
    const given = frames.filter(({ type }) => type !== FrameType.body);
    assert.deepEqual(given, []);
    assert.ok(frames.every(({ flags }) => flags === 0));
  });
}

test("FrameReader reads many frames that come at once", () => {
  assert.deepEqual(read(everyFrame), everyFrameAsRead);
});

test("FrameReader reads many frames, wherever their stream is split", () => {
  for (let split = 0; split <= everyFrame.length; split += 1) {
    const frames = read(everyFrame.subarray(0, split), everyFrame.subarray(split));
    assert.deepEqual(joinBodies(frames), everyFrameAsRead, `split at ${split}`);
  }
});

test("FrameReader reads many frames that come octet by octet", () => {
  const octets = Array.from(everyFrame, (_, index) => everyFrame.subarray(index, index + 1));
  assert.deepEqual(joinBodies(read(...octets)), everyFrameAsRead);
});

test("FrameReader keeps none of the bytes that it is fed: whoever has read them reads the next over them", () => {
  for (let split = 0; split <= everyFrame.length; split += 1) {
    const frames: ReadFrame[] = [];
    const reader = new FrameReader((header, payload) =>
      frames.push({ ...header, payload: Buffer.from(payload) }),
    );
    const buffer = Buffer.alloc(everyFrame.length);
    for (const piece of [everyFrame.subarray(0, split), everyFrame.subarray(split)]) {
      piece.copy(buffer.fill(0xff));
      reader.feed(buffer.subarray(0, piece.length));
    }
    assert.deepEqual(joinBodies(frames), everyFrameAsRead, `split at ${split}`);
  }
});

test("FrameReader takes empty input for nothing", () => {
  const empty = Buffer.alloc(0);
  const { octets } = recordedFrame("response-whole");
  assert.deepEqual(read(empty), []);
  assert.deepEqual(read(empty, octets.subarray(0, 5), empty, octets.subarray(5), empty), [
    asRead("response-whole"),
  ]);
});

test("FrameReader passes a body on as it comes, and its flags with the last piece alone", () => {
  const flags = FrameFlag.end | FrameFlag.ready | FrameFlag.last;
  const frame = bodyFrame(9, flags, Buffer.from("abcdef"));
  const cuts = [0, FRAME_HEADER_BYTES + 2, FRAME_HEADER_BYTES + 5, frame.length];
  const pieces = cuts.slice(1).map((end, index) => frame.subarray(cuts[index], end));
  const expected = { type: FrameType.body, aux: 0, stream: 9 };
  assert.deepEqual(read(...pieces), [
    { ...expected, flags: 0, payloadBytes: 2, payload: Buffer.from("ab") },
    { ...expected, flags: 0, payloadBytes: 3, payload: Buffer.from("cde") },
    { ...expected, flags, payloadBytes: 1, payload: Buffer.from("f") },
  ]);
});

test("FrameReader passes nothing on when the header of a body comes without the body", () => {
  const frame = bodyFrame(9, FrameFlag.end, Buffer.from("abc"));
  assert.deepEqual(read(frame.subarray(0, FRAME_HEADER_BYTES)), []);
});

test("FrameReader gives an empty body frame once, with its flags", () => {
  assert.deepEqual(read(recordedFrame("body-end-empty").octets), [asRead("body-end-empty")]);
});

test("FrameReader finds the frame behind a body that came in pieces", () => {
  const body = bodyFrame(4, FrameFlag.end, Buffer.alloc(1000, "x"));
  const { octets } = recordedFrame("ready");
  const frames = read(
    body.subarray(0, 500),
    Buffer.concat([body.subarray(500), octets.subarray(0, 3)]),
    octets.subarray(3),
  );
  assert.deepEqual(frames.at(-1), asRead("ready"));
  assert.equal(frames.length, 3);
});

test("FrameReader reads the largest frame that may be, body or not", () => {
  for (const type of [FrameType.body, FrameType.response]) {
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + FRAME_PAYLOAD_LIMIT_BYTES, 0x61);
    writeFrameHeader(frame, 0, {
      payloadBytes: FRAME_PAYLOAD_LIMIT_BYTES,
      type,
      flags: 1,
      aux: 0,
      stream: 1,
    });
    const half = frame.length / 2;
    const frames = read(frame.subarray(0, half), frame.subarray(half));
    const bytes = frames.reduce((sum, { payload }) => sum + payload.length, 0);
    assert.equal(bytes, FRAME_PAYLOAD_LIMIT_BYTES);
    assert.equal(frames.at(-1)?.flags, 1);
  }
});

const tooLarge = [
  { what: "a body", octets: "0100800021010000 01000000" },
  { what: "a response", octets: "010080002003c800 01000000" },
  { what: "a type that nobody knows", octets: "ffffffff63000000 00000000" },
];

for (const { what, octets } of tooLarge) {
  test(`FrameReader refuses ${what} with a length beyond the limit as soon as the header is there`, () => {
    const header = Buffer.from(octets.replaceAll(" ", ""), "hex");
    assert.deepEqual(read(header.subarray(0, -1)), []);
    assert.throws(() => read(header), { code: "ERR_PROTOCOL" });
    assert.throws(() => read(header.subarray(0, 6), header.subarray(6)), { code: "ERR_PROTOCOL" });
  });
}

test("FrameReader gives the frames before the one that it refuses", () => {
  const seen: number[] = [];
  const reader = new FrameReader(({ type }) => seen.push(type));
  const octets = Buffer.concat([recordedFrame("ready").octets, Buffer.alloc(FRAME_HEADER_BYTES, 0xff)]);
  assert.throws(() => reader.feed(octets), { code: "ERR_PROTOCOL" });
  assert.deepEqual(seen, [FrameType.ready]);
});

test("FrameReader leaves a type that it does not know to its sink", () => {
  const octets = Buffer.from("0100000063ff341202000000aa", "hex");
  const expected = { payloadBytes: 1, type: 0x63, flags: 0xff, aux: 0x1234, stream: 2 };
  assert.deepEqual(read(octets), [{ ...expected, payload: Buffer.from([0xaa]) }]);
});

test("FrameReader lets what the sink throws through to its feeder", () => {
  const reader = new FrameReader(() => {
    throw new RangeError("the sink is full");
  });
  assert.throws(() => reader.feed(recordedFrame("ready").octets), { name: "RangeError" });
});

test("FrameReader reads random frames, cut at random", () => {
  const random = generator(20_261_121);
  for (let round = 0; round < 200; round += 1) {
    const names = Array.from({ length: 1 + random(8) }, () => {
      return recordedFrames[random(recordedFrames.length)]?.name ?? "ready";
    });
    const octets = Buffer.concat(names.map((name) => recordedFrame(name).octets));
    const pieces: Buffer[] = [];
    for (let start = 0; start < octets.length;) {
      const end = Math.min(octets.length, start + 1 + random(40));
      pieces.push(octets.subarray(start, end));
      start = end;
    }
    assert.deepEqual(joinBodies(read(...pieces)), names.map(asRead), `round ${round}: ${names.join()}`);
  }
});

/** Whole numbers below a limit, the same in every run (mulberry32). */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}
