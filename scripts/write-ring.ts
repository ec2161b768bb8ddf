/**
 * Writes test/ring: the parts of a recorded ring of the shared queue, one to a file, and ring.json, which says where in
 * the ring they are and what they hold.
 *
 *     node --import tsx scripts/write-ring.ts [FOLDER]
 *
 * Every octet stands here by hand and follows src/queue/queue.md, not a codec: both languages hold theirs against it.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hex, join as joinOctets, toAsciiJson, type Octets } from "./octets.ts";

interface RecordedRequest {
  readonly name: string;
  /** Offset in the file. */
  readonly at: number;
  /** Stream, flags, octets, 0; then the payload of a REQUEST frame: head length, head, body. */
  readonly octets: readonly Octets[];
  readonly stream: number;
  readonly flags: readonly string[];
  readonly environ: readonly (readonly [string, string])[];
  readonly body: string;
}

/** The router is the 300th on this ring. It puts these requests into it one after another, as its first ones. */
const requests: readonly RecordedRequest[] = [
  {
    name: "without-body",
    at: 20_480,
    octets: [
      hex("00022c01 00000000 33000000 00000000"),
      hex("2f000000"),
      "REQUEST_METHOD\0GET\0PATH_INFO\0/\0HTTP_HOST\0a.test",
    ],
    stream: 19_661_312,
    flags: [],
    environ: [
      ["REQUEST_METHOD", "GET"],
      ["PATH_INFO", "/"],
      ["HTTP_HOST", "a.test"],
    ],
    body: "",
  },
  {
    name: "memory-body",
    at: 24_576,
    octets: [
      hex("01022c01 00000000 27000000 00000000"),
      hex("1e000000"),
      "REQUEST_METHOD\0POST\0HTTP_X\0",
      hex("c3 a9 ff"),
      hex("00 0a ff 68 69"),
    ],
    stream: 19_661_313,
    flags: [],
    environ: [
      ["REQUEST_METHOD", "POST"],
      ["HTTP_X", "\xc3\xa9\xff"],
    ],
    body: "\x00\n\xffhi",
  },
  {
    name: "in-two-slots",
    at: 28_672,
    octets: [
      hex("02022c01 00000000 9e130000 00000000"),
      hex("12000000"),
      "REQUEST_METHOD\0PUT",
      Buffer.alloc(5000, "x"),
    ],
    stream: 19_661_314,
    flags: [],
    environ: [["REQUEST_METHOD", "PUT"]],
    body: "x".repeat(5000),
  },
  {
    name: "file-body",
    at: 36_864,
    octets: [
      hex("04022c01 08000000 26000000 00000000"),
      hex("12000000"),
      "REQUEST_METHOD\0PUT",
      "/proc/4121/fd/17",
    ],
    stream: 19_661_316,
    flags: ["file-body"],
    environ: [["REQUEST_METHOD", "PUT"]],
    body: "/proc/4121/fd/17",
  },
  {
    name: "by-channel",
    at: 40_960,
    octets: [hex("05022c01 80000000 00000000 00000000")],
    stream: 19_661_317,
    flags: ["by-channel"],
    environ: [],
    body: "",
  },
  {
    name: "placed-body",
    at: 45_056,
    octets: [
      hex("06022c01 40000000 1e000000 00000000"),
      hex("12000000"),
      "REQUEST_METHOD\0PUT",
      hex("02000000 25000000"),
    ],
    stream: 19_661_318,
    flags: ["placed-body"],
    environ: [["REQUEST_METHOD", "PUT"]],
    body: "This stands in the third place. \xc3\xa9\0\n\xff",
  },
];

const header: readonly Octets[] = [
  "tunq",
  hex("0200 2c01 00020000 00100000 40000000 00100000 00500000"),
  hex("00502000 00001000 03000000"),
  Buffer.alloc(24),
];

/** Of all requests, in their order. */
const tokens = hex(
  "00022c01 0000 2c01  01022c01 0000 2c01  02022c01 0000 2c01  04022c01 0000 2c01  05022c01 0000 2c01  " +
    "06022c01 0000 2c01",
);

/** That of the first worker which is told to pull, while it is busy with the second request. */
const claim = { number: 2048, at: 8256, octets: hex("01022c01"), stream: 19_661_313 };

/** The body of the last request. Places have a mebibyte each, and the first begins behind the slots. */
const place = { count: 3, number: 2, at: 4_214_784 };

const folder = process.argv[2] ?? fileURLToPath(new URL("../test/ring", import.meta.url));

mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) {
  if (name.endsWith(".bin")) rmSync(join(folder, name));
}
writeFileSync(join(folder, "header.bin"), joinOctets(header));
writeFileSync(join(folder, "tokens.bin"), tokens);
writeFileSync(join(folder, "claim.bin"), claim.octets);
for (const { name, octets } of requests) writeFileSync(join(folder, `${name}.bin`), joinOctets(octets));
const description = {
  octets: 5_263_360,
  epoch: 300,
  places: { count: place.count, number: place.number, at: place.at },
  claim: { number: claim.number, at: claim.at, stream: claim.stream },
  requests: requests.map(({ name, at, stream, flags, environ, body }) => ({
    name,
    at,
    stream,
    flags,
    environ,
    body,
  })),
};
writeFileSync(join(folder, "ring.json"), `${toAsciiJson(description)}\n`);
