/** Writes docs/errors.md from src/errors.ts: `npm run docs`. A test compares the page with what this makes. */
import { writeFileSync } from "node:fs";
import { EXIT_APPLICATION_LOAD, EXIT_WORKER_BOOT, type ErrorCode, errorKinds } from "../src/errors.ts";
import { errorMeanings } from "./error-meanings.ts";

const codes = Object.keys(errorKinds) as ErrorCode[];

/** The whole page. */
export function errorsPage(): string {
  return `<!-- Made by scripts/write-errors-doc.ts from src/errors.ts. Do not edit: run \`npm run docs\`. -->

# Errors

A message says what failed, the value, what was wanted, and on a line of its own what to do. The codes are for programs:
\`error.code\` of the \`TunicornError\` that [\`run()\`](programmatic.md) rejects with.

## Exit statuses

They are Gunicorn's.

| status | meaning |
|---|---|
| 0 | the server was stopped, or what was asked for is done |
| 1 | it could not start, or a check has failed |
| 2 | the command line is wrong |
| ${EXIT_WORKER_BOOT} | a worker failed to boot |
| ${EXIT_APPLICATION_LOAD} | the application failed to load |

A server that runs does not end because of an application: workers that cannot boot any more are forked again, each time after a longer pause.

## Of the command and the start

| code | status | meaning |
|---|---|---|
${rows("exitStatus")}

## Of requests

What a client is answered; the reason stands in the error log. [http.md](http.md) has the rules.

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
