import assert from "node:assert/strict";
import { test } from "node:test";

import { HttpFault } from "../../src/http/http-fault.ts";
import {
  ProxyPreambleReader,
  type ProxyPreamble,
  type ProxyProtocolMode,
} from "../../src/http/proxy-protocol.ts";
import { addressBlock, binaryPreamble, type PreambleParts } from "../helpers/preamble-proxy.ts";
import { Random } from "../helpers/random.ts";
import { piecesOf } from "../helpers/parse-outcome.ts";

/** What an input comes to, without regard to how it was cut. */
type Outcome =
  | { readonly type: "preamble"; readonly preamble: ProxyPreamble; readonly rest: string }
  | { readonly type: "fault"; readonly message: string }
  | { readonly type: "incomplete" };

const MODES = ["v1", "v2", "auto"] as const;
const REQUEST = "GET / HTTP/1.1\r\n\r\n";
const NOBODY: ProxyPreamble = { source: null, destination: null };

function outcomeOf(mode: ProxyProtocolMode, pieces: Iterable<Buffer>): Outcome {
  const reader = new ProxyPreambleReader(mode);
  let preamble: ProxyPreamble | undefined;
  let rest = "";
  try {
    for (const piece of pieces) {
      const result = preamble === undefined ? reader.feed(piece) : { preamble, rest: piece };
      preamble = result?.preamble;
      rest += result?.rest.toString("latin1") ?? "";
    }
  } catch (error) {
    assert.ok(error instanceof HttpFault);
    assert.deepEqual([error.code, error.status], ["ERR_PROXY_PROTOCOL", 400]);
    return { type: "fault", message: error.message };
  }
  return preamble === undefined ? { type: "incomplete" } : { type: "preamble", preamble, rest };
}

/** The outcome of the whole input, which must be that of the input in two pieces and in octets. */
function read(mode: ProxyProtocolMode, input: Buffer): Outcome {
  const outcome = outcomeOf(mode, [input]);
  for (let cut = 0; cut <= input.length; cut += 1) {
    const pieces = [input.subarray(0, cut), input.subarray(cut)];
    assert.deepEqual(outcomeOf(mode, pieces), outcome, `Cut at ${cut}`);
  }
  assert.deepEqual(outcomeOf(mode, piecesOf(input, 1)), outcome, "In single octets");
  return outcome;
}

function readLine(mode: ProxyProtocolMode, line: string): Outcome {
  return read(mode, Buffer.from(`${line}\r\n${REQUEST}`, "latin1"));
}

function readBinary(mode: ProxyProtocolMode, parts: PreambleParts): Outcome {
  return read(mode, Buffer.concat([binaryPreamble(parts), Buffer.from(REQUEST)]));
}

function accepted(preamble: ProxyPreamble): Outcome {
  return { type: "preamble", preamble, rest: REQUEST };
}

function named(source: string, sourcePort: number, destination: string, port: number): ProxyPreamble {
  return { source: { address: source, port: sourcePort }, destination: { address: destination, port } };
}

function assertFault(outcome: Outcome, pattern: RegExp): void {
  assert.equal(outcome.type, "fault");
  assert.match(outcome.type === "fault" ? outcome.message : "", pattern);
}

const ANY = "0000:0000:0000:0000:0000:0000:0000:0000";
const lines: readonly (readonly [name: string, line: string, ProxyPreamble])[] = [
  [
    "the specification's example",
    "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443",
    named("192.168.0.1", 56324, "192.168.0.11", 443),
  ],
  ["the smallest values", "PROXY TCP4 0.0.0.0 0.0.0.0 0 0", named("0.0.0.0", 0, "0.0.0.0", 0)],
  [
    "the longest IPv4 line",
    "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535",
    named("255.255.255.255", 65535, "255.255.255.255", 65535),
  ],
  ["IPv6", "PROXY TCP6 2001:db8::1 ::1 1 2", named("2001:db8::1", 1, "::1", 2)],
  [
    "IPv6 in another spelling",
    `PROXY TCP6 2001:0DB8:0:0:0:0:0:A ${ANY} 1 2`,
    named("2001:db8::a", 1, "::", 2),
  ],
  ["IPv6 that carries IPv4", "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2", named("::ffff:192.0.2.1", 1, "::1", 2)],
  ["UNKNOWN alone", "PROXY UNKNOWN", NOBODY],
  ["UNKNOWN with addresses", `PROXY UNKNOWN ${ANY} ${ANY} 65535 65535`, NOBODY],
  ["UNKNOWN with anything behind it", "PROXY UNKNOWN  \0\xff\x16 PROXY TCP4", NOBODY],
];
for (const [name, line, preamble] of lines) {
  test(`ProxyPreambleReader takes ${name} (section 2.1)`, () => {
    assert.deepEqual(readLine("v1", line), accepted(preamble));
    assert.deepEqual(readLine("auto", line), accepted(preamble));
    assertFault(readLine("v2", line), /plain HTTP request, or a preamble of version 1/);
  });
}

