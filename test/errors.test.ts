import assert from "node:assert/strict";
import { test } from "node:test";

import {
  describeError,
  errorKinds,
  type ErrorCode,
  type ErrorKind,
  EXIT_APPLICATION_LOAD,
  EXIT_WORKER_BOOT,
  exitStatusOf,
  TunicornError,
} from "../src/errors.ts";

const entries = Object.entries(errorKinds) as [ErrorCode, ErrorKind][];

for (const [code, { audience, exitStatus, httpStatus }] of entries) {
  test(`${code} ends the process or a request, with a status that fits its audience`, () => {
    assert.match(code, /^ERR_[A-Z]+(_[A-Z]+)*$/);
    assert.ok(exitStatus !== undefined || httpStatus !== undefined);
    if (exitStatus !== undefined) {
      assert.ok(Number.isInteger(exitStatus) && exitStatus > 0 && exitStatus < 126);
    }
    if (audience === "client") {
      assert.ok(httpStatus !== undefined && exitStatus === undefined);
    }
    if (httpStatus !== undefined) {
      assert.ok(Number.isInteger(httpStatus) && httpStatus >= 400 && httpStatus < 600);
      assert.equal(audience !== "client" && httpStatus < 500, false, "4xx says that the client is at fault");
    }
  });
}

const statuses: Readonly<Partial<Record<ErrorCode, number>>> = {
  ERR_USAGE: 2,
  ERR_NO_APPLICATION: 1,
  ERR_SETTING_VALUE: 1,
  ERR_CONFIG_FILE: 1,
  ERR_BIND: 1,
  ERR_WORKER_BOOT: EXIT_WORKER_BOOT,
  ERR_APPLICATION_LOAD: EXIT_APPLICATION_LOAD,
};

test("The exit statuses are those that Gunicorn's users know", () => {
  assert.equal(EXIT_WORKER_BOOT, 3);
  assert.equal(EXIT_APPLICATION_LOAD, 4);
  for (const [code, status] of Object.entries(statuses) as [ErrorCode, number][]) {
    assert.equal(exitStatusOf(new TunicornError(code, "x")), status, code);
  }
});

test("TunicornError has its code, its kind, and what was given to it", () => {
  const cause = new Error("deeper");
  const error = new TunicornError("ERR_BIND", "Cannot listen", { cause, hint: "Choose another" });
  assert.ok(error instanceof Error);
  assert.equal(error.name, "TunicornError");
  assert.equal(error.code, "ERR_BIND");
  assert.equal(error.message, "Cannot listen");
  assert.equal(error.hint, "Choose another");
  assert.equal(error.cause, cause);
  assert.equal(error.kind, errorKinds.ERR_BIND);
});

test("TunicornError has no cause and no hint that nobody gave", () => {
  const error = new TunicornError("ERR_BIND", "Cannot listen");
  assert.ok(!("cause" in error));
  assert.equal(error.hint, undefined);
});

test("describeError() shows an operator the message, and on the next line what to do", () => {
  assert.equal(describeError(new TunicornError("ERR_BIND", "Cannot listen")), "Cannot listen");
  assert.equal(
    describeError(new TunicornError("ERR_BIND", "Cannot listen", { hint: "Choose another" })),
    "Cannot listen\n  Choose another",
  );
});

test("describeError() shows of an error that nobody expected where it came from", () => {
  assert.match(describeError(new RangeError("off by one")), /^RangeError: off by one\n +at /);
});

for (const [thrown, text] of [
  ["text", "text"],
  [undefined, "undefined"],
  [null, "null"],
  [7, "7"],
] as const) {
  test(`describeError() shows ${text}, which is no error, as it is`, () => {
    assert.equal(describeError(thrown), text);
  });
}

test("exitStatusOf() is 1 for what has no status of its own", () => {
  assert.equal(exitStatusOf(new TunicornError("ERR_HTTP_HOST", "x")), 1);
  assert.equal(exitStatusOf(new Error("x")), 1);
  assert.equal(exitStatusOf("x"), 1);
});
