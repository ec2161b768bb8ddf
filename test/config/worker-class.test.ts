import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

import { findWorkerClass, isOwnWorkerClass } from "../../src/config/worker-class.ts";
import { python, repositoryRoot } from "../helpers/server.ts";

const PROGRAM = "import json; from tunicorn.worker_classes import *; print(json.dumps(WORKER_CLASSES))";

/** What the router has to know of a class, by the module of the Python class. */
const KINDS: Readonly<Record<string, readonly [application: string, multiplexes: boolean]>> = {
  sync: ["wsgi", false],
  gthread: ["wsgi", false],
  gevent: ["wsgi", true],
  gevent_websocket: ["wsgi", true],
  eventlet: ["wsgi", true],
  tornado: ["asgi", true],
  asgi: ["asgi", true],
  uvicorn: ["asgi", true],
};

test("each name of a worker class means the same in both languages", () => {
  const { stdout } = spawnSync(python, ["-c", PROGRAM], {
    cwd: join(repositoryRoot, "python"),
    encoding: "utf8",
  });
  const classes = JSON.parse(stdout) as Record<string, [module: string, name: string]>;
  assert.ok(Object.keys(classes).length >= 22);
  for (const [name, [module]] of Object.entries(classes)) {
    assert.equal(isOwnWorkerClass(name), false, name);
    const { interface: application, multiplexes } = findWorkerClass(name);
    assert.deepEqual([application, multiplexes], KINDS[module.replace("tunicorn.workers.", "")], name);
  }
});

test("a dotted path and an entry point are classes of the user's own, other names are refused", () => {
  for (const name of ["mine.Worker", "egg:package#worker"]) assert.equal(isOwnWorkerClass(name), true);
  assert.equal(isOwnWorkerClass("gevnt"), false);
  assert.throws(() => findWorkerClass("gevnt"), { code: "ERR_WORKER_CLASS", hint: /^Use -k sync/ });
  for (const name of ["uvicorn", "UvicornWorker"])
    assert.throws(() => findWorkerClass(name), { hint: /^Write uvicorn\.workers\.UvicornWorker/ });
  assert.throws(() => findWorkerClass("threads"), { hint: /-k gthread --threads/ });
});
