import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";

import { type BindingOptions, bindListeners as bindAll } from "../../src/arbiter/binding.ts";
import type { Listener } from "../../src/arbiter/listener.ts";
import { ErrorLog } from "../../src/log/error-log.ts";
import { ClientConnection } from "../helpers/client.ts";
import {
  ANSWER_DEADLINE_MS,
  BIND_DEADLINE_MS,
  BOOT_DEADLINE_MS,
  untilTrue,
  withDeadline,
} from "../helpers/deadlines.ts";
import { runProgram } from "../helpers/program.ts";
import { python } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

interface Bound {
  readonly listeners: readonly Listener[];
  readonly folder: string;
  readonly logText: () => string;
}

function bindListeners(
  written: readonly string[],
  log: ErrorLog,
  options: Partial<BindingOptions> = {},
): Promise<Listener[]> {
  const access = { mode: 0o777, uid: null, gid: null };
  const ending = new AbortController().signal;
  return bindAll(written, { log, access, reusePort: false, interpreter: python, ending, ...options });
}

/** Binds addresses, in which FOLDER stands for a folder of the test; they are released when it ends. */
async function bind(
  t: TestContext,
  written: readonly string[],
  files: Readonly<Record<string, string>> = {},
): Promise<Bound> {
  const folder = await temporaryFolder(t, files);
  const { log, logText } = openLog(folder);
  const addresses = written.map((address) => address.replace("FOLDER", folder));
  const listeners = await bindListeners(addresses, log);
  onTeardown(t, () => closeAll(listeners));
  return { listeners, folder, logText };
}

function openLog(folder: string): { readonly log: ErrorLog; readonly logText: () => string } {
  const path = join(folder, "error.log");
  return { log: new ErrorLog(path, "info"), logText: () => readFileSync(path, "utf8") };
}

function closeAll(listeners: readonly Listener[]): void {
  for (const listener of listeners) {
    listener.close();
  }
}

/** A process that inherits the socket and answers on it, as a router does. */
async function serve(t: TestContext, { fd }: Listener): Promise<ChildProcess> {
  const program = `
    const server = require("node:net").createServer((socket) => socket.end("HTTP/1.1 204 No Content\\r\\n\\r\\n"));
    server.listen({ fd: 3 }, () => console.log("listening"));
  `;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit", fd] });
  onTeardown(t, () => void child.kill("SIGKILL"));
  const listening = new Promise<void>((resolve) => {
    child.stdout?.once("data", () => resolve());
  });
  await withDeadline(listening, { deadlineMs: BOOT_DEADLINE_MS, what: "a server on the inherited socket" });
  return child;
}

function portOf({ serverPort }: Listener): number {
  return Number(serverPort);
}

async function answerOf(address: number | string): Promise<number> {
  const { status } = await ClientConnection.request(address, "/");
  return status;
}

/** A server of somebody else. */
async function occupy(t: TestContext, path?: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => {
    if (path === undefined) {
      server.listen(0, "127.0.0.1", resolve);
    } else {
      server.listen(path, resolve);
    }
  });
  onTeardown(t, () => void server.close());
  return server;
}

test("bindListeners() binds a free port, names it, and gives a socket on which another process can serve", async (t) => {
  const { listeners } = await bind(t, ["127.0.0.1:0"]);
  const [listener] = listeners;
  assert.ok(listener !== undefined);
  assert.match(listener.url, /^http:\/\/127\.0\.0\.1:[1-9][0-9]*$/);
  assert.equal(listener.url, `http://127.0.0.1:${listener.serverPort}`);
  assert.equal(listener.serverName, "127.0.0.1");
  assert.equal(listener.socketFile, null);
  await serve(t, listener);
  assert.equal(await answerOf(portOf(listener)), 204);
});

test("bindListeners() binds several addresses in their order", async (t) => {
  const { listeners, folder } = await bind(t, ["127.0.0.1:0", "unix:FOLDER/a.sock", "127.0.0.1:0"]);
  assert.deepEqual(
    listeners.map(({ socketFile }) => socketFile?.path ?? null),
    [null, join(folder, "a.sock"), null],
  );
  for (const listener of listeners) {
    await serve(t, listener);
    assert.equal(await answerOf(listener.socketFile?.path ?? portOf(listener)), 204);
  }
});

test("bindListeners() looks up the address of a host name", async (t) => {
  const { listeners } = await bind(t, ["localhost:0"]);
  assert.match(listeners[0]?.url ?? "", /^http:\/\/(127\.0\.0\.1|\[::1\]):\d+$/);
});

test("bindListeners() writes an IPv6 address in brackets", async (t) => {
  const { listeners } = await bind(t, ["[::1]:0"]);
  assert.match(listeners[0]?.url ?? "", /^http:\/\/\[::1\]:\d+$/);
  assert.equal(listeners[0]?.serverName, "::1");
});

