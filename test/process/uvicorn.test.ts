import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { ask, playCase, type Cases, type Outcome } from "../helpers/asgi-comparison.ts";
import type { Address } from "../helpers/client.ts";
import { repositoryRoot, fixtureApps, startFixture, startServer } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { startUvicorn } from "../helpers/uvicorn.ts";
import { differences, type Difference } from "./uvicorn-differences.ts";

const APPLICATION = "asgi_cases:app";
const PARSERS = ["h11", "httptools"] as const;

/** One way to run both servers: tunicorn, and uvicorn with each of its parsers. */
interface Side {
  readonly tunicorn: Address;
  readonly uvicorns: readonly Address[];
}

/** Which of the differences have shown, by case and fact. */
const shown = new Map<Difference, Set<string>>();

async function overTcp(t: TestContext): Promise<Side> {
  const server = await startFixture(t, APPLICATION, { args: ["-k", "asgi"] });
  const uvicorns = await Promise.all(
    PARSERS.map((http) => startUvicorn(t, APPLICATION, ["--port", "0", "--http", http])),
  );
  return { tunicorn: server.port, uvicorns };
}

async function overSocketFiles(t: TestContext): Promise<Side> {
  const folder = await temporaryFolder(t);
  const path = (name: string): string => join(folder, `${name}.sock`);
  const mounted = ["--root-path", "/mounted"];
  const args = [
    "-b",
    `unix:${path("tunicorn")}`,
    "-k",
    "uvicorn.workers.UvicornWorker",
    ...mounted,
    APPLICATION,
  ];
  await startServer(t, { cwd: fixtureApps, args });
  const start = (http: string): Promise<unknown> =>
    startUvicorn(t, APPLICATION, ["--uds", path(http), "--http", http, ...mounted]);
  await Promise.all(PARSERS.map((http) => start(http)));
  return { tunicorn: path("tunicorn"), uvicorns: PARSERS.map((http) => path(http)) };
}

/** Plays all cases, and tells of every fact that is as with neither of uvicorn's parsers, for no known reason. */
async function compare(
  { tunicorn, uvicorns }: Side,
  isCompared: (fact: string) => boolean = () => true,
): Promise<void> {
  const cases = (await ask(tunicorn, "cases")) as Cases;
  const unexplained: string[] = [];
  // One after the other: they share the application's state.
  for (const [name, steps] of Object.entries(cases)) {
    const play = (address: Address): Promise<Outcome> => playCase(address, name, steps);
    const [own, ...others] = await Promise.all([play(tunicorn), ...uvicorns.map((address) => play(address))]);
    for (const fact of new Set([own, ...others].flatMap((outcome) => [...(outcome?.keys() ?? [])]))) {
      const value = own?.get(fact);
      const [first, ...more] = others
        .filter((outcome) => !isUncalled(outcome, fact))
        .map((each) => each.get(fact));
      if (!isCompared(fact) || isUncalled(own, fact) || [first, ...more].includes(value)) continue;
      if (!isExplained(name, fact, value)) {
        unexplained.push(
          `${name}, ${fact}\n  tunicorn: ${value}\n  uvicorn:  ${[first, ...more].join("\n       or:  ")}`,
        );
      }
    }
  }
  assert.deepEqual(unexplained, [], unexplained.join("\n"));
}

/** What the application has seen is no fact where it was not called. */
function isUncalled(outcome: Outcome | undefined, fact: string): boolean {
  return (fact === "events" || fact.startsWith("scope ")) && outcome?.get("application") !== "called";
}

function isExplained(name: string, fact: string, value: string | undefined): boolean {
  const reasons = differences.filter(
    ({ cases, facts }) =>
      (cases === "any" || cases.includes(name)) && Object.hasOwn(facts, fact) && isAs(value, facts[fact]),
  );
  for (const reason of reasons) {
    const known = shown.get(reason) ?? new Set();
    shown.set(reason, known.add(fact).add(`${name}, ${fact}`));
  }
  return reasons.length > 0;
}

function isAs(value: string | undefined, expected: string | RegExp | undefined): boolean {
  return expected instanceof RegExp ? value !== undefined && expected.test(value) : value === expected;
}

test("what ASGI applications and their clients see is as with uvicorn", async (t) => {
  await compare(await overTcp(t));
});

test("scopes on a socket file, under a root path, are as with uvicorn", async (t) => {
  const side = await overSocketFiles(t);
  await compare(side, (fact) => fact === "application" || fact.startsWith("scope "));
});

test("every known difference to uvicorn shows, and docs/asgi.md has its reason", async () => {
  const unseen = differences.flatMap((difference) => {
    const { cases, facts } = difference;
    const wanted = Object.keys(facts).flatMap((fact) =>
      cases === "any" ? [fact] : cases.map((name) => `${name}, ${fact}`),
    );
    return wanted.filter((each) => !shown.get(difference)?.has(each));
  });
  assert.deepEqual(unseen, []);
  const page = (await readFile(join(repositoryRoot, "docs/asgi.md"), "utf8")).replaceAll(/\s+/g, " ");
  for (const { reason } of differences) assert(page.includes(`- ${reason}`), reason);
});
