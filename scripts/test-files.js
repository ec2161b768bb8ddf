/**
 * Runs the test files named, each in a process of its own as `node --test` does, which would sort them by name: here the
 * first one named is the first to run. Started by scripts/test.js, with the loader of TypeScript.
 */
import { run } from "node:test";
import { spec } from "node:test/reporters";

/** Within it every file ends, on a loaded machine and a slow network too. One that hangs is ended and named. */
const FILE_DEADLINE_MS = 15 * 60_000;

const [concurrency, ...files] = process.argv.slice(2);
const tests = run({ files, concurrency: Number(concurrency), timeout: FILE_DEADLINE_MS });
tests.on("test:fail", () => (process.exitCode = 1));
tests.compose(new spec()).pipe(process.stdout);