test("bindListeners() gives a unix socket the mode and the owner that are wanted", async (t) => {
  const path = join(await temporaryFolder(t), "a.sock");
  const isRoot = process.getuid?.() === 0;
  const uid = isRoot ? 65534 : (process.getuid?.() ?? 0);
  const access = { mode: 0o640, uid, gid: null };
  const listeners = await bindListeners([`unix:${path}`], openLog(dirname(path)).log, { access });
  onTeardown(t, () => closeAll(listeners));
  const stats = statSync(path);
  assert.deepEqual([stats.mode & 0o777, stats.uid, stats.gid], [0o640, uid, process.getgid?.()]);
});

test("bindListeners() binds an abstract name, which other programs find by it", async (t) => {
  const name = `tunicorn-test-${process.pid}`;
  const { listeners } = await bind(t, [`unix:@${name}`]);
  const [listener] = listeners;
  assert.ok(listener !== undefined);
  assert.deepEqual([listener.url, listener.serverName, listener.socketFile], [`unix:@${name}`, null, null]);
  await serve(t, listener);
  const client = `import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("\\0" + sys.argv[1])
sys.stdout.write(s.recv(100).decode())`;
  const { stdout, stderr } = await runProgram(t, python, ["-c", client, name]);
  assert.match(stdout, /^HTTP\/1\.1 204/, stderr);

  await t.test("and says who has it when it is taken", async () => {
    await assert.rejects(bind(t, [`unix:@${name}`]), {
      code: "ERR_BIND",
      message: new RegExp(`in use by process \\d+ \\(`),
    });
  });
});

test("bindListeners() shares a port with another server of the user under reuse_port, and only then", async (t) => {
  const { log } = openLog(await temporaryFolder(t));
  const [first] = await bindListeners(["127.0.0.1:0"], log, { reusePort: true });
  assert.ok(first !== undefined);
  onTeardown(t, () => first.close());
  await serve(t, first);
  const address = `127.0.0.1:${portOf(first)}`;
  const [second] = await bindListeners([address], log, { reusePort: true });
  assert.ok(second !== undefined);
  onTeardown(t, () => second.close());
  await serve(t, second);
  assert.equal(second.serverPort, first.serverPort);
  await assert.rejects(bindListeners([address], log), { code: "ERR_BIND" });
});

for (const { what, fd } of [
  { what: "is not open", fd: 900 },
  { what: "is a file", fd: openSync("/dev/null", "r") },
]) {
  test(`bindListeners() says that a descriptor which ${what} is no socket`, async (t) => {
    await assert.rejects(bind(t, [`fd://${fd}`]), {
      code: "ERR_BIND",
      message: /fd:.*descriptor/,
      hint: /open/,
    });
  });
}

test("bindListeners() makes a unix socket that every user may connect to", async (t) => {
  const { listeners, folder } = await bind(t, ["unix:FOLDER/a.sock"]);
  const path = join(folder, "a.sock");
  const [listener] = listeners;
  assert.deepEqual([listener?.url, listener?.socketFile?.path], [`unix:${path}`, path]);
  assert.deepEqual([listener?.serverName, listener?.serverPort], [null, null]);
  assert.ok(statSync(path).isSocket());
  assert.equal(statSync(path).mode & 0o777, 0o777);
});

test("bindListeners() takes the place of a unix socket that nobody serves", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "a.sock");
  const program = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  await runProgram(t, process.execPath, ["-e", program, path]);
  assert.ok(existsSync(path));
  const [listener] = await bindListeners([`unix:${path}`], openLog(folder).log);
  assert.ok(listener !== undefined);
  onTeardown(t, () => listener.close());
  await serve(t, listener);
  assert.equal(await answerOf(path), 204);
});

test("bindListeners() refuses a folder in the place of a socket, and names a file in it", async (t) => {
  const folder = await temporaryFolder(t);
  const binding = bindListeners([`unix:${folder}`], openLog(folder).log);
  await assert.rejects(binding, {
    message: /a folder is there/,
    hint: new RegExp(`unix:${folder}/app\\.sock`),
  });
});

test("bindListeners() leaves a file alone that is no socket", async (t) => {
  const binding = bind(t, ["unix:FOLDER/a.sock"], { "a.sock": "precious" });
  await assert.rejects(binding, { code: "ERR_BIND", message: /no socket/, hint: /--bind/ });
  const folder = await temporaryFolder(t);
  writeFileSync(join(folder, "b.sock"), "precious");
  await assert.rejects(bindListeners([`unix:${join(folder, "b.sock")}`], openLog(folder).log));
  assert.equal(readFileSync(join(folder, "b.sock"), "utf8"), "precious");
});

interface RefusedCase {
  readonly what: string;
  readonly address: string;
  readonly says: RegExp;
  readonly hint: RegExp | undefined;
}

