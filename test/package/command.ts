import type { TestContext } from "node:test";

import { onTeardown } from "../helpers/teardown.ts";

const VARIABLE = "TUNICORN_TEST_COMMAND";

/** The command that test/helpers/server.ts starts, until the test ends: words without white space in them. */
export function useCommand(t: TestContext, words: readonly string[]): void {
  const before = process.env[VARIABLE];
  process.env[VARIABLE] = words.join(" ");
  onTeardown(t, () => {
    if (before === undefined) {
      delete process.env[VARIABLE];
    } else {
      process.env[VARIABLE] = before;
    }
  });
}
