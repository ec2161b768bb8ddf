import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { mutate } from "../helpers/mutation.ts";
import { parsePieces, parseWhole, type ParseOutcome, type ParseRules } from "../helpers/parse-outcome.ts";
import { Random } from "../helpers/random.ts";
import { encodeWireText, readRequestCases } from "../helpers/request-case.ts";
import { brokenLaw } from "../helpers/request-laws.ts";

/*
 * Bounded and always the same by default. For a search of its own:
 *   TUNICORN_FUZZ_ROUNDS=Infinity [TUNICORN_FUZZ_SEED=n] node --import tsx --test test/http/request-parser-fuzz.test.ts
 * A failure names its seed and shows the input in the notation of test/requests, ready to become a case.
 */
const DEFAULT_ROUNDS = 20_000;
const DEFAULT_SEED = 0x74756e69;
const SMALL_LIMITS = { requestLineBytes: 40, fieldCount: 4, fieldBytes: 60, headBytes: 160 };
/** Large cases are about limits, and would take all the time. */
const SEED_INPUT_LIMIT_BYTES = 600;

test("RequestParser gives one lawful meaning to every mutated request, however it is cut", () => {
  const asked = process.env["TUNICORN_FUZZ_ROUNDS"];
  const rounds = asked === undefined ? DEFAULT_ROUNDS : Number(asked);
  assert.ok(rounds > 0, `TUNICORN_FUZZ_ROUNDS is ${asked}, want a number above 0 or Infinity`);
  const seed = Number(process.env["TUNICORN_FUZZ_SEED"] ?? (asked === undefined ? DEFAULT_SEED : Date.now()));
  const random = new Random(seed);
  const cases = [...readRequestCases("valid"), ...readRequestCases("invalid")].filter(
    ({ input }) => input.length > 0 && input.length <= SEED_INPUT_LIMIT_BYTES,
  );
  for (let round = 0; round < rounds; round += 1) {
    const input = mutate(random, cases);
    const limits = random.below(4) === 0 ? SMALL_LIMITS : random.pick(cases).limits;
    const { policy } = random.pick(cases);
    checkInput(random, { input, rules: { limits, policy }, name: `seed ${seed}, round ${round}` });
  }
});

interface FuzzInput {
  readonly input: Buffer;
  readonly rules: ParseRules;
  readonly name: string;
}

function checkInput(random: Random, { input, rules, name }: FuzzInput): void {
  const shown = (): string => `${name}, ${JSON.stringify(rules)}:\n${encodeWireText(input)}`;
  let whole: ParseOutcome;
  let cut: ParseOutcome;
  try {
    whole = parseWhole(rules, input);
    cut = parsePieces(rules, randomPieces(random, input));
  } catch (failure) {
    throw new Error(`The parser threw on ${shown()}`, { cause: failure });
  }
  if (!isDeepStrictEqual(cut, whole)) {
    assert.deepEqual(cut, whole, `Another meaning in pieces of ${shown()}`);
  }
  const requests = whole.unfinished === undefined ? whole.requests : [...whole.requests, whole.unfinished];
  const bodyBytes = requests.reduce((sum, { body }) => sum + body.length, 0);
  assert.ok(bodyBytes <= input.length, `More body than input from ${shown()}`);
  for (const request of requests) {
    const law = brokenLaw(request, request !== whole.unfinished);
    assert.equal(law, undefined, `${law} in a request of ${shown()}`);
  }
}

function* randomPieces(random: Random, input: Buffer): Generator<Buffer> {
  const largest = 1 + random.below(random.below(2) === 0 ? 8 : 80);
  for (let start = 0; start < input.length;) {
    const end = start + 1 + random.below(largest);
    // Each piece in memory of its own, as from a socket: reading beyond its end finds nothing.
    yield Buffer.from(input.subarray(start, end));
    start = end;
  }
}