const refused: readonly RefusedCase[] = [
  {
    what: "an address that this machine does not have",
    address: "192.0.2.1:0",
    says: /192\.0\.2\.1:0: address not available \(EADDRNOTAVAIL\)$/,
    hint: /network interface/,
  },
  {
    what: "a unix socket in a folder that does not exist",
    address: "unix:FOLDER/missing/a.sock",
    says: /missing\/a\.sock/,
    hint: /folder/,
  },
  {
    what: "a host name that nobody knows",
    address: "nowhere.invalid:0",
    says: /nowhere\.invalid/,
    hint: undefined,
  },
  {
    what: "a path that is too long for a unix socket",
    address: `unix:FOLDER/${"s".repeat(120)}`,
    says: /s{120}: the path has \d+ bytes, want at most 10[37]$/,
    hint: /shorter path/,
  },
];

for (const { what, address, says, hint } of refused) {
  test(`bindListeners() says that it cannot bind ${what}`, async (t) => {
    await assert.rejects(bind(t, [address]), {
      code: "ERR_BIND",
      message: says,
      ...(hint === undefined ? {} : { hint }),
    });
  });
}

test("bindListeners() makes no socket of a shorter name where the path is too long", async (t) => {
  const folder = await temporaryFolder(t);
  const { log } = openLog(folder);
  await assert.rejects(bindListeners([`unix:${join(folder, "s".repeat(120))}`], log), { code: "ERR_BIND" });
  assert.deepEqual(readdirSync(folder), ["error.log"]);
});

test("bindListeners() releases what it has bound when a later address fails", async (t) => {
  const folder = await temporaryFolder(t);
  const { log } = openLog(folder);
  const path = join(folder, "a.sock");
  await assert.rejects(bindListeners([`unix:${path}`, "192.0.2.1:0"], log), { code: "ERR_BIND" });
  assert.ok(!existsSync(path));
});

test("bindListeners() tries an address in use again and takes it when it is free", async (t) => {
  const folder = await temporaryFolder(t);
  const { log, logText } = openLog(folder);
  const other = await occupy(t);
  const { port } = other.address() as AddressInfo;
  const binding = bindListeners([`127.0.0.1:${port}`], log);
  await untilTrue(() => logText().includes("attempt 1 of 5"), {
    deadlineMs: ANSWER_DEADLINE_MS,
    what: "the line about the address in use",
  });
  assert.match(logText(), new RegExp(`127\\.0\\.0\\.1:${port}`));
  other.close();
  const listeners = await withDeadline(binding, { deadlineMs: ANSWER_DEADLINE_MS, what: "a second attempt" });
  onTeardown(t, () => closeAll(listeners));
  assert.equal(listeners[0]?.serverPort, String(port));
});

for (const { what, isUnix } of [
  { what: "port", isUnix: false },
  { what: "unix socket", isUnix: true },
]) {
  test(`bindListeners() gives up a ${what} in use after five attempts, and leaves it to its server`, async (t) => {
    const folder = await temporaryFolder(t);
    const { log, logText } = openLog(folder);
    const path = join(folder, "a.sock");
    const other = await occupy(t, isUnix ? path : undefined);
    const address = other.address() as AddressInfo | string;
    const written = typeof address === "string" ? `unix:${address}` : `127.0.0.1:${address.port}`;
    const binding = bindListeners([written], log);
    await assert.rejects(withDeadline(binding, { deadlineMs: BIND_DEADLINE_MS, what: "the last attempt" }), {
      code: "ERR_BIND",
      // We are the ones who hold it, which the system tells on Linux.
      message: new RegExp(`in use by process ${process.pid} \\(`),
      hint: /--bind/,
    });
    assert.deepEqual(
      logText().match(/attempt \d of 5/g),
      [1, 2, 3, 4].map((attempt) => `attempt ${attempt} of 5`),
    );
    assert.equal(existsSync(path), isUnix);
  });
}

test("Listener.close() frees the address, and may be called twice", async (t) => {
  const { listeners, folder } = await bind(t, ["127.0.0.1:0", "unix:FOLDER/a.sock"]);
  const [tcp] = listeners;
  assert.ok(tcp !== undefined);
  closeAll(listeners);
  closeAll(listeners);
  assert.ok(!existsSync(join(folder, "a.sock")));
  const [again] = await bindListeners([`127.0.0.1:${portOf(tcp)}`], openLog(folder).log);
  again?.close();
});

test("A listener that is bound refuses connections until a router listens on it", async (t) => {
  const { listeners } = await bind(t, ["127.0.0.1:0"]);
  const [listener] = listeners;
  assert.ok(listener !== undefined);
  await assert.rejects(ClientConnection.connect(portOf(listener)), { code: "ECONNREFUSED" });
});

test("A listener keeps its address and its clients while the process that serves it is replaced", async (t) => {
  const { listeners } = await bind(t, ["127.0.0.1:0"]);
  const [listener] = listeners;
  assert.ok(listener !== undefined);
  const first = await serve(t, listener);
  assert.equal(await answerOf(portOf(listener)), 204);
  const exited = new Promise((resolve) => first.once("exit", resolve));
  first.kill("SIGKILL");
  await exited;
  // Nobody accepts now, but the socket listens: the client waits in the backlog.
  const answer = answerOf(portOf(listener));
  await serve(t, listener);
  assert.equal(await answer, 204);
});
