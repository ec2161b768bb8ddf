import assert from "node:assert/strict";
import { test } from "node:test";

import { startCommandOf } from "../../src/arbiter/start-command.ts";

test("startCommandOf() starts Node anew with the same program and arguments", () => {
  const argv = ["/usr/bin/node", "/srv/current/bin/tunicorn.js", "-w", "2", "wsgi:app"];
  const command = startCommandOf(argv, "/srv/current", { PATH: "/bin" });
  assert.equal(command.program, "/usr/bin/node");
  assert.deepEqual(command.arguments.slice(process.execArgv.length), argv.slice(1));
  assert.deepEqual([command.workingFolder, command.environment], ["/srv/current", { PATH: "/bin" }]);
});

test("startCommandOf() starts the interpreter that the command was installed in, where there is one", () => {
  const argv = ["/x/node", "/x/bin/tunicorn.js", "--launcher", "/srv/current/bin/python", "-w", "2", "wsgi"];
  const { program, arguments: rest } = startCommandOf(argv, "/", {});
  assert.deepEqual([program, ...rest], ["/srv/current/bin/python", "-m", "tunicorn", "-w", "2", "wsgi"]);
});

test("startCommandOf() keeps the environment as it is now", () => {
  const environment: NodeJS.ProcessEnv = { A: "1" };
  const command = startCommandOf(["node", "x"], "/", environment);
  environment["A"] = "2";
  assert.deepEqual(command.environment, { A: "1" });
});
