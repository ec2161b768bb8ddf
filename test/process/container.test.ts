import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

import { sha256 } from "../helpers/bodies.ts";
import { request } from "../helpers/client.ts";
import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import {
  fixtureApps,
  type LaunchOptions,
  LOOPBACK,
  python,
  repositoryRoot,
  runCommand,
  type Server,
  type ServerProcess,
  startFixture,
} from "../helpers/server.ts";

/** Starts a program as process 1 of a new pid namespace, as a container does; null where that is not allowed. */
const through = [
  ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"],
  ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"],
].find(([program = "", ...args]) => spawnSync(program, [...args, "true"]).status === 0);

/** More than a place of the shared queue takes, so it goes to a file. */
const BODY_FILE_BYTES = 8 * 1024 * 1024;

const skip = through === undefined ? "pid namespaces cannot be made here" : false;

const commands: Readonly<Record<string, Partial<LaunchOptions>>> = {
  "the command": {},
  "the command of a Python installation": {
    command: [python, "-m", "tunicorn"],
    env: {
      PYTHONPATH: join(repositoryRoot, "python"),
      PATH: `${join(process.execPath, "..")}:${process.env["PATH"]}`,
    },
  },
};

function startContainer(t: TestContext, options: Partial<LaunchOptions>): Promise<Server> {
  return startFixture(t, "orphans", { ...options, through: through ?? [] });
}

/** Our pid of the process that is number 1 inside. */
function firstPid(server: ServerProcess): number {
  const inside = server.processTree().find(({ pid }) => {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return /^NSpid:\t\d+\t1$/m.test(status);
  });
  assert(inside !== undefined, JSON.stringify(server.processTree(), null, 2));
  return inside.pid;
}

for (const [what, options] of Object.entries(commands)) {
  test(`${what} as process 1 of a container`, { skip }, async (t) => {
    const server = await startContainer(t, options);

    await t.test("reaps orphans that the application leaves behind", async () => {
      const orphan = (await request(server.port, "/orphan")).text;
      assert.match(orphan, /^\d+$/);
      let state = "";
      await untilTrue(
        async () => {
          state = (await request(server.port, `/state?${orphan}`)).text;
          return state === "gone";
        },
        {
          deadlineMs: CLEANUP_DEADLINE_MS,
          what: () => `the end of process ${orphan}, which is in state ${state}`,
        },
      );
    });

    await t.test("takes signals: HUP reloads, TERM stops, with status 0", async () => {
      const first = firstPid(server);
      process.kill(first, "SIGHUP");
      await server.waitForLine(/Reloaded: /);
      assert.equal((await request(server.port, "/state?1")).text, "S");
      process.kill(first, "SIGTERM");
      await server.waitForLine(/Handling signal: term/);
      assert.deepEqual(await server.waitForExit(), { status: 0, signal: null });
    });
  });

  test(`${what} as process 1 ends with the status of what went wrong`, { skip }, async (t) => {
    const end = await runCommand(t, {
      ...options,
      through: through ?? [],
      cwd: fixtureApps,
      args: [...LOOPBACK, "no_app"],
    });
    assert.equal(end.status, 4, end.text);
  });
}

/** As a chroot without /proc is: what is mounted there has nothing in it. */
const withoutProc = [
  ["unshare", "--mount"],
  ["unshare", "--user", "--map-root-user", "--mount"],
]
  .map((through) => [...through, "sh", "-c", 'mount -t tmpfs tmpfs /proc && exec "$@"', "sh"])
  .find(([program = "", ...args]) => spawnSync(program, [...args, "true"]).status === 0);

test(
  "without /proc a body that goes to a file reaches the application",
  { skip: withoutProc === undefined ? "/proc cannot be hidden here" : false },
  async (t) => {
    const server = await startFixture(t, "echo", { through: withoutProc ?? [] });
    const body = "body".repeat(BODY_FILE_BYTES / 4);
    const { status, text } = await request(server.port, "/", { method: "POST", body });
    assert.equal(status, 200, text);
    assert(text.includes(sha256(Buffer.from(body))), text);
  },
);
