/**
 * `npm test`: installs what is missing, builds, checks, and runs all tests of both languages.
 * `npm test -- test/http` runs the tests of that folder or file alone. The last line counts what passed and failed.
 */
import { readdirSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { start } from "./beside.js";
import { build, installNodeModules, installPythonPackages, root, runOrFail, venvPython } from "./steps.js";

/** Their files take longest, and come first: the short files of other folders leave no long one alone at the end. */
const LONG_FOLDERS = ["test/package/", "test/process/"];

installNodeModules();
installPythonPackages(".venv", "requirements-test.txt");
build();
// As pip does it. The servers of the tests keep no bytecode, and each would compile all of it again.
runOrFail(venvPython, ["-m", "compileall", "-q", "python/tunicorn"], "Compiling the Python modules");
runOrFail(process.execPath, ["scripts/transpile.js"], "Transpiling the tests");

const chosen = process.argv.slice(2);
const isComplete = chosen.length === 0;
const files = isComplete ? longFirst(testFiles("test")) : chosen.flatMap((path) => testFiles(path));
const counts = { passed: 0, failed: 0, skipped: 0 };

// The TypeScript tests wait a good deal, for processes and until limits on time have passed. All else runs meanwhile.
const check = isComplete ? start(process.execPath, ["scripts/check.js"]) : undefined;
const nodeTests = files.length > 0 ? startNodeTests(files) : undefined;
const pythonTests = check?.ended.then(() => start(venvPython, ["-m", "pytest"]));

if (check !== undefined) count((await check.show()).status === 0, "check");
if (nodeTests !== undefined) countNodeTests(await nodeTests.show());
if (pythonTests !== undefined) countPythonTests(await (await pythonTests).show());

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

function longFirst(paths) {
  const isLong = (path) => LONG_FOLDERS.some((folder) => path.startsWith(folder));
  return [...paths.filter(isLong), ...paths.filter((path) => !isLong(path))];
}

function startNodeTests(paths) {
  // One more than there are cores: what waits leaves its core to another.
  const concurrency = String(availableParallelism() + 1);
  return start(process.execPath, [
    "--import",
    "./scripts/transpiled.js",
    "scripts/test-files.js",
    concurrency,
    ...paths,
  ]);
}

/** The closing lines of a run tell the counts. */
function countNodeTests({ status, output }) {
  const before = counts.failed;
  addCounts(output, { passed: /^. pass (\d+)$/m, failed: /^. fail (\d+)$/m, skipped: /^. skipped (\d+)$/m });
  addCounts(output, { failed: /^. cancelled (\d+)$/m });
  if (status !== 0 && counts.failed === before) count(false, `node --test ended with status ${status}`);
}

function countPythonTests({ status, output }) {
  addCounts(output, { passed: /(\d+) passed/, failed: /(\d+) failed/, skipped: /(\d+) skipped/ });
  if (status !== 0 && !/\d+ failed/.test(output)) count(false, `pytest ended with status ${status}`);
}

function addCounts(output, patterns) {
  for (const [name, pattern] of Object.entries(patterns))
    counts[name] += Number(pattern.exec(output)?.[1] ?? 0);
}

function count(isGood, name) {
  counts[isGood ? "passed" : "failed"] += 1;
  if (!isGood) process.stdout.write(`FAILED ${name}\n`);
}
