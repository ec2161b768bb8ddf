import assert from "node:assert/strict";
import { readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { chmod, copyFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { request } from "../helpers/client.ts";
import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import {
  fixtureApps,
  LOOPBACK,
  repositoryRoot,
  runCommand,
  type Server,
  startFixture,
  startServer,
} from "../helpers/server.ts";
import { runProgram } from "../helpers/program.ts";
import { publicPython, withoutOtherUser } from "../helpers/root.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** More than is kept in memory, so that it goes through a file of the router's. */
/** In a place of the ring, and in a file. */
const PLACED_BYTES = 1024 * 1024;
const LARGE_BYTES = 6 * 1024 * 1024;

const asAnybody = publicPython === undefined ? {} : { python: publicPython };

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

function ownerOf(path: string): Owner {
  const { uid, gid } = statSync(path);
  return { uid, gid };
}

/** The effective user and group of a process, by its title. */
function ownerOfProcess(server: Server, role: string): Owner {
  const found = server.processTree().find(({ command }) => command.includes(`tunicorn: ${role}`));
  const status = readFileSync(`/proc/${found?.pid}/status`, "latin1");
  const effective = (name: string): number =>
    Number(new RegExp(`^${name}:\\t\\d+\\t(\\d+)`, "m").exec(status)?.[1]);
  return { uid: effective("Uid"), gid: effective("Gid") };
}

async function rightsOf(server: Server, body = ""): Promise<Record<string, unknown>> {
  const answer = await request(server.port, "/upload", { body });
  assert.equal(answer.status, 200, server.text);
  return JSON.parse(answer.text) as Record<string, unknown>;
}

test(
  "with user and group the workers and the router give root's rights up",
  { skip: withoutOtherUser },
  async (t) => {
    const folder = await temporaryFolder(t);
    await chmod(folder, 0o755);
    const at = (name: string): string => join(folder, name);
    const pidfile = at("server.pid");
    const server = await startServer(t, {
      ...asAnybody,
      cwd: fixtureApps,
      args: [
        ...[...LOOPBACK, "-b", `unix:${at("s.sock")}`, "--umask", "0117", "--pid", pidfile],
        ...["--user", "nobody", "--log-level", "debug", "--access-logfile", at("access.log")],
        ...["--worker-tmp-dir", folder, "rights"],
      ],
    });
    const rights = await rightsOf(server);
    const [uid] = rights["uid"] as number[];
    const [gid] = rights["gid"] as number[];
    assert(uid !== undefined && gid !== undefined);
    const nobody: Owner = { uid, gid };
    const root: Owner = { uid: 0, gid: 0 };

    await t.test("a worker has the user's ids for good, his own group, and no further ones of root's", () => {
      assert.notEqual(uid, 0);
      assert.deepEqual(rights["uid"], [uid, uid, uid]);
      assert.deepEqual(rights["gid"], [gid, gid, gid]);
      assert.deepEqual(rights["groups"], [gid]);
    });

    await t.test("so has the router; the mold stays root", () => {
      assert.deepEqual(ownerOfProcess(server, "router"), nobody);
      assert.deepEqual(ownerOfProcess(server, "mold"), root);
    });

    await t.test("large bodies and files pass between the two", async () => {
      for (const bytes of [PLACED_BYTES, LARGE_BYTES])
        assert.equal((await rightsOf(server, "x".repeat(bytes)))["body"], bytes);
      const answer = await request(server.port, `/file?${LARGE_BYTES}`);
      assert.equal(answer.body.length, LARGE_BYTES);
    });

    await t.test("the socket and the runtime directory are the user's, the pidfile is root's", () => {
      assert.deepEqual(ownerOf(at("s.sock")), nobody);
      assert.equal(statSync(at("s.sock")).mode & 0o777, 0o660);
      const directories = readdirSync(folder).filter((name) => name.startsWith("tunicorn-"));
      assert.deepEqual(
        directories.map((name) => ownerOf(at(name))),
        [nobody],
      );
      assert.deepEqual(ownerOf(pidfile), root);
    });

    await t.test(
      "log files are the user's, also after they were moved away in a folder of root's",
      async () => {
        assert.deepEqual(ownerOf(at("access.log")), nobody);
        renameSync(at("access.log"), at("access.log.1"));
        server.signal("SIGUSR1");
        await untilTrue(
          async () => {
            await rightsOf(server);
            return (statSync(at("access.log"), { throwIfNoEntry: false })?.size ?? 0) > 0;
          },
          { deadlineMs: CLEANUP_DEADLINE_MS, what: "a line in the new access log" },
        );
        assert.deepEqual(ownerOf(at("access.log")), nobody);
      },
    );

    await t.test("a router that died is replaced by one with the same rights", async () => {
      const router = server.processTree().find(({ command }) => command.includes("tunicorn: router"));
      assert(router !== undefined);
      process.kill(router.pid, "SIGKILL");
      await server.waitForLine(/The router ended by SIGKILL/);
      await untilTrue(
        () => server.processTree().some(({ command }) => command.includes("tunicorn: router")),
        {
          deadlineMs: CLEANUP_DEADLINE_MS,
          what: "another router",
        },
      );
      assert.equal((await rightsOf(server))["body"], 0);
      assert.deepEqual(ownerOfProcess(server, "router"), nobody);
    });

    await t.test("nothing is left of the files when it ends", async () => {
      assert.deepEqual(await server.stop(), { status: 0, signal: null });
      const left = ["s.sock", "server.pid"].filter((name) => statSync(at(name), { throwIfNoEntry: false }));
      assert.deepEqual(left, []);
    });
  },
);

test(
  "a user who may not enter the folder where the server is started, or root's own for temporary files, is served all the same",
  { skip: withoutOtherUser },
  async (t) => {
    const closed = await temporaryFolder(t);
    await chmod(closed, 0o700);
    const server = await startServer(t, {
      ...asAnybody,
      cwd: closed,
      env: { TMPDIR: closed },
      args: [...LOOPBACK, "--user", "nobody", "--pythonpath", fixtureApps, "rights"],
    });
    assert.equal((await rightsOf(server, "x".repeat(LARGE_BYTES)))["body"], LARGE_BYTES);
    await server.waitForLine(/WARNING.*may not enter .*takes its place/);
  },
);

test(
  "a user who may not enter a folder that he needs is named with it, and what to do",
  { skip: withoutOtherUser },
  async (t) => {
    const closed = await temporaryFolder(t);
    await chmod(closed, 0o700);
    await copyFile(join(fixtureApps, "pid.py"), join(closed, "pid.py"));
    for (const [args, says] of [
      [["--chdir", closed], "The user nobody may not read CLOSED: .*chmod .*--chdir"],
      [["--worker-tmp-dir", closed], "The user nobody may not enter CLOSED, .*[^]*chmod .*worker_tmp_dir"],
      [["--access-logfile", join(closed, "a.log")], "Let the user nobody enter the folder CLOSED"],
    ] as const) {
      const options = { cwd: fixtureApps, args: [...LOOPBACK, "--user", "nobody", ...args, "pid"] };
      const end = await runCommand(t, { ...options, ...asAnybody });
      assert.match(end.stderr, new RegExp(says.replace("CLOSED", closed)));
      assert.notEqual(end.status, 0);
    }
  },
);

/** The number of the user nobody, everywhere but on macOS. */
const NOBODY = process.platform === "darwin" ? -2 : 65_534;

/** The command as another user calls it, to its end. */
async function runAsNobody(t: TestContext, args: readonly string[]): Promise<string> {
  const command = [join(repositoryRoot, "bin/tunicorn.js"), "--python", publicPython ?? "", ...args, "pid"];
  const options = { cwd: fixtureApps, uid: NOBODY, gid: NOBODY };
  const { status, stderr } = await runProgram(t, process.execPath, command, options);
  assert.equal(status, 1, stderr);
  return stderr;
}

test(
  "a user who may not do with folders and sockets what he asks for is told so, and what to do",
  { skip: withoutOtherUser },
  async (t) => {
    const closed = await temporaryFolder(t);
    await chmod(closed, 0o700);
    const chdir = await runAsNobody(t, [...LOOPBACK, "--chdir", closed]);
    assert.match(chdir, /tunicorn: The user nobody may not enter the folder of chdir, ".*"\n {2}Give him/);
    assert.doesNotMatch(chdir, / at /);

    const open = await temporaryFolder(t);
    const path = join(open, "left.sock");
    const leave = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
    await runProgram(t, process.execPath, ["-e", leave, path]);
    await chmod(open, 0o755);
    await chmod(path, 0o777);
    const left = await runAsNobody(t, ["-b", `unix:${path}`]);
    assert.match(left, /a socket is left there that the user nobody may not remove\n {2}Remove it/);
    await chmod(path, 0o755);
    const closedSocket = await runAsNobody(t, ["-b", `unix:${path}`]);
    assert.match(
      closedSocket,
      /: a socket is there that the user nobody may not connect to\n {2}Stop the program/,
    );
  },
);

test(
  "initgroups takes the further groups of the user, and a group may be given by number",
  { skip: withoutOtherUser },
  async (t) => {
    const args = ["--user", "nobody", "--group", "4242", "--initgroups"];
    const server = await startFixture(t, "rights", { args, ...asAnybody });
    const rights = await rightsOf(server);
    assert.deepEqual(rights["gid"], [4242, 4242, 4242]);
    assert((rights["groups"] as number[]).includes(4242));
  },
);

test("umask takes rights on the unix socket away, and none from the application", async (t) => {
  const folder = await temporaryFolder(t);
  for (const [umask, mode] of [
    [[], 0o777],
    [["-m", "007"], 0o770],
  ] as const) {
    const path = join(folder, "s.sock");
    const server = await startFixture(t, "rights", { args: ["-b", `unix:${path}`, ...umask] });
    assert.equal(statSync(path).mode & 0o777, mode);
    await server.stop();
  }
});

for (const [what, args, says] of [
  ["an unknown user", ["--user", "no-such-user"], /No such user: 'no-such-user'.*\n {2}Make it first/],
  ["an unknown group", ["--group", "no-such-group"], /No such group: 'no-such-group'.*\n {2}Make it first/],
  ["initgroups for a number without a name", ["--user", "424242", "--initgroups"], /initgroups .*424242/],
  ["a umask that is none", ["--umask", "0999"], /Invalid value for umask from the command line: "0999"/],
] as const) {
  for (const command of ["serving", "--check-config"]) {
    test(`${what} ends ${command} with status 1 and a message`, async (t) => {
      const check = command === "serving" ? [] : [command];
      const end = await runCommand(t, { cwd: fixtureApps, args: [...LOOPBACK, ...check, ...args, "pid"] });
      assert.equal(end.status, 1);
      assert.match(end.stderr, says);
      assert.doesNotMatch(end.stderr, /Traceback|Booting/);
    });
  }
}
