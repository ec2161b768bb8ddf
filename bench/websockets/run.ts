/** What an idle WebSocket takes of memory: `npm run bench:websockets -- --help`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { deflateRawSync, constants } from "node:zlib";
import { ExitGuard } from "../http/measure/exit-guard.ts";
import { freePort } from "../http/measure/free-port.ts";
import { describeMachine } from "../http/measure/machine.ts";
import { ServerProcess } from "../http/measure/server-process.ts";
import { HELLO_REQUEST } from "../http/works/all.ts";
import { memoryKibibytesOf } from "./process-memory.ts";
import { EchoClient, deflatedMessage, plainMessage, type EchoMessage } from "./echo-client.ts";

const USAGE = `Usage: npm run bench:websockets -- [options]

  --count N       WebSockets at a time in one asgi worker (default 5000)
  --help
`;

/** Opened or asked at a time. */
const BATCH = 100;

/** For buffers that are not needed any more to be given back. */
const REST_MS = 2_000;
const RUN_DEADLINE_MS = 180_000;

interface Memory {
  readonly routerKibibytes: number;
  readonly workerKibibytes: number;
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { count: { type: "string", default: "5000" }, help: { type: "boolean", default: false } },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const count = Number(values.count);
  if (!Number.isInteger(count) || count < 1) throw new Error(`Cannot use "${values.count}" for --count`);
  const { processor, cores, kernel } = describeMachine();
  console.log(`${processor}, ${cores} cores, ${kernel}, Node ${process.version}`);
  const guard = new ExitGuard();
  const deadline = setTimeout(() => {
    console.error(`Not within ${RUN_DEADLINE_MS} ms`);
    process.exit(1);
  }, RUN_DEADLINE_MS);
  await measure(count, guard);
  clearTimeout(deadline);
}

async function measure(count: number, guard: ExitGuard): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tunicorn-bench-"));
  const release = guard.add(() => rmSync(folder, { recursive: true, force: true }));
  const clients: EchoClient[] = [];
  try {
    const port = await freePort();
    const server = await startServer(port, count, folder, guard);
    // The first one loads what all of them need.
    const first = await EchoClient.open(port);
    await first.ask(plainMessage);
    const deflated = deflatedMessage((letters) =>
      deflateRawSync(letters, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4),
    );
    await sleep(REST_MS);
    const before = memory(server);
    const startedMs = performance.now();
    for (let opened = 0; opened < count; opened += BATCH) {
      const batch = Math.min(BATCH, count - opened);
      clients.push(...(await Promise.all(Array.from({ length: batch }, () => EchoClient.open(port)))));
    }
    const seconds = (performance.now() - startedMs) / 1000;
    console.log(`${count} WebSockets in one worker, opened in ${seconds.toFixed(1)} s`);
    const tell = async (what: string): Promise<void> => {
      await sleep(REST_MS);
      console.log(describe(what, before, memory(server), count));
    };
    await tell("open, nothing sent");
    await askAll(clients, plainMessage);
    await tell("after a message and its echo");
    await askAll(clients, deflated);
    await tell("after one that was compressed, both ways");
    for (const client of [first, ...clients]) client.leave();
    await tell("all closed (in all, by the same count)");
    const leftovers = await server.stop();
    if (leftovers > 0) throw new Error(`${leftovers} processes of the server had to be killed`);
  } finally {
    for (const client of clients) client.leave();
    release();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function askAll(clients: readonly EchoClient[], message: EchoMessage): Promise<void> {
  for (let start = 0; start < clients.length; start += BATCH)
    await Promise.all(clients.slice(start, start + BATCH).map((client) => client.ask(message)));
}

function describe(what: string, before: Memory, now: Memory, count: number): string {
  const each = (from: number, to: number): string => ((to - from) / count).toFixed(1);
  const router = each(before.routerKibibytes, now.routerKibibytes);
  const worker = each(before.workerKibibytes, now.workerKibibytes);
  const totals = [now.routerKibibytes, now.workerKibibytes].map((kibibytes) => (kibibytes / 1024).toFixed(0));
  return `${what}: router ${router} KiB, worker ${worker} KiB for each (${totals.join(" and ")} MiB in all)`;
}

function memory({ pid }: ServerProcess): Memory {
  return {
    routerKibibytes: memoryKibibytesOf(pid, "tunicorn: router"),
    workerKibibytes: memoryKibibytesOf(pid, "tunicorn: worker"),
  };
}

function startServer(port: number, count: number, folder: string, guard: ExitGuard): Promise<ServerProcess> {
  const root = join(import.meta.dirname, "../..");
  const connections = String(count + 100);
  return ServerProcess.start({
    command: [
      process.execPath,
      join(root, "bin/tunicorn.js"),
      ...["-k", "asgi", "-w", "1", "-b", `127.0.0.1:${port}`, "--worker-connections", connections],
      ...["--max-connections", connections],
      "echo_websocket:app",
    ],
    cwd: join(root, "bench/apps"),
    logFile: join(folder, "error.log"),
    port,
    request: HELLO_REQUEST,
    guard,
  });
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error);
  process.exit(1);
}