const badLines: readonly (readonly [name: string, line: string, RegExp])[] = [
  ["no word", "PROXY ", /the protocol "" is unknown/],
  ["two spaces", "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2", /the protocol "" is unknown/],
  ["two spaces further on", "PROXY TCP4 1.1.1.1  2.2.2.2 1 2", /7 words/],
  ["a tab", "PROXY\tTCP4 1.1.1.1 2.2.2.2 1 2", /octet 0x09/],
  ["a tab further on", "PROXY TCP4 1.1.1.1\t2.2.2.2 1 2", /5 words/],
  ["no space", "PROXYTCP4 1.1.1.1 2.2.2.2 1 2", /want a preamble of version 1/],
  ["a space at the end", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 ", /7 words/],
  ["a seventh word", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3", /7 words/],
  ["no destination port", "PROXY TCP4 1.1.1.1 2.2.2.2 1", /5 words/],
  ["lower case", "proxy TCP4 1.1.1.1 2.2.2.2 1 2", /plain HTTP/],
  ["a family in lower case", "PROXY tcp4 1.1.1.1 2.2.2.2 1 2", /"tcp4" is unknown/],
  ["UDP", "PROXY UDP4 1.1.1.1 2.2.2.2 1 2", /"UDP4" is unknown/],
  ["a word that begins with UNKNOWN", "PROXY UNKNOWNS", /"UNKNOWNS" is unknown/],
  ["an octet above 255", "PROXY TCP4 1.1.1.256 2.2.2.2 1 2", /"1.1.1.256" is no address of TCP4/],
  ["a leading zero in an address", "PROXY TCP4 1.1.1.01 2.2.2.2 1 2", /is no address of TCP4/],
  ["three octets", "PROXY TCP4 1.1.1 2.2.2.2 1 2", /is no address of TCP4/],
  ["a hexadecimal address", "PROXY TCP4 0x7f000001 2.2.2.2 1 2", /is no address of TCP4/],
  ["IPv6 as TCP4", "PROXY TCP4 ::1 ::1 1 2", /is no address of TCP4/],
  ["IPv4 as TCP6", "PROXY TCP6 1.1.1.1 2.2.2.2 1 2", /is no address of TCP6/],
  ["IPv6 with a zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2", /is no address of TCP6/],
  ["IPv6 in brackets", "PROXY TCP6 [::1] ::1 1 2", /is no address of TCP6/],
  ["IPv6 with nine groups", "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2", /is no address of TCP6/],
  ["IPv6 with two gaps", "PROXY TCP6 1::2::3 ::1 1 2", /is no address of TCP6/],
  ["a host name", "PROXY TCP4 localhost 2.2.2.2 1 2", /is no address of TCP4/],
  ["an empty address", "PROXY TCP4  2.2.2.2 1 2", /is no address of TCP4/],
  ["a bad destination", "PROXY TCP4 1.1.1.1 2.2.2. 1 2", /"2.2.2." is no address of TCP4/],
  ["a port above 65535", "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2", /"65536" is no port/],
  ["a long port", "PROXY TCP4 1.1.1.1 2.2.2.2 1 100000", /"100000" is no port/],
  ["a leading zero in a port", "PROXY TCP4 1.1.1.1 2.2.2.2 01 2", /"01" is no port/],
  ["two zeros for a port", "PROXY TCP4 1.1.1.1 2.2.2.2 00 2", /"00" is no port/],
  ["a port with a sign", "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2", /is no port/],
  ["a negative port", "PROXY TCP4 1.1.1.1 2.2.2.2 -1 2", /is no port/],
  ["a port in another notation", "PROXY TCP4 1.1.1.1 2.2.2.2 1e1 2", /is no port/],
  ["an empty port", "PROXY TCP4 1.1.1.1 2.2.2.2  2", /is no port/],
  ["a NUL", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\0", /is no port/],
  ["an octet above ASCII", "PROXY TCP4 1.1.1.1 2.2.2.2 1 \xb2", /is no port/],
  ["a bare line feed", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", /bare line feed/],
  ["a bare carriage return", "PROXY TCP4 1.1.1.1\r2.2.2.2 1 2", /carriage return stands alone/],
  ["two carriage returns", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r", /carriage return stands alone/],
  ["a bare line feed behind UNKNOWN", "PROXY UNKNOWN a\nb", /bare line feed/],
  ["108 bytes", `PROXY UNKNOWN ${"x".repeat(108 - 16)}`, /longer than 107 bytes/],
  ["a line without end", `PROXY UNKNOWN ${"x".repeat(5000)}`, /longer than 107 bytes/],
];
for (const [name, line, pattern] of badLines) {
  test(`ProxyPreambleReader refuses a line with ${name} (section 2.1)`, () => {
    assertFault(readLine("v1", line), pattern);
    assert.equal(readLine("auto", line).type, "fault");
  });
}

test("ProxyPreambleReader takes a line of 107 bytes, the most there may be (section 2.1)", () => {
  assert.deepEqual(readLine("v1", `PROXY UNKNOWN ${"x".repeat(107 - 16)}`), accepted(NOBODY));
});

const IPV6_BLOCK = addressBlock(
  [0x20, 0x01, 0x0d, 0xb8, ...Array.from({ length: 11 }, () => 0), 1],
  Array.from({ length: 16 }, (_, index) => index),
  42578,
  80,
);
const IPV4 = named("192.0.2.1", 1000, "192.0.2.2", 443);
const IPV4_BLOCK = addressBlock([192, 0, 2, 1], [192, 0, 2, 2], 1000, 443);
const TLVS = Buffer.from([0x04, 0, 1, 0, 0x03, 0, 4, 1, 2, 3, 4, 0x02, 0, 1, 0x61]);

const preambles: readonly (readonly [name: string, PreambleParts, ProxyPreamble])[] = [
  ["TCP over IPv4", {}, IPV4],
  [
    "TCP over IPv6",
    { family: 0x21, block: IPV6_BLOCK },
    named("2001:db8::1", 42578, "1:203:405:607:809:a0b:c0d:e0f", 80),
  ],
  [
    "IPv6 that carries IPv4",
    {
      family: 0x21,
      block: addressBlock([...Buffer.alloc(10), 255, 255, 192, 0, 2, 1], [...Buffer.alloc(16)], 0, 65535),
    },
    named("::ffff:192.0.2.1", 0, "::", 65535),
  ],
  ["TLVs behind the addresses, a wrong checksum too", { block: Buffer.concat([IPV4_BLOCK, TLVS]) }, IPV4],
  ["what is no TLV behind the addresses", { block: Buffer.concat([IPV4_BLOCK, Buffer.from("\xff")]) }, IPV4],
  ["LOCAL without a block", { command: 0x20, family: 0, block: Buffer.alloc(0) }, NOBODY],
  ["LOCAL with addresses, which do not count", { command: 0x20 }, NOBODY],
  ["LOCAL of an unknown family, which does not count", { command: 0x20, family: 0xff }, NOBODY],
  ["LOCAL with fewer bytes than addresses have", { command: 0x20, block: Buffer.alloc(3) }, NOBODY],
  ["UNSPEC", { family: 0, block: Buffer.alloc(0) }, NOBODY],
  ["UNSPEC with a block", { family: 0, block: TLVS }, NOBODY],
  ["IPv4 of an unspecified transport", { family: 0x10, block: Buffer.alloc(0) }, NOBODY],
  ["a stream of an unspecified family", { family: 0x01, block: Buffer.alloc(0) }, NOBODY],
  ["UDP over IPv4 as unspecified", { family: 0x12 }, NOBODY],
  ["UDP over IPv6 as unspecified", { family: 0x22, block: IPV6_BLOCK }, NOBODY],
  ["a unix stream as unspecified", { family: 0x31, block: Buffer.alloc(216, "/a") }, NOBODY],
  ["a unix datagram as unspecified", { family: 0x32, block: Buffer.alloc(216) }, NOBODY],
  ["4096 bytes", { block: Buffer.concat([IPV4_BLOCK, Buffer.alloc(4084)]) }, IPV4],
];
for (const [name, parts, preamble] of preambles) {
  test(`ProxyPreambleReader takes ${name} (section 2.2)`, () => {
    assert.deepEqual(readBinary("v2", parts), accepted(preamble));
    assert.deepEqual(readBinary("auto", parts), accepted(preamble));
    assertFault(readBinary("v1", parts), /octet 0x0d, want a preamble of version 1/);
  });
}

const badPreambles: readonly (readonly [name: string, PreambleParts, RegExp])[] = [
  ["version 1", { command: 0x11 }, /version 1 is unknown/],
  ["version 3", { command: 0x31 }, /version 3 is unknown/],
  ["version 0", { command: 0x01 }, /version 0 is unknown/],
  ["an unknown command", { command: 0x22 }, /command 2 is unknown/],
  ["the last command", { command: 0x2f }, /command 15 is unknown/],
  ["an unknown family", { family: 0x41 }, /family 4 is unknown/],
  ["the last family", { family: 0xf1 }, /family 15 is unknown/],
  ["an unknown transport", { family: 0x13 }, /transport 3 is unknown/],
  ["the last transport", { family: 0x0f }, /transport 15 is unknown/],
  ["no addresses", { block: Buffer.alloc(0) }, /0 bytes cannot hold the addresses, want 12/],
  ["half a port", { block: IPV4_BLOCK.subarray(0, 11) }, /11 bytes cannot hold the addresses, want 12/],
  ["IPv4 addresses as IPv6", { family: 0x21 }, /want 36/],
  ["short IPv6 addresses", { family: 0x21, block: IPV6_BLOCK.subarray(1) }, /35 bytes cannot hold/],
  ["short addresses of UDP", { family: 0x12, block: Buffer.alloc(4) }, /want 12/],
  ["short unix addresses", { family: 0x31, block: Buffer.alloc(215) }, /want 216/],
  ["4097 bytes", { length: 4097 }, /4097 bytes of addresses are announced/],
  ["65535 bytes", { length: 65535 }, /65535 bytes of addresses are announced/],
  ["4097 bytes for LOCAL", { command: 0x20, length: 4097 }, /4097 bytes of addresses are announced/],
  ["a signature with another last octet", { signature: "\r\n\r\n\0\r\nQUIT\r" }, /octet 0x0d/],
  ["a signature without its NUL", { signature: "\r\n\r\n\r\nQUIT\n" }, /octet 0x0d/],
];
for (const [name, parts, pattern] of badPreambles) {
  test(`ProxyPreambleReader refuses ${name} in version 2 (section 2.2)`, () => {
    assertFault(readBinary("v2", parts), pattern);
    assertFault(readBinary("auto", parts), pattern);
  });
}

const notPreambles: readonly (readonly [name: string, input: string, RegExp])[] = [
  ["a GET request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", /plain HTTP request/],
  ["a POST request", "POST / HTTP/1.1\r\n", /plain HTTP request/],
  ["a PROPFIND request", "PROPFIND / HTTP/1.1\r\n", /plain HTTP request/],
  ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", /plain HTTP request/],
  ["a request behind an empty line", "\r\nGET / HTTP/1.1\r\n", /0x0d, want|plain HTTP request/],
  ["a TLS handshake", "\x16\x03\x01\x02\x00\x01", /TLS handshake/],
  ["a space", " PROXY UNKNOWN\r\n", /octet 0x20/],
  ["a NUL", "\0", /octet 0x00/],
];
for (const [name, input, pattern] of notPreambles) {
  test(`ProxyPreambleReader refuses ${name} in every mode, and says what is wanted`, () => {
    for (const mode of MODES) {
      const outcome = read(mode, Buffer.from(input, "latin1"));
      assertFault(outcome, pattern);
      assertFault(outcome, new RegExp(`proxy_protocol = ${mode}\\)$`));
    }
  });
}

test("ProxyPreambleReader refuses a bad beginning at its first octet", () => {
  for (const mode of MODES) {
    assertFault(read(mode, Buffer.from("G")), /plain HTTP request/);
  }
  assertFault(read("v2", Buffer.from("\r\n\r\n\0\r\nQUIT\n\x31", "latin1")), /version 3/);
  assertFault(read("v2", binaryPreamble({ family: 0x13 }).subarray(0, 14)), /transport 3/);
  assertFault(read("v2", binaryPreamble({ length: 4097 }).subarray(0, 16)), /4097 bytes/);
  assertFault(read("v1", Buffer.from(`PROXY ${"x".repeat(100)}`)), /longer than 107/);
});

test("ProxyPreambleReader asks for more until the preamble is complete", () => {
  const complete = [
    Buffer.from("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n"),
    binaryPreamble(),
    binaryPreamble({ family: 0x21, block: Buffer.concat([IPV6_BLOCK, TLVS]) }),
  ];
  for (const preamble of complete) {
    for (let length = 0; length < preamble.length; length += 1) {
      assert.deepEqual(read("auto", preamble.subarray(0, length)), { type: "incomplete" });
    }
    const outcome = read("auto", preamble);
    assert.equal(outcome.type === "preamble" && outcome.rest, "");
  }
});

test("ProxyPreambleReader leaves a second preamble to what reads the request", () => {
  const second = "PROXY TCP4 6.6.6.6 2.2.2.2 1 2\r\n";
  const outcome = read("auto", Buffer.from(`PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n${second}`));
  assert.deepEqual(outcome, { type: "preamble", preamble: named("1.1.1.1", 1, "2.2.2.2", 2), rest: second });
});

test("ProxyPreambleReader is idle until its first octet", () => {
  const reader = new ProxyPreambleReader("auto");
  assert.equal(reader.isIdle, true);
  assert.equal(reader.feed(Buffer.alloc(0)), null);
  assert.equal(reader.isIdle, true);
  assert.equal(reader.feed(Buffer.from("P")), null);
  assert.equal(reader.isIdle, false);
});

test("ProxyPreambleReader survives 20000 mutilated preambles, and names only valid clients", () => {
  const seeds = [
    Buffer.from(`PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n${REQUEST}`),
    Buffer.from(`PROXY TCP6 2001:db8::1 ::1 1 2\r\n${REQUEST}`),
    Buffer.from(`PROXY UNKNOWN\r\n${REQUEST}`),
    Buffer.concat([binaryPreamble({ block: Buffer.concat([IPV4_BLOCK, TLVS]) }), Buffer.from(REQUEST)]),
    Buffer.concat([binaryPreamble({ family: 0x21, block: IPV6_BLOCK }), Buffer.from(REQUEST)]),
  ];
  const random = new Random(0x9e3779b9);
  for (let round = 0; round < 20_000; round += 1) {
    const input = Buffer.from(seeds[round % seeds.length] ?? []);
    for (let changes = random.below(3); changes >= 0; changes -= 1) {
      input[random.below(40)] = random.below(2) === 0 ? random.below(256) : (input[random.below(40)] ?? 0);
    }
    const outcome = outcomeOf("auto", [input]);
    assert.deepEqual(outcomeOf("auto", piecesOf(input, 1 + random.below(20))), outcome);
    if (outcome.type !== "preamble" || outcome.preamble.source === null) continue;
    const { address, port } = outcome.preamble.source;
    assert.match(address, /^(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f:]+(?:[0-9.]+)?)$/);
    assert.ok(Number.isInteger(port) && port >= 0 && port <= 65535);
  }
});
