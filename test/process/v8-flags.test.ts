import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { request } from "../helpers/client.ts";
import { LOOPBACK, fixtureApps, python, repositoryRoot, startServer } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** Runs in each Node before its program, and prints what V8 took of the flags. */
const PROBE = `
const { heap_size_limit: limit } = require("node:v8").getHeapStatistics();
const process_ = /router\\.cjs$/.test(process.argv[1]) ? "router" : "arbiter";
console.log(process_ + " has " + JSON.stringify({ limit, flags: process.execArgv }));
`;

interface Seen {
  /** Of the old generation and three times the new space's half. */
  readonly limit: number;
  readonly flags: readonly string[];
}

type Process = "arbiter" | "router";

/** Starts a server with flags for Node on its command line and in NODE_OPTIONS. */
async function seenBy(
  t: TestContext,
  { flags = [], nodeOptions = "" }: { readonly flags?: readonly string[]; readonly nodeOptions?: string },
): Promise<Readonly<Record<Process, Seen>>> {
  const probe = join(await temporaryFolder(t, { "probe.cjs": PROBE }), "probe.cjs");
  const server = await startServer(t, {
    cwd: fixtureApps,
    args: [...LOOPBACK, "pid"],
    command: [process.execPath, ...flags, join(repositoryRoot, "bin/tunicorn.js"), "--python", python],
    env: { NODE_OPTIONS: `--require ${probe} ${nodeOptions}` },
  });
  assert.equal((await request(server.port, "/")).status, 200);
  const seen = async (name: Process): Promise<Seen> => {
    const [, text = ""] = await server.waitForLine(new RegExp(`^${name} has (.*)$`));
    return JSON.parse(text) as Seen;
  };
  const both = { arbiter: await seen("arbiter"), router: await seen("router") };
  assert.doesNotMatch(server.text, /unrecognized flag|bad option/);
  await server.stop();
  return both;
}

test("a router has flags of its own for V8 where new space would grow far", async (t) => {
  const { arbiter, router } = await seenBy(t, { flags: ["--stack-trace-limit=20"] });
  const isGrowing = Number.parseInt(process.versions.node, 10) >= 24;
  const own = isGrowing ? ["--max-semi-space-size=16"] : [];
  assert.deepEqual(arbiter.flags, ["--stack-trace-limit=20"]);
  assert.deepEqual(router.flags, [...own, "--stack-trace-limit=20"]);
});

for (const name of ["--max-semi-space-size", "--max_semi_space_size"]) {
  test(`${name} of the user is what a router has`, async (t) => {
    const given = await seenBy(t, { flags: [`${name}=7`] });
    assert.equal(given.router.limit, given.arbiter.limit);
    const exported = await seenBy(t, { nodeOptions: `${name}=7` });
    assert.equal(exported.router.limit, exported.arbiter.limit);
    assert.equal(exported.router.limit, given.router.limit);
  });
}
