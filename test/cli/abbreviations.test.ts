import assert from "node:assert/strict";
import { test } from "node:test";

import { expandAbbreviations, type Flag } from "../../src/cli/abbreviations.ts";

function flag(setting: string, needsValue: boolean, isOwn = false): Flag {
  return { setting, needsValue, isOwn };
}

const flags: ReadonlyMap<string, Flag> = new Map([
  ["--workers", flag("workers", true)],
  ["-w", flag("workers", true)],
  ["--worker-class", flag("worker_class", true)],
  ["--error-logfile", flag("errorlog", true)],
  ["--error-log", flag("errorlog", true)],
  ["--preload", flag("preload_app", false)],
  ["-R", flag("inherit", false)],
  ["--paste", flag("paste", true)],
  ["--paste-global", flag("paste_global", true)],
  ["--header-map", flag("header_map", true)],
  ["--header-timeout", flag("header_timeout", true, true)],
  ["--queue-size", flag("queue_size", true, true)],
  ["--queue-timeout", flag("queue_timeout", true, true)],
]);

const cases: readonly { readonly what: string; readonly given: string; readonly written: string }[] = [
  { what: "a flag that is written out", given: "--workers 4 app", written: "--workers 4 app" },
  { what: "a short flag with = before its value", given: "-w=4 app", written: "-w 4 app" },
  { what: "a short flag with its value", given: "-w4", written: "-w4" },
  { what: "a switch", given: "--pre app", written: "--preload app" },
  { what: "a flag and its value in one word", given: "--worker-c=sync", written: "--worker-class=sync" },
  { what: "a flag that is the beginning of another", given: "--paste a", written: "--paste a" },
  { what: "one of two flags of one setting", given: "--err x", written: "--error-logfile x" },
  { what: "a flag of Gunicorn, before one of ours", given: "--head drop", written: "--header-map drop" },
  { what: "a flag of ours where it is the only one", given: "--queue-s 4", written: "--queue-size 4" },
  { what: "a flag that nobody knows", given: "--nothing", written: "--nothing" },
  { what: "what stands behind --", given: "--pre -- --pre", written: "--preload -- --pre" },
];

for (const { what, given, written } of cases) {
  test(`expandAbbreviations() writes out ${what}`, () => {
    assert.deepEqual(expandAbbreviations(given.split(" "), flags), written.split(" "));
  });
}

for (const given of ["--paste --pre", "-w --pre", "-Rw --pre", "--worker-c --pre", "-w=--pre"]) {
  test(`expandAbbreviations() leaves the value of ${given} alone`, () => {
    assert.deepEqual(expandAbbreviations(given.split(" "), flags).at(-1), "--pre");
  });
}

for (const [given, between] of [
  ["--work", ["--workers", "--worker-class"]],
  ["--worker=4", ["--workers", "--worker-class"]],
  ["--queue", ["--queue-size", "--queue-timeout"]],
  ["--past", ["--paste", "--paste-global"]],
] as const) {
  test(`expandAbbreviations() says between which flags ${given} cannot choose`, () => {
    const { message } = assertThrown(() => expandAbbreviations([given, "4"], flags));
    assert.equal(message, `${given.split("=")[0]} is short for more than one flag: ${between.join(", ")}`);
  });
}

function assertThrown(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  throw new assert.AssertionError({ message: "Nothing was thrown" });
}
