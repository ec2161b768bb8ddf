/**
 * `npm test`: installs what is missing, builds, checks, and runs all tests of both languages.
 * `npm test -- test/http` runs the tests of that folder or file alone. The last line counts what passed and failed.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { build, installNodeModules, installPythonPackages, root, run, venvPython } from "./steps.js";

installNodeModules();
installPythonPackages(".venv", "requirements-test.txt");
build();

const chosen = process.argv.slice(2);
const isComplete = chosen.length === 0;
const counts = { passed: 0, failed: 0, skipped: 0 };

if (isComplete) count(run(process.execPath, ["scripts/check.js"]) === 0, "check");
const files = isComplete ? testFiles("test") : chosen.flatMap((path) => testFiles(path));
if (files.length > 0) runNodeTests(files);
if (isComplete) runPythonTests();

const skippedText = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed${skippedText}\n`);
// Not process.exit(), which drops what a pipe has not taken yet.
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;

function testFiles(path) {
  if (!statSync(join(root, path)).isDirectory()) return path.endsWith(".test.ts") ? [path] : [];
  return readdirSync(join(root, path), { recursive: true })
    .map((name) => relative(root, join(root, path, String(name))))
    .filter((name) => name.endsWith(".test.ts"))
    .toSorted();
}

function count(isGood, name) {
  counts[isGood ? "passed" : "failed"] += 1;
  if (!isGood) process.stdout.write(`FAILED ${name}\n`);
}

/** Shows the run as it goes, and reads the counts from its closing lines. */
function runNodeTests(paths) {
  const concurrency = Math.max(2, availableParallelism() - 1);
  const { stdout, status } = spawnSync(
    process.execPath,
    ["--import", "tsx", "--test", "--test-reporter=spec", `--test-concurrency=${concurrency}`, ...paths],
    { cwd: root, stdio: ["ignore", "pipe", "inherit"], encoding: "utf8", maxBuffer: 256 * 1024 * 1024 },
  );
  process.stdout.write(stdout);
  addCounts(stdout, /^. pass (\d+)$/m, /^. fail (\d+)$/m, /^. skipped (\d+)$/m);
  if (status !== 0 && counts.failed === 0) count(false, "node --test ended early");
}

function runPythonTests() {
  const { stdout, status } = spawnSync(venvPython, ["-m", "pytest"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  process.stdout.write(stdout);
  addCounts(stdout, /(\d+) passed/, /(\d+) failed/, /(\d+) skipped/);
  if (status !== 0 && !/\d+ failed/.test(stdout)) count(false, `pytest ended with status ${status}`);
}

function addCounts(output, passed, failed, skipped) {
  counts.passed += Number(passed.exec(output)?.[1] ?? 0);
  counts.failed += Number(failed.exec(output)?.[1] ?? 0);
  counts.skipped += Number(skipped.exec(output)?.[1] ?? 0);
}
