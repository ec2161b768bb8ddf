import assert from "node:assert/strict";
import { test } from "node:test";

import { defaultHttpLimits, type HttpLimits } from "../../src/http/limits.ts";
import { strictPolicy } from "../../src/http/policy.ts";
import { UwsgiParser } from "../../src/http/uwsgi-parser.ts";
import { piecesOf } from "../helpers/parse-outcome.ts";
import { Random } from "../helpers/random.ts";
import {
  BLOCK,
  blockOf,
  outcomeOf,
  packetOf,
  pairsWith,
  requestWith,
  type Changes,
} from "./uwsgi-outcome.ts";

const limited: readonly (readonly [name: string, Changes, Partial<HttpLimits>, code: string | undefined])[] =
  [
    ["a request line at its limit", {}, { requestLineBytes: 22 }, undefined],
    ["a request line above its limit", {}, { requestLineBytes: 21 }, "ERR_HTTP_LINE_TOO_LONG"],
    [
      "any request line without a limit",
      { REQUEST_URI: `/${"a".repeat(9000)}` },
      { requestLineBytes: 0 },
      undefined,
    ],
    ["a field at its limit", { HTTP_X: "a".repeat(37) }, { fieldBytes: 40 }, undefined],
    ["a field above its limit", { HTTP_X: "a".repeat(38) }, { fieldBytes: 40 }, "ERR_HTTP_FIELD_TOO_LARGE"],
    ["as many fields as allowed", { HTTP_X: "1", HTTP_Y: "2" }, { fieldCount: 3 }, undefined],
    ["one field too many", { HTTP_X: "1", HTTP_Y: "2" }, { fieldCount: 2 }, "ERR_HTTP_TOO_MANY_FIELDS"],
    ["a packet above the limit of a head", {}, { headBytes: 100 }, "ERR_HTTP_FIELD_TOO_LARGE"],
  ];
for (const [name, changes, limits, code] of limited) {
  test(`UwsgiParser ${code === undefined ? "takes" : "refuses"} ${name}`, () => {
    const input = requestWith(changes);
    const outcome = outcomeOf([input], { ...defaultHttpLimits, ...limits });
    assert.equal(outcome.fault?.code, code);
    assert.deepEqual(outcomeOf(piecesOf(input, 7), { ...defaultHttpLimits, ...limits }), outcome);
  });
}

test("UwsgiParser asks for more until packet and body are complete", () => {
  const input = requestWith({ CONTENT_LENGTH: "5" }, "hello");
  for (let length = 0; length < input.length; length += 1) {
    const outcome = outcomeOf([input.subarray(0, length)], defaultHttpLimits);
    assert.equal(outcome.fault, undefined);
    assert.equal(outcome.isComplete, false);
    assert.equal(outcome.head !== undefined, length >= input.length - 5);
    assert.equal(outcome.isIdle, length === 0);
  }
});

test("UwsgiParser gives body bytes as they come", () => {
  const parser = new UwsgiParser(defaultHttpLimits, strictPolicy);
  parser.feed(requestWith({ CONTENT_LENGTH: "5" }, "he"));
  assert.equal(parser.next()?.type, "head");
  const event = parser.next();
  assert.ok(event?.type === "body");
  assert.equal(parser.next(), null);
  parser.feed(Buffer.from("llo"));
  assert.equal(event.bytes.toString(), "he");
  const rest = parser.next();
  assert.equal(rest?.type === "body" && rest.bytes.toString(), "llo");
  assert.equal(parser.next()?.type, "end");
});

test("UwsgiParser drops what follows the body: front servers do not reuse the connection", () => {
  const parser = new UwsgiParser(defaultHttpLimits, strictPolicy);
  parser.feed(Buffer.concat([requestWith({ CONTENT_LENGTH: "5" }, "hello"), requestWith({})]));
  const types = ["head", "body", "end"];
  for (const type of types) {
    assert.equal(parser.next()?.type, type);
  }
  for (let round = 0; round < 3; round += 1) {
    assert.equal(parser.next(), null);
    assert.equal(parser.bufferedBytes, 0);
    assert.equal(parser.isIdle, true);
    parser.feed(requestWith({}));
  }
});

