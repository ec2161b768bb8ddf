import assert from "node:assert/strict";
import { test } from "node:test";

import { filesBelow, readText } from "./sources.ts";

/** A remark for a linter or type checker that nothing follows: no reason is given. */
const BARE =
  /#\s*(?:noqa(?:: [A-Z0-9, ]+)?|type: ignore(?:\[[a-z-]+\])?)\s*$|@ts-(?:ignore|expect-error)\s*$/;

test("Every line that a linter or a type checker leaves alone says why", () => {
  const files = [
    ...filesBelow("python", ".py"),
    ...filesBelow("src", ".ts"),
    ...filesBelow("test", ".ts"),
    ...filesBelow("bench", ".ts"),
  ];
  const bare = files.flatMap((path) =>
    readText(path)
      .split("\n")
      .filter((line) => BARE.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  );
  assert.deepEqual(bare, [], "Write the reason behind it: `# noqa: PLC0415 -- seldom needed`");
});
