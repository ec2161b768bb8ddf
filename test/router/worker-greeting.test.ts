import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test, type TestContext } from "node:test";

import { FrameType } from "../../src/channel/frame.ts";
import { WorkerGreeting } from "../../src/router/worker-greeting.ts";
import { Deadlines, type Waiting } from "../../src/system/deadlines.ts";
import { recordedFrame } from "../channel/recorded-frames.ts";
import { onTeardown } from "../helpers/teardown.ts";
import {
  encodeFrame,
  type FakeWorker,
  hello,
  openChannelServer,
  ready,
  response,
  type Frame,
} from "./fake-worker.ts";
import { Recording } from "./recording.ts";

interface Opened {
  readonly greeting: WorkerGreeting;
  readonly worker: FakeWorker;
  readonly socket: Socket;
  /** What was said of the worker, and the octets that were left for its channel. */
  readonly told: Recording;
}

async function openGreeting(t: TestContext): Promise<Opened> {
  const deadlines = new Deadlines(60_000);
  onTeardown(t, () => deadlines.close());
  const told = new Recording();
  let opened: { greeting: WorkerGreeting; socket: Socket } | null = null;
  const server = await openChannelServer(t, (socket) => {
    let size = 0;
    const greeting = new WorkerGreeting({
      socket,
      deadlines,
      onHello: ({ worker, generation, isPulling, thread }) => {
        told.add(`hello ${worker} ${generation} ${isPulling} ${thread}`);
        socket.on("data", (bytes: Buffer) => {
          size += bytes.length;
          told.add(`read ${size}`);
        });
      },
      onJoin: (number) => {
        told.add(`join ${number}`);
        socket.on("data", (bytes: Buffer) => told.add(`raw ${bytes.toString("latin1")}`));
        socket.resume();
      },
      onProtocolError: ({ code, message }) => told.add(`${code} ${message}`),
    });
    socket.on("close", () => told.add("closed"));
    opened = { greeting, socket };
  });
  const worker = await server.dial();
  assert.ok(opened !== null);
  const { greeting, socket } = opened as { greeting: WorkerGreeting; socket: Socket };
  return { greeting, socket, worker, told };
}

const HELLO = hello(7, 2, { isPulling: true, thread: 3 });
const SIZE = encodeFrame(HELLO).length;

test("WorkerGreeting says who has dialled, and leaves HELLO and what follows for the channel", async (t) => {
  const { worker, told } = await openGreeting(t);
  worker.send(HELLO, ready);
  await told.waitFor(`read ${SIZE + 12}`);
  assert.deepEqual(told.lines, ["hello 7 2 true 3", `read ${SIZE + 12}`]);
});

test("WorkerGreeting takes a HELLO that comes octet by octet", async (t) => {
  const { worker, told } = await openGreeting(t);
  for (const octet of encodeFrame(HELLO)) worker.send(Buffer.from([octet]));
  worker.send(ready);
  await told.waitFor(`read ${SIZE + 12}`);
  assert.equal(told.lines[0], "hello 7 2 true 3");
});

test("WorkerGreeting has no say any more once the worker has said who it is", async (t) => {
  const { greeting, worker, socket, told } = await openGreeting(t);
  worker.send(HELLO);
  await told.waitFor(`read ${SIZE}`);
  assert.equal(socket.listenerCount("error"), 0);
  worker.send({ type: 99 });
  await told.waitFor(`read ${SIZE + 12}`);
  assert.ok(greeting.deadlineAt > 0);
  assert.equal(socket.destroyed, false);
});

test("WorkerGreeting leaves what follows a JOIN to the request that it names", async (t) => {
  const { worker, socket, told } = await openGreeting(t);
  const { octets, stream } = recordedFrame("join");
  worker.send(octets.subarray(0, 5));
  worker.send(Buffer.concat([octets.subarray(5), Buffer.from("HTTP/1.1 101")]));
  await told.waitFor("raw HTTP/1.1 101");
  assert.deepEqual(told.lines, [`join ${stream}`, "raw HTTP/1.1 101"]);
  assert.equal(socket.destroyed, false);
});

