/** Writes docs/errors.md from src/errors.ts: `npm run docs`. A test compares the page with what this makes. */
import { writeFileSync } from "node:fs";
import { EXIT_APPLICATION_LOAD, EXIT_WORKER_BOOT, type ErrorCode, errorKinds } from "../src/errors.ts";
import { errorMeanings } from "./error-meanings.ts";

const codes = Object.keys(errorKinds) as ErrorCode[];

/** The whole page. */
export function errorsPage(): string {
  return `<!-- Made by scripts/write-errors-doc.ts from src/errors.ts. Do not edit: run \`npm run docs\`. -->

# Errors

This page lists exit statuses, answers and codes. If something does not work and you want to know what to do, read
[troubleshooting.md](troubleshooting.md).

A message says what failed, with which value, and what was expected; the line below it says what to do. The codes are for programs:
when [\`run()\`](programmatic.md) rejects with a \`TunicornError\`, its \`code\` is one of these.

## Exit statuses

They are the same as Gunicorn's.

| status | meaning |
|---|---|
| 0 | the server was stopped, or the command did what was asked |
| 1 | the server could not start, or a check failed |
| 2 | the command line is wrong |
| ${EXIT_WORKER_BOOT} | a worker failed to boot |
| ${EXIT_APPLICATION_LOAD} | the application could not be loaded |

A running server does not end because of its application. When a worker can no longer boot, the server tries again, each time after a
longer pause.

## Errors of the command and of the start

| code | status | meaning |
|---|---|---|
${rows("exitStatus")}

## Errors of requests

The client gets the status; the error log has the reason (for 503, at most once a minute). [http.md](http.md) has the rules.

| code | answer | meaning |
|---|---|---|
${rows("httpStatus")}
`;
}

function rows(status: "exitStatus" | "httpStatus"): string {
  return codes
    .filter((code) => errorKinds[code][status] !== undefined)
    .map((code) => `| \`${code}\` | ${errorKinds[code][status]} | ${errorMeanings[code]} |`)
    .join("\n");
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(new URL("../docs/errors.md", import.meta.url), errorsPage());
}
