import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { RING_BYTES } from "../../src/queue/ring-layout.ts";
import { parseEcho, seededBytes, sha256 } from "../helpers/bodies.ts";
import { ClientConnection, ConnectionCut } from "../helpers/client.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { Random } from "../helpers/random.ts";
import { startFixture, type Server } from "../helpers/server.ts";
import { mountSmall } from "../helpers/small-file-system.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

const MIB = 1024 * 1024;
/** The larger ones have places in the ring, but for the last, which is a file. */
const SIZES = [1000, 60_000, 70_000, 300_000, MIB, MIB + 1, 4 * MIB, 4 * MIB + 1];
const CLIENTS = 40;
const BODIES_OF_A_CLIENT = 6;

interface Upload {
  readonly body: Buffer;
  readonly sha256: string;
}

type Outcomes = ReadonlyMap<number | "cut", number>;

function makeUploads(): readonly Upload[] {
  return SIZES.map((size, seed) => {
    const body = seededBytes(seed, size);
    return { body, sha256: sha256(body) };
  });
}

/** How an upload ended. A body that arrived must be the one that was sent. */
async function send(
  connection: ClientConnection,
  { body, sha256: expected }: Upload,
): Promise<number | "cut"> {
  try {
    const answer = await connection.request("/", { method: "POST", body });
    if (answer.status !== 200) return answer.status;
    const seen = parseEcho(answer);
    assert.deepEqual([seen.body_length, seen.body_sha256], [body.length, expected]);
    return 200;
  } catch (failure) {
    if (!(failure instanceof ConnectionCut)) throw failure;
    return "cut";
  }
}

