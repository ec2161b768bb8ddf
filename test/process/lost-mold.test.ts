import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { memoryFolder } from "../helpers/memory-folder.ts";
import { runProgram } from "../helpers/program.ts";
import { fixtureApps, python, repositoryRoot } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** Kills the mold of its server, and stops the server when the generation of that mold has wholly gone. */
const PROGRAM = `
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "${join(repositoryRoot, "dist/index.js")}";

const [queueDirectory, python, chdir] = process.argv.slice(2);
const settings = { bind: "127.0.0.1:0", queue_dir: queueDirectory, python, chdir, graceful_timeout: 3600 };
const server = await run({ application: "pid", settings });
const children = readFileSync(\`/proc/self/task/\${process.pid}/children\`, "utf8").trim().split(" ");
const mold = children.find((pid) => readFileSync(\`/proc/\${pid}/cmdline\`, "utf8").includes("tunicorn: mold"));
const [directory] = readdirSync(queueDirectory);
const hasTokens = (generation) => existsSync(join(queueDirectory, directory, \`tokens-\${generation}\`));
process.kill(Number(mold), "SIGKILL");
while (hasTokens(1) || !hasTokens(2)) await new Promise((resolve) => setTimeout(resolve, 20));
await server.stop();
console.log("stopped");
`;

test("workers of a mold that died are forgotten when they are gone: a program that stops its server can end", async (t) => {
  const program = join(await temporaryFolder(t, { "program.mjs": PROGRAM }), "program.mjs");
  const args = [program, memoryFolder(t), python, fixtureApps];
  const { status, stdout, stderr } = await runProgram(t, process.execPath, args);
  assert.deepEqual([status, stdout], [0, "stopped\n"], stderr);
});
