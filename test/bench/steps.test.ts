import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { runChild } from "../../bench/http/measure/child.ts";
import { ExitGuard } from "../../bench/http/measure/exit-guard.ts";
import { python, repositoryRoot } from "../helpers/server.ts";

const DEADLINE_MS = 60_000;

for (const [program, application, path] of [
  ["worker.py", "flask_json:app", "/items/7"],
  ["asgi_worker.py", "fastapi_json:app", "/items/7"],
] as const) {
  test(`bench/steps/${program} says what a request costs the worker, and of it the application`, async () => {
    const command = [python, join(repositoryRoot, "bench/steps", program), application, path];
    const output = await runChild({ command, deadlineMs: DEADLINE_MS, guard: new ExitGuard() });
    assert.match(output, /^\w+:app: .* \d+\.\d\d µs a request, .* alone \d+\.\d\d µs$/m);
  });
}
