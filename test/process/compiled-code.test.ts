import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Script } from "node:vm";

import { request } from "../helpers/client.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { runProgram } from "../helpers/program.ts";
import { fixtureApps, LOOPBACK, python, repositoryRoot, startServer } from "../helpers/server.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

/** src/system/compiled-code.ts has it before what V8 made. */
const HEADER_BYTES = 128;

const PROGRAMS = ["command", "router"] as const;
type Program = (typeof PROGRAMS)[number];

interface ScriptSource {
  readonly source?: string;
  readonly cachedData?: Buffer;
}

/** A copy of what is installed, in which nothing was compiled yet. */
class Installation {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(t: TestContext): Promise<Installation> {
    const folder = await temporaryFolder(t);
    cpSync(join(repositoryRoot, "bin"), join(folder, "bin"), { recursive: true });
    cpSync(join(repositoryRoot, "dist/bundle"), join(folder, "dist/bundle"), {
      recursive: true,
      filter: (path) => !path.includes(".cjs."),
    });
    symlinkSync(join(repositoryRoot, "python"), join(folder, "python"));
    return new Installation(folder);
  }

  /** Starts it, by the program `through` if there is one, and has it answer. */
  async serve(t: TestContext, { through = [] as readonly string[] } = {}): ReturnType<typeof startServer> {
    const command = [process.execPath, join(this.#folder, "bin/tunicorn.js"), "--python", python];
    const server = await startServer(t, { cwd: fixtureApps, args: [...LOOPBACK, "pid"], command, through });
    assert.equal((await request(server.port, "/")).status, 200);
    return server;
  }

  async version(t: TestContext, env: NodeJS.ProcessEnv = process.env): Promise<string> {
    const program = join(this.#folder, "bin/tunicorn.js");
    return (await runProgram(t, process.execPath, [program, "--version"], { env })).stdout;
  }

  /** The program as a start compiles it. */
  script(program: Program, { source = this.source(program), ...options }: ScriptSource = {}): Script {
    return new Script(`(function (exports, require, module, __filename, __dirname) {${source}})`, options);
  }

  source(program: Program): string {
    return readFileSync(this.sourcePath(program), "latin1");
  }

  /** What V8 made of it. */
  kept(program: Program): Buffer {
    return readFileSync(this.compiledPath(program)).subarray(HEADER_BYTES);
  }

  /** Keeps other code under the same header, of as long a source: who runs it says something else. */
  keepOther(program: Program, what: RegExp, change: (text: string) => string): void {
    const path = this.compiledPath(program);
    const other = this.script(program, { source: this.source(program).replace(what, change) });
    const header = readFileSync(path).subarray(0, HEADER_BYTES);
    writeFileSync(path, Buffer.concat([header, other.createCachedData()]));
  }

  /** When a file last came or went beside the programs. */
  get changedMs(): number {
    return statSync(join(this.#folder, "dist/bundle")).mtimeMs;
  }

  get files(): readonly string[] {
    return readdirSync(join(this.#folder, "dist/bundle")).filter((name) => name.includes(".cjs.compiled"));
  }

  sourcePath(program: Program): string {
    return join(this.#folder, "dist/bundle", `${program}-program.cjs`);
  }

  compiledPath(program: Program): string {
    return `${this.sourcePath(program)}.compiled`;
  }

  /** Waits until both programs are kept as `before` says that they were not. */
  async untilKept(before: ReadonlyMap<Program, Buffer> = new Map()): Promise<void> {
    const isKept = (program: Program): boolean => {
      const path = this.compiledPath(program);
      return existsSync(path) && before.get(program)?.equals(readFileSync(path)) !== true;
    };
    await untilTrue(() => PROGRAMS.every(isKept), {
      deadlineMs: LOG_DEADLINE_MS,
      what: () => `compiled programs; there are ${this.files.join(", ")}`,
    });
  }
}

test("what V8 compiled is kept beside the programs, whole, and is what a later start runs", async (t) => {
  const installation = await Installation.make(t);
  const server = await installation.serve(t);
  await installation.untilKept();
  await server.stop();
  assert.equal(installation.files.length, PROGRAMS.length, installation.files.join(", "));
  for (const program of PROGRAMS) {
    const { cachedDataRejected } = installation.script(program, { cachedData: installation.kept(program) });
    assert.equal(cachedDataRejected, false, `V8 refuses what was kept of ${program}`);
  }

  installation.keepOther("command", /(?<=var version = ")\d+\.\d+\.\d+/, (text) =>
    text.replaceAll(/\d/g, "7"),
  );
  installation.keepOther("router", /(?<=var CONTENT_TYPE_LINE = "Content-Type: )[\w/]+/, (text) =>
    text.toUpperCase(),
  );
  assert.match(await installation.version(t), /7\.7\.7/);
  const drafts = PROGRAMS.map((program) => `${installation.compiledPath(program)}.4194305`);
  for (const draft of drafts) {
    writeFileSync(draft, "of a process that was killed");
    utimesSync(draft, 0, 0);
  }
  const underWay = `${installation.compiledPath("router")}.4194306`;
  writeFileSync(underWay, "of another server");
  const { port } = await installation.serve(t);
  const refused = await request(port, "/", { headers: { Expect: "the unexpected" } });
  assert.match(refused.headers.get("content-type") ?? "", /^TEXT\/HTML;/);

  await untilTrue(() => !drafts.some((draft) => existsSync(draft)), {
    deadlineMs: LOG_DEADLINE_MS,
    what: "the removal of old drafts",
  });
  assert(existsSync(underWay));

  const env = { ...process.env, NODE_OPTIONS: "--stack-trace-limit=20" };
  assert.doesNotMatch(
    await installation.version(t, env),
    /7\.7\.7/,
    "V8 has another flag, and runs what was kept",
  );
});

test("compiled code of another build, and what V8 cannot read, is not run but replaced", async (t) => {
  const installation = await Installation.make(t);
  await (await startedOnce(t, installation)).stop();
  const broken = new Map(
    PROGRAMS.map((program) => [program, readFileSync(installation.compiledPath(program))]),
  );
  broken.get("command")?.write("// build of another day", 0, "latin1");
  broken.get("router")?.fill(0, HEADER_BYTES);
  for (const [program, data] of broken) writeFileSync(installation.compiledPath(program), data);

  await installation.serve(t);
  await installation.untilKept(broken);
});

/** Files get their last name five seconds late; the tracer is a process beside the command's own. */
const SLOW_DISK = ["strace", "-D", "-f", "-o", "/dev/null", "-e", "inject=/^rename:delay_enter=5000000"];
const hasStrace = spawnSync(SLOW_DISK[0] ?? "", [...SLOW_DISK.slice(1), "true"]).status === 0;

test(
  "a router that ends while it keeps compiled code leaves no half of it",
  { skip: hasStrace ? false : "no strace, or it may not trace" },
  async (t) => {
    const installation = await Installation.make(t);
    const server = await installation.serve(t, { through: SLOW_DISK });
    const drafts = (): readonly string[] => installation.files.filter((name) => /\d$/.test(name));
    await untilTrue(() => drafts().some((name) => name.startsWith("router")), {
      deadlineMs: LOG_DEADLINE_MS,
      what: "a draft of what the router compiled",
    });
    await server.stop();
    assert.deepEqual(drafts(), []);
  },
);

test("a server that cannot keep compiled code starts without it, and leaves nothing", async (t) => {
  const installation = await Installation.make(t);
  for (const program of PROGRAMS) mkdirSync(installation.compiledPath(program));
  const before = installation.files;
  const { changedMs } = installation;
  const server = await installation.serve(t);
  await untilTrue(() => installation.changedMs !== changedMs, {
    deadlineMs: LOG_DEADLINE_MS,
    what: "an attempt to keep it",
  });
  await untilTrue(() => installation.files.length === before.length, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `the end of the attempt; there are ${installation.files.join(", ")}`,
  });
  assert.equal((await request(server.port, "/")).status, 200);
});

async function startedOnce(t: TestContext, installation: Installation): ReturnType<typeof startServer> {
  const server = await installation.serve(t);
  await installation.untilKept();
  return server;
}