test("WorkerGreeting closes a connection that says nothing in time", async (t) => {
  const before = performance.now();
  const { greeting, worker, told } = await openGreeting(t);
  assert.ok(greeting.deadlineAt > before && greeting.deadlineAt < performance.now() + 60_000);
  worker.send(encodeFrame(HELLO).subarray(0, -1));
  greeting.onDeadline();
  await worker.waitForEnd();
  await told.waitFor("closed");
  assert.deepEqual(told.lines, ["closed"]);
});

test("WorkerGreeting has its deadline looked after until the worker has said who it is, or is gone", async (t) => {
  const looked: string[] = [];
  const deadlines = new Deadlines(60_000);
  onTeardown(t, () => deadlines.close());
  t.mock.method(deadlines, "add", (waiting: Waiting) => {
    looked.push("add");
    return { holder: waiting, place: 0 };
  });
  t.mock.method(deadlines, "remove", () => looked.push("remove"));
  const greeted = new Recording();
  const { dial } = await openChannelServer(t, (socket) => {
    const greeting = new WorkerGreeting({
      socket,
      deadlines,
      onHello: () => {
        greeted.add("hello");
        socket.on("error", () => undefined);
      },
      onJoin: () => undefined,
      onProtocolError: () => undefined,
    });
    void greeting;
    socket.on("close", () => greeted.add("closed"));
  });
  const worker = await dial();
  worker.send(HELLO);
  await greeted.waitFor("hello");
  assert.deepEqual(looked, ["add", "remove"]);
  const stranger = await dial();
  stranger.destroy();
  await greeted.waitFor("closed");
  assert.deepEqual(looked, ["add", "remove", "add", "remove"]);
});

test("WorkerGreeting says nothing of a connection that ends before it has said who it is", async (t) => {
  const { worker, told } = await openGreeting(t);
  worker.send(encodeFrame(HELLO).subarray(0, 20));
  worker.destroy();
  await told.waitFor("closed");
  assert.deepEqual(told.lines, ["closed"]);
});

const json = (value: unknown): Frame => ({ type: FrameType.hello, payload: JSON.stringify(value) });
const whole = { version: 1, pid: 1, worker: 1, generation: 1, isPulling: true, thread: 0 };

const breaches: readonly { readonly what: string; readonly first: Frame | Buffer; readonly says: RegExp }[] =
  [
    { what: "what is no frame", first: Buffer.alloc(64, 0xff), says: /4294967295 bytes/ },
    { what: "READY", first: ready, says: /frame of type 2/ },
    { what: "a response", first: response(513, "", 1), says: /frame of type 32/ },
    { what: "a frame of an unknown type", first: { type: 99 }, says: /type 99/ },
    {
      what: "a frame that is too long for HELLO",
      first: Buffer.from("0110000001000000000000", "hex"),
      says: /4097 bytes/,
    },
    {
      what: "a HELLO that is no JSON",
      first: { type: FrameType.hello, payload: "{" },
      says: /introduced itself with {/,
    },
    { what: "a HELLO that is no object", first: json([1]), says: /introduced itself/ },
    { what: "a HELLO of another version", first: json({ ...whole, version: 2 }), says: /"version":2/ },
    {
      what: "a HELLO without worker",
      first: json({ ...whole, worker: undefined }),
      says: /introduced itself/,
    },
    {
      what: "a HELLO that does not say whether it pulls",
      first: json({ ...whole, isPulling: 1 }),
      says: /isPulling/,
    },
  ];

for (const { what, first, says } of breaches) {
  test(`WorkerGreeting disconnects whoever begins with ${what}, and says so`, async (t) => {
    const { worker, told } = await openGreeting(t);
    worker.send(first, Buffer.alloc(2));
    await worker.waitForEnd();
    await told.waitFor("closed");
    assert.equal(told.lines.length, 2);
    assert.match(told.lines[0] ?? "", /^ERR_PROTOCOL /);
    assert.match(told.lines[0] ?? "", says);
  });
}