test("UwsgiParser is in a head from its first octet to the last of the packet", () => {
  const parser = new UwsgiParser(defaultHttpLimits, strictPolicy);
  const packet = requestWith({ CONTENT_LENGTH: "1" });
  const seen: string[] = [];
  const note = (): void => {
    while (parser.next() !== null);
    const state = `${parser.isIdle ? "idle" : "busy"} ${parser.isInHead ? "head" : "else"}`;
    seen.push(`${state} ${parser.bufferedBytes}`);
  };
  note();
  for (const piece of [packet.subarray(0, 1), packet.subarray(1, 9), packet.subarray(9), Buffer.from("x")]) {
    parser.feed(piece);
    note();
  }
  assert.deepEqual(seen, ["idle else 0", "busy head 1", "busy head 9", "busy else 0", "idle else 0"]);
});

test("UwsgiParser gives nothing after a fault, and keeps nothing", () => {
  const parser = new UwsgiParser(defaultHttpLimits, strictPolicy);
  parser.feed(Buffer.from([9]));
  assert.equal(parser.next()?.type, "fault");
  parser.feed(requestWith({}));
  assert.equal(parser.next(), null);
  assert.equal(parser.bufferedBytes, 0);
  assert.equal(parser.isIdle, false);
});

/** Far above what the work takes on a loaded machine, far below what quadratic work takes. */
const HOSTILE_DEADLINE_MS = 2000;
const roomy: HttpLimits = { requestLineBytes: 0, fieldCount: 0, fieldBytes: 0, headBytes: 1024 * 1024 };
const hostile: readonly (readonly [what: string, block: Buffer])[] = [
  ["a field of white space", blockOf(pairsWith({ HTTP_X: `a${" ".repeat(65_000)}b` }))],
  ["white space around a field", blockOf(pairsWith({ HTTP_X: " ".repeat(65_000) }))],
  ["a path of octets to encode", blockOf(pairsWith({ PATH_INFO: `/${"%".repeat(65_000)}` }))],
  ["a target of question marks", blockOf(pairsWith({ REQUEST_URI: `/${"?".repeat(65_000)}` }))],
  ["many fields", Buffer.concat([BLOCK, ...Array.from({ length: 6000 }, () => blockOf([["HTTP_A", ""]]))])],
  [
    "many variables",
    Buffer.concat([BLOCK, ...Array.from({ length: 6000 }, (_, index) => blockOf([[`V${index}`, ""]]))]),
  ],
  ["a Connection of commas", blockOf(pairsWith({ HTTP_CONNECTION: ",".repeat(65_000) }))],
];
for (const [what, block] of hostile) {
  test(`UwsgiParser is not slowed by ${what}, at once or octet by octet`, () => {
    const input = packetOf(block);
    const begin = performance.now();
    const outcome = outcomeOf([input], roomy);
    const whole = performance.now() - begin;
    assert.equal(outcome.fault, undefined);
    assert.ok(whole < HOSTILE_DEADLINE_MS, `It took ${Math.round(whole)} ms at once`);
    assert.deepEqual(outcomeOf(piecesOf(input, 1), roomy), outcome);
    const pieces = performance.now() - begin - whole;
    assert.ok(pieces < HOSTILE_DEADLINE_MS, `It took ${Math.round(pieces)} ms octet by octet`);
  });
}

test("UwsgiParser survives 20000 mutilated packets, and lets nothing through that HTTP would not", () => {
  const seeds = [
    requestWith({ HTTP_X_FORWARDED_FOR: "192.0.2.7", SCRIPT_NAME: "" }),
    requestWith({ REQUEST_METHOD: "POST", CONTENT_LENGTH: "5", CONTENT_TYPE: "a/b" }, "hello"),
  ];
  const random = new Random(0x9e3779b9);
  let heads = 0;
  for (let round = 0; round < 20_000; round += 1) {
    const input = Buffer.from(seeds[round % seeds.length] ?? []);
    for (let changes = random.below(3); changes >= 0; changes -= 1) {
      input[4 + random.below(input.length - 4)] = random.below(256);
    }
    const outcome = outcomeOf([input], defaultHttpLimits);
    assert.deepEqual(outcomeOf(piecesOf(input, 1 + random.below(50)), defaultHttpLimits), outcome);
    const { head } = outcome;
    if (head === undefined) continue;
    heads += 1;
    assert.match(head.method, /^[!-~]+$/);
    assert.match(head.target, /^[!-~]+$/);
    assert.match(`${head.path}?${head.query}`, /^[!-~]+$/);
    assert.ok(head.values.every((value) => /^[^\0\r\n\x7f]*$/.test(value)));
    assert.equal(Object.values(outcome.variables).join("").includes("\0"), false);
  }
  assert.ok(heads > 1000, `Only ${heads} heads were valid`);
});
