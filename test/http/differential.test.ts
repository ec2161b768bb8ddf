import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { RequestParser } from "../../src/http/request-parser.ts";
import { mutate } from "../helpers/mutation.ts";
import { Random } from "../helpers/random.ts";
import { encodeWireText, readRequestCases } from "../helpers/request-case.ts";
import { differenceNames, differenceOf } from "./differences.ts";
import { NodeParser, type NodeOutcome, type NodeRequest } from "./node-outcome.ts";
import { defaultRules, parseWhole, type ParsedRequest } from "../helpers/parse-outcome.ts";

/*
 * Bounded and always the same by default. For a search of its own:
 *   TUNICORN_FUZZ_ROUNDS=n [TUNICORN_FUZZ_SEED=n] node --import tsx --test test/http/differential.test.ts
 */
const ROUNDS = Number(process.env["TUNICORN_FUZZ_ROUNDS"] ?? 10_000);
const SEED = Number(process.env["TUNICORN_FUZZ_SEED"] ?? 0x74756e69);
/** Large cases are about limits, and would take all the time. */
const SEED_INPUT_LIMIT_BYTES = 600;

const cases = [...readRequestCases("valid"), ...readRequestCases("invalid")];
const page = new URL("../../docs/http.md", import.meta.url);

test("docs/http.md has a row for every known difference from Node's parser, and for no other", () => {
  const rows = [...readFileSync(page, "utf8").matchAll(/^\| `([a-z0-9.-]+)` \| (?:here|Node) \|/gm)].map(
    ([, name = ""]) => name,
  );
  assert.deepEqual(rows.toSorted(), differenceNames.toSorted());
});

test("Node's parser gives the requests of the corpus the same meaning", async (t) => {
  const comparison = new Comparison();
  for (const { name, input } of cases) {
    await comparison.add(name, input);
  }
  report(t, comparison);
});

test("Node's parser gives mutated requests the same meaning", async (t) => {
  const seeds = cases.filter(({ input }) => input.length > 0 && input.length <= SEED_INPUT_LIMIT_BYTES);
  const random = new Random(SEED);
  const comparison = new Comparison();
  for (let round = 0; round < ROUNDS; round += 1) {
    await comparison.add(`seed ${SEED}, round ${round}`, mutate(random, seeds));
  }
  report(t, comparison);
});

/** Compares what both make of inputs, and counts those that only one accepts. */
class Comparison {
  readonly counts = new Map<string, number>();
  /** The first input of each difference that is not known. */
  readonly unknown = new Map<string, string>();
  readonly #node = new NodeParser();

  async add(name: string, input: Buffer): Promise<void> {
    const ours = acceptedHere(input);
    const theirs = await this.#node.parse(input);
    const both = Math.min(ours.requests.length, theirs.requests.length);
    assert.deepEqual(
      ours.requests.slice(0, both).map(meaningOf),
      theirs.requests.slice(0, both),
      `${name} has two meanings:\n${encodeWireText(input)}`,
    );
    if (ours.requests.length === theirs.requests.length) return;
    const difference = this.#nameDifference(input, ours, theirs);
    this.counts.set(difference, (this.counts.get(difference) ?? 0) + 1);
    if (!differenceNames.includes(difference) && !this.unknown.has(difference)) {
      this.unknown.set(difference, `${name}:\n${encodeWireText(input)}`);
    }
  }

  #nameDifference(input: Buffer, ours: Accepted, theirs: NodeOutcome): string {
    const isOurs = ours.requests.length > theirs.requests.length;
    return differenceOf({
      acceptedBy: isOurs ? "tunicorn" : "node",
      refusal: isOurs ? theirs.refusal : ours.refusal,
      input,
      request: isOurs ? ours.requests[theirs.requests.length] : undefined,
    });
  }
}

interface Accepted {
  readonly requests: readonly ParsedRequest[];
  /** Code and message of the fault that ended them. */
  readonly refusal: string;
}

/** The complete requests that a connection would serve: none after one that ends it. */
function acceptedHere(input: Buffer): Accepted {
  const { requests } = parseWhole(defaultRules, input);
  const last = requests.findIndex(({ keepAlive }) => !keepAlive);
  if (last !== -1) {
    return { requests: requests.slice(0, last + 1), refusal: "closed after the answer" };
  }
  return { requests, refusal: faultOf(input) };
}

function faultOf(input: Buffer): string {
  const parser = new RequestParser(defaultRules.limits, defaultRules.policy);
  parser.feed(input);
  for (let event = parser.next(); event !== null; event = parser.next()) {
    if (event.type === "fault") return `${event.fault.code} ${event.fault.message}`;
  }
  return "waits for more";
}

function meaningOf({ method, target, fields, body }: ParsedRequest): NodeRequest {
  return { method, target, fields, body };
}

function report(t: { diagnostic(message: string): void }, { counts, unknown }: Comparison): void {
  for (const [name, count] of counts) {
    t.diagnostic(`${name}: ${count}`);
  }
  assert.deepEqual(
    [...unknown].map(([difference, example]) => `${difference}, first in ${example}`),
    [],
    "docs/http.md does not list a difference",
  );
}
