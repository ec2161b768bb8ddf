import assert from "node:assert/strict";
import { STATUS_CODES } from "node:http";
import { test } from "node:test";

import { errorKinds } from "../../src/errors.ts";
import { reasonPhrases } from "../../src/http/reason-phrases.ts";

test("reasonPhrases has Node's words", () => {
  for (const [status, phrase] of Object.entries(reasonPhrases)) assert.equal(phrase, STATUS_CODES[status]);
});

test("reasonPhrases has one for every status that an error is answered with", () => {
  const statuses = Object.values(errorKinds).flatMap((kind) =>
    "httpStatus" in kind ? [kind.httpStatus] : [],
  );
  assert.ok(statuses.length > 0);
  assert.deepEqual(
    statuses.filter((status) => reasonPhrases[status] === undefined),
    [],
  );
});
