import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import {
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_LIMIT_BYTES,
  FrameFlag,
  FrameType,
  readFrameHeader,
  writeFrameHeader,
} from "../../src/channel/frame.ts";
import { runProgram } from "../helpers/program.ts";
import { repositoryRoot } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { framesFolder, recordedFrames } from "./recorded-frames.ts";

for (const { name, octets, type, flags, aux, stream } of recordedFrames) {
  test(`readFrameHeader() reads the recorded header of ${name}`, () => {
    const payloadBytes = octets.length - FRAME_HEADER_BYTES;
    assert.deepEqual(readFrameHeader(octets, 0), { payloadBytes, type, flags, aux, stream });
  });

  test(`writeFrameHeader() writes the recorded header of ${name}, and no octet beside it`, () => {
    const target = Buffer.alloc(FRAME_HEADER_BYTES + 4, 0xaa);
    const payloadBytes = octets.length - FRAME_HEADER_BYTES;
    writeFrameHeader(target, 2, { payloadBytes, type, flags, aux, stream });
    assert.deepEqual(target.subarray(2, -2), octets.subarray(0, FRAME_HEADER_BYTES));
    assert.deepEqual([target.at(0), target.at(1), target.at(-2), target.at(-1)], [0xaa, 0xaa, 0xaa, 0xaa]);
  });
}

test("readFrameHeader() reads a header in the middle of other octets", () => {
  const source = Buffer.from("ffff01000000210100000200000099", "hex");
  assert.deepEqual(readFrameHeader(source, 2), {
    payloadBytes: 1,
    type: FrameType.body,
    flags: FrameFlag.end,
    aux: 0,
    stream: 2,
  });
});

const largest = [
  {
    field: "payload length",
    octets: "00008000 00 00 0000 00000000",
    payloadBytes: FRAME_PAYLOAD_LIMIT_BYTES,
  },
  { field: "type", octets: "00000000 ff 00 0000 00000000", type: 255 },
  { field: "flags", octets: "00000000 00 ff 0000 00000000", flags: 255 },
  { field: "aux", octets: "00000000 00 00 ffff 00000000", aux: 65535 },
  { field: "stream", octets: "00000000 00 00 0000 ffffffff", stream: 4294967295 },
];

for (const { field, octets, ...value } of largest) {
  test(`The header holds the largest ${field}`, () => {
    const header = { payloadBytes: 0, type: 0, flags: 0, aux: 0, stream: 0, ...value };
    const expected = Buffer.from(octets.replaceAll(" ", ""), "hex");
    const target = Buffer.alloc(FRAME_HEADER_BYTES);
    writeFrameHeader(target, 0, header);
    assert.deepEqual(target, expected);
    assert.deepEqual(readFrameHeader(expected, 0), header);
  });
}

for (const [what, length] of [
  ["one byte above the limit", "01008000"],
  ["the largest number", "ffffffff"],
] as const) {
  test(`readFrameHeader() refuses a payload length of ${what}`, () => {
    const source = Buffer.from(`${length}2001c80001000000`, "hex");
    assert.throws(() => readFrameHeader(source, 0), { code: "ERR_PROTOCOL", message: /8388608/ });
  });
}

test("test/frames has a frame of every type and of every flag", () => {
  const types = new Set(recordedFrames.map(({ type }) => type));
  assert.deepEqual(
    Object.entries(FrameType).filter(([, type]) => !types.has(type)),
    [],
  );
  const flags = recordedFrames.reduce((bits, frame) => bits | frame.flags, 0);
  assert.deepEqual(
    Object.entries(FrameFlag).filter(([, flag]) => (flags & flag) === 0),
    [],
  );
});

test("test/frames holds what scripts/write-frames.ts writes", async (t) => {
  const folder = await temporaryFolder(t);
  const script = join(repositoryRoot, "scripts/write-frames.ts");
  const { status, stderr } = await runProgram(t, process.execPath, ["--import", "tsx", script, folder]);
  assert.equal(status, 0, stderr);
  const names = (path: string): string[] => readdirSync(path).filter((name) => /\.(bin|json)$/.test(name));
  assert.deepEqual(names(framesFolder), names(folder), "Run node --import tsx scripts/write-frames.ts");
  for (const name of names(folder)) {
    const recorded = readFileSync(join(framesFolder, name));
    assert.deepEqual(recorded, readFileSync(join(folder, name)), `${name} differs from the script`);
  }
});