/** Many clients send bodies of all sizes at the same time; those that are cut off come again. */
async function sendMany(
  t: TestContext,
  port: number,
  onAnswer = (_count: number): void => {},
): Promise<Outcomes> {
  const uploads = makeUploads();
  const outcomes = new Map<number | "cut", number>();
  let answered = 0;
  const client = async (_: unknown, number: number): Promise<void> => {
    const random = new Random(number);
    let connection = await ClientConnection.open(t, port);
    for (let count = 0; count < BODIES_OF_A_CLIENT; count += 1) {
      const outcome = await send(connection, random.pick(uploads));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      answered += 1;
      onAnswer(answered);
      if (outcome !== 200) connection = await ClientConnection.open(t, port);
    }
    connection.destroy();
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return outcomes;
}

async function assertNothingLeft(server: Server): Promise<void> {
  await server.stop();
  assert.match(server.text, /queue at the end: 0 slots are taken, 0 places are taken, 0 tokens are left/);
}

for (const args of [
  ["-w", "2"],
  ["-k", "gthread", "-w", "2", "--threads", "4"],
]) {
  test(`bodies of many clients at once arrive as sent: ${args.join(" ")}`, async (t) => {
    const server = await startFixture(t, "echo", { args: [...args, "--log-level", "debug"], workers: 2 });
    const outcomes = await sendMany(t, server.port);
    assert.deepEqual([...outcomes], [[200, CLIENTS * BODIES_OF_A_CLIENT]]);
    await assertNothingLeft(server);
  });
}

test("a worker that is killed takes its own upload with it and no other, and its places are given back", async (t) => {
  const server = await startFixture(t, "echo", { args: ["-w", "3", "--log-level", "debug"], workers: 3 });
  const victims = server.bootedPids.slice(0, 2);
  const outcomes = await sendMany(t, server.port, (count) => {
    const victim = victims[count / 100 - 1];
    if (victim !== undefined) process.kill(victim, "SIGKILL");
  });
  assert.deepEqual(
    [...outcomes.keys()].filter((outcome) => outcome !== 200 && outcome !== 502),
    [],
  );
  assert.ok((outcomes.get(502) ?? 0) <= victims.length);
  await assertNothingLeft(server);
});

test("a client that leaves in the middle of its body, or waits behind it and leaves, keeps no place", async (t) => {
  const server = await startFixture(t, "echo", { args: ["--log-level", "debug"] });
  const upload = makeUploads()[4];
  assert.ok(upload !== undefined);
  // More of them, one after another, than there are places.
  for (let round = 0; round < 70; round += 1) {
    const connection = await ClientConnection.connect(server.port);
    connection.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${MIB}\r\n\r\n`);
    connection.send(upload.body.subarray(0, round % 2 === 0 ? 100_000 : MIB));
    connection.destroy();
  }
  const connection = await ClientConnection.open(t, server.port);
  assert.equal(await send(connection, upload), 200);
  connection.destroy();
  await assertNothingLeft(server);
});

test("when the router is killed during uploads, the next one serves them from the same places", async (t) => {
  const server = await startFixture(t, "echo", { args: ["-w", "2", "--log-level", "debug"], workers: 2 });
  const router = server.processTree().find(({ command }) => /router/.test(command));
  assert.ok(router !== undefined);
  const upload = makeUploads()[4];
  assert.ok(upload !== undefined);
  const half = await ClientConnection.open(t, server.port);
  half.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${MIB}\r\n\r\n`);
  half.send(upload.body.subarray(0, MIB / 2));
  assert.equal(await send(await ClientConnection.open(t, server.port), upload), 200);
  process.kill(router.pid, "SIGKILL");
  await assert.rejects(half.readAnswer(), ConnectionCut);
  await server.waitForLine(/The router ended by SIGKILL/);
  const comesAgain = async (): Promise<boolean> => {
    const connection = await ClientConnection.connect(server.port).catch(() => null);
    if (connection === null) return false;
    const outcome = await send(connection, upload);
    connection.destroy();
    return outcome === 200;
  };
  await untilTrue(comesAgain, { deadlineMs: LOG_DEADLINE_MS, what: "an upload through the next router" });
  const outcomes = await sendMany(t, server.port);
  assert.deepEqual([...outcomes], [[200, CLIENTS * BODIES_OF_A_CLIENT]]);
  await assertNothingLeft(server);
});

test("a body that began for workers that pull arrives as sent at a worker of gevent, after a reload", async (t) => {
  const folder = await temporaryFolder(t, { "gunicorn.conf.py": "worker_class = 'sync'\n" });
  const args = ["-c", join(folder, "gunicorn.conf.py"), "--log-level", "debug"];
  const server = await startFixture(t, "echo", { args });
  const upload = makeUploads()[4];
  assert.ok(upload !== undefined);
  const connection = await ClientConnection.open(t, server.port);
  connection.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${MIB}\r\n\r\n`);
  connection.send(upload.body.subarray(0, MIB / 2));
  // By its answer the router has read the half before it.
  assert.equal(await send(await ClientConnection.open(t, server.port), upload), 200);
  writeFileSync(join(folder, "gunicorn.conf.py"), "worker_class = 'gevent'\n");
  server.signal("SIGHUP");
  await server.waitForLine(/Worker exiting/);
  connection.send(upload.body.subarray(MIB / 2));
  assert.equal(parseEcho(await connection.readAnswer()).body_sha256, upload.sha256);
  connection.destroy();
  await assertNothingLeft(server);
});

test("when the memory file system fills up, bodies arrive as sent by the other ways", async (t) => {
  const folder = await mountSmall(t, RING_BYTES + 9 * MIB);
  if (folder === undefined) {
    t.skip("only root may mount the small file system that this fills");
    return;
  }
  const args = ["-w", "2", "--queue-dir", folder, "--log-level", "debug"];
  const server = await startFixture(t, "echo", { args, workers: 2 });
  // All but half a mebibyte.
  writeFileSync(join(folder, "others"), Buffer.alloc(8.5 * MIB - 64 * 1024));
  const outcomes = await sendMany(t, server.port);
  assert.deepEqual([...outcomes], [[200, CLIENTS * BODIES_OF_A_CLIENT]]);
  await assertNothingLeft(server);
});
