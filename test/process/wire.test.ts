import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { mutate } from "../helpers/mutation.ts";
import { defaultRules, piecesOf } from "../helpers/parse-outcome.ts";
import { Random } from "../helpers/random.ts";
import { encodeWireText, readRequestCases, type RequestCase } from "../helpers/request-case.ts";
import { brokenLaw } from "../helpers/request-laws.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { startFixture, type Server } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { exchangeBytes, inLanes, sendAndReset } from "../helpers/wire-client.ts";
import { meaningOf, wrongAnswer } from "../helpers/wire-meaning.ts";

/*
 * Bounded and always the same by default. For a search of its own:
 *   TUNICORN_FUZZ_ROUNDS=1000000 [TUNICORN_FUZZ_SEED=n] node --import tsx --test test/process/wire.test.ts
 * A failure shows the input in the notation of test/requests, ready to become a case.
 */
const ASKED = process.env["TUNICORN_FUZZ_ROUNDS"];
const ROUNDS = Number(ASKED ?? 3_000);
const SEED = Number(process.env["TUNICORN_FUZZ_SEED"] ?? (ASKED === undefined ? 0x74756e69 : Date.now()));

const LANES = 32;
const WORKERS = 2;
/** Larger ones are about limits: they would take all the time, in pieces above all. */
const SMALL_INPUT_BYTES = 600;
/** Of so many connections one goes without a word. */
const RUDE_ONE_OF = 16;

const MIB = 1024 * 1024;
/** From a fifth of the way to its end. */
const MEMORY_GROWTH_LIMIT_BYTES = 48 * MIB;

const defaultCases = [...readRequestCases("valid"), ...readRequestCases("invalid")].filter(
  ({ limits, policy }) => isDeepStrictEqual({ limits, policy }, defaultRules),
);
const smallCases = defaultCases.filter(({ input }) => input.length > 0 && input.length <= SMALL_INPUT_BYTES);
/** Behind these a further request is served. */
const goodCases = smallCases.filter(({ input }) => {
  const { requests, refusal } = meaningOf(input);
  return refusal === undefined && requests.every(({ keepAlive }) => keepAlive);
});
/** Most cases are invalid; what is worth mutating is what comes near to being served. */
const seedCases = [...smallCases, ...goodCases, ...goodCases, ...goodCases, ...goodCases];

/** A mutated case, behind some that are as they were. */
function fuzzedInput(random: Random): Buffer {
  const before = Array.from({ length: random.below(4) }, () => random.pick(goodCases).input);
  return Buffer.concat([...before, mutate(random, seedCases)]);
}

/** A server whose application tells what it sees, and how often it was called. */
async function startSeeing(
  t: TestContext,
): Promise<{ readonly server: Server; readonly calls: () => number }> {
  const record = join(await temporaryFolder(t), "calls");
  const server = await startFixture(t, "seen", {
    args: ["-w", String(WORKERS), "--forwarded-allow-ips", "192.0.2.1"],
    env: { CALLS: record },
    workers: WORKERS,
  });
  // Until then a worker may still open its channel, which counts as a descriptor of the router.
  await server.waitForLine(new RegExp(`Ready: ${WORKERS} workers`));
  return { server, calls: () => statSync(record).size };
}

/** What would tell of a bug in router, arbiter or worker, and not of a bad request. */
function assertUnharmed(server: Server, router: RouterProcess): void {
  const complaints = server.lines.filter((line) => !/\[(INFO|WARNING)\]/.test(line));
  assert.deepEqual(complaints, []);
  assert.equal(new RouterProcess(server).pid, router.pid);
  assert.equal(server.bootedPids.length, WORKERS);
}

async function untilDescriptors(router: RouterProcess, count: number): Promise<void> {
  await untilTrue(() => router.descriptors === count, {
    deadlineMs: CLEANUP_DEADLINE_MS,
    what: () => `${count} descriptors of the router, there are ${router.descriptors}`,
  });
}

test("every case of the corpus has its meaning on the wire too", async (t) => {
  const { server, calls } = await startSeeing(t);
  const router = new RouterProcess(server);
  const before = await router.countWithoutClients();
  const callsBefore = calls();
  let expectedCalls = 0;
  const check = async ({ name, kind, input }: RequestCase, pieces: Iterable<Buffer>): Promise<void> => {
    const meaning = meaningOf(input);
    expectedCalls += meaning.requests.length;
    const wrong = wrongAnswer(meaning, await exchangeBytes(server.port, pieces));
    assert.equal(wrong, undefined, `${kind}/${name}: ${wrong}`);
  };

  await inLanes(defaultCases, LANES, (each) => check(each, [each.input]));
  await inLanes(smallCases, LANES, (each) => check(each, piecesOf(each.input, 7)));

  assert.equal(calls() - callsBefore, expectedCalls);
  await untilDescriptors(router, before);
  assertUnharmed(server, router);
});

test("mutated requests have their meaning on the wire, and cost the router nothing", async (t) => {
  assert.ok(ROUNDS > 0, `TUNICORN_FUZZ_ROUNDS is ${ASKED}, want a number above 0`);
  const { server, calls } = await startSeeing(t);
  const router = new RouterProcess(server);
  const before = await router.countWithoutClients();
  const callsBefore = calls();
  const random = new Random(SEED);
  const counts = { inputs: 0, bytes: 0, answered: 0, refused: 0, rude: 0, expectedCalls: 0, rudeCalls: 0 };
  let earlyMemory = 0;

  function* inputs(): Generator<Buffer> {
    for (let round = 0; round < ROUNDS; round += 1) {
      if (round === Math.floor(ROUNDS / 5)) earlyMemory = router.memoryBytes.now;
      yield fuzzedInput(random);
    }
  }

  await inLanes(inputs(), LANES, async (input) => {
    const meaning = meaningOf(input);
    const shown = (): string => `seed ${SEED}:\n${encodeWireText(input)}`;
    for (const request of meaning.requests) {
      const law = brokenLaw(request, true);
      assert.equal(law, undefined, `${law} in a request of ${shown()}`);
    }
    const size = random.below(4) === 0 ? 1 + random.below(40) : input.length + 1;
    const pieces = piecesOf(input, size);
    counts.inputs += 1;
    counts.bytes += input.length;
    if (random.below(RUDE_ONE_OF) === 0) {
      counts.rude += 1;
      counts.rudeCalls += meaning.requests.length;
      await sendAndReset(server.port, pieces);
      return;
    }
    const received = await exchangeBytes(server.port, pieces).catch((cause: unknown) => {
      throw new Error(`No answers to ${shown()}`, { cause });
    });
    const wrong = wrongAnswer(meaning, received);
    assert.equal(wrong, undefined, `${wrong}, ${shown()}`);
    counts.expectedCalls += meaning.requests.length;
    counts.answered += meaning.requests.length;
    if (meaning.refusal !== undefined) counts.refused += 1;
  });

  await untilDescriptors(router, before);
  const calledTimes = calls() - callsBefore;
  const growth = router.memoryBytes.now - earlyMemory;
  t.diagnostic(`${JSON.stringify(counts)}, ${calledTimes} calls, router ${growth / MIB} MiB more`);
  assert.ok(calledTimes >= counts.expectedCalls, `Only ${calledTimes} calls`);
  assert.ok(calledTimes <= counts.expectedCalls + counts.rudeCalls, `${calledTimes} calls`);
  assert.ok(growth < MEMORY_GROWTH_LIMIT_BYTES, `The router grew by ${growth} bytes`);
  assertUnharmed(server, router);
});
