import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { runProgram } from "../helpers/program.ts";
import { LOOPBACK, python, repositoryRoot, startServer } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** Black-box cases by RFC clause, kept beside the checkout and not in it. */
const folder = join(repositoryRoot, "../shared/conformance");
const program = join(folder, "h1_cases.py");
const skip = existsSync(program)
  ? false
  : "../shared/conformance/h1_cases.py is not beside this checkout: its cases were not tried";

const JOBS = 8;

interface Served {
  readonly application: string;
  readonly args: readonly string[];
  readonly workers: number;
  /** How the cases are cut: 0 sends each as a whole. */
  readonly segments: readonly number[];
}

const served: readonly Served[] = [
  // As many workers as cases at once: one that sleeps in the application must not hold up another.
  { application: "wsgi_echo:app", args: [], workers: JOBS, segments: [0, 1, 3, 7] },
  { application: "asgi_echo:app", args: ["-k", "asgi"], workers: 1, segments: [0, 3] },
];

interface Report {
  readonly passed: number;
  readonly failed: number;
  readonly failures: readonly { readonly id: string; readonly rfc: string; readonly got: string }[];
}

for (const { application, args, workers, segments } of served)
  test(`the conformance cases pass with ${application}, however they are cut`, { skip }, async (t) => {
    const log = join(await temporaryFolder(t), "application.log");
    const server = await startServer(t, {
      cwd: folder,
      args: [...LOOPBACK, ...args, "-w", String(workers), application],
      env: { ECHO_LOG: log },
      workers,
    });

    for (const segment of segments) {
      const how = segment === 0 ? "as a whole" : `in pieces of ${segment}`;
      await t.test(`sent ${how}`, async (t) => {
        const settings = [
          "--timeout",
          "3",
          "--jobs",
          String(JOBS),
          "--segment",
          String(segment),
          "--app-log",
          log,
          "--json",
        ];
        const { stdout, stderr } = await runProgram(t, python, [
          program,
          "127.0.0.1",
          String(server.port),
          ...settings,
        ]);
        assert.match(stderr, /^\d+ passed, \d+ failed\n$/, stdout + stderr);
        const report = JSON.parse(stdout) as Report;
        assert(report.passed > 0, "No case was tried");
        assert.deepEqual(
          report.failures.map(({ id, rfc, got }) => `${id} (${rfc}): ${got}`),
          [],
        );
      });
    }

    await t.test("without a line in the log that says the server broke", () => {
      assert.doesNotMatch(server.text, /CRITICAL|unhandled|TypeError|RangeError|broke the channel/i);
      assert.equal(server.bootedPids.length, workers);
    });
  });
