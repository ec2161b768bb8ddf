import assert from "node:assert/strict";
import { test } from "node:test";

import { PassedFrames } from "../../src/router/passed-frames.ts";

const NONE = Buffer.alloc(0);
const CLOSE_1012 = Buffer.from("880203f4", "hex");

/** A frame as servers send it, or masked. */
function frame(opcode: number, payloadBytes: number, { masked = false, fin = true } = {}): Buffer {
  const mask = masked ? 0x80 : 0;
  const first = (fin ? 0x80 : 0) | opcode;
  const payload = Buffer.alloc(payloadBytes, 0x88);
  let head = Buffer.from([first, mask | payloadBytes]);
  if (payloadBytes > 0xffff) {
    head = Buffer.from([first, mask | 127, 0, 0, 0, 0, 0, 0, 0, 0]);
    head.writeUInt32BE(payloadBytes, 6);
  } else if (payloadBytes > 125) {
    head = Buffer.from([first, mask | 126, payloadBytes >> 8, payloadBytes & 0xff]);
  }
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0, 0x88), payload]);
}

const FRAMES = [
  frame(1, 0),
  frame(2, 5),
  frame(9, 125),
  frame(2, 126),
  frame(1, 3, { fin: false }),
  frame(0, 65_535, { masked: true }),
  frame(2, 65_536),
];
const ALL = Buffer.concat(FRAMES);

test("PassedFrames passes what the application sends on as it is, however it is cut", () => {
  for (const pieceBytes of [1, 2, 3, 1000, ALL.length]) {
    const frames = new PassedFrames();
    for (let start = 0; start < ALL.length; start += pieceBytes) {
      const piece = ALL.subarray(start, start + pieceBytes);
      assert.equal(frames.pass(piece), piece);
    }
  }
});

test("PassedFrames puts a close behind the frame that has begun, wherever that is", () => {
  const ends = FRAMES.map((_, index) => Buffer.concat(FRAMES.slice(0, index + 1)).length);
  for (const at of [0, 1, 2, 8, 9, 10, 135, 140, 141, 265, 270, 66_000, 131_000, ALL.length]) {
    for (const pieceBytes of [1, 7, ALL.length]) {
      const frames = new PassedFrames();
      const sent = [frames.pass(ALL.subarray(0, at))];
      frames.close(1012);
      frames.close(1001);
      sent.push(frames.pass(NONE));
      for (let start = at; start < ALL.length; start += pieceBytes) {
        sent.push(frames.pass(ALL.subarray(start, Math.min(ALL.length, start + pieceBytes))));
      }
      const end = at === 0 ? 0 : ends.find((each) => each >= at);
      const wanted = Buffer.concat([ALL.subarray(0, end), CLOSE_1012]);
      assert.ok(Buffer.concat(sent).equals(wanted), `asked after ${at} octets, in pieces of ${pieceBytes}`);
    }
  }
});

test("PassedFrames puts no close behind that of the application", () => {
  const own = Buffer.concat([frame(1, 4), frame(8, 2)]);
  const before = new PassedFrames();
  before.pass(own);
  before.close(1012);
  assert.equal(before.pass(NONE).length, 0);
  // It has begun by then.
  const amid = new PassedFrames();
  amid.pass(own.subarray(0, own.length - 1));
  amid.close(1012);
  assert.deepEqual(amid.pass(own.subarray(-1)), own.subarray(-1));
});
