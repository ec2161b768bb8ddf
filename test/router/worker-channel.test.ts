import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { FrameType } from "../../src/channel/frame.ts";
import { WorkerChannel, type WorkerChannelListener } from "../../src/router/worker-channel.ts";
import { Deadlines } from "../../src/system/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import {
  bodyPiece,
  encodeFrame,
  END,
  failed,
  type FakeWorker,
  file,
  hello,
  environ,
  interim,
  LAST,
  leaving,
  openChannelServer,
  ready,
  READY,
  response,
  type Frame,
} from "./fake-worker.ts";
import { RecordedRequest, Recording } from "./recording.ts";

interface Opened {
  readonly channel: WorkerChannel;
  readonly worker: FakeWorker;
  /** What the channel told its pool. */
  readonly told: Recording;
}

/** A channel whose deadlines fire only when a test calls for them. */
async function openChannel(t: TestContext, { timeoutMs = 0 } = {}): Promise<Opened> {
  const deadlines = new Deadlines(60_000);
  onTeardown(t, () => deadlines.close());
  const told = new Recording();
  const listener: WorkerChannelListener = {
    onHello: () => told.add("hello"),
    onIdle: () => told.add("idle"),
    onLeaving: () => told.add("leaving"),
    onTimeout: (_, { method, target }) => told.add(`timeout of ${method} ${target}`),
    onClosed: (_, request) => told.add(`closed with ${request === null ? "nothing" : request.target}`),
    onProtocolError: (_, { code }) => told.add(`protocol error ${code}`),
  };
  let channel: WorkerChannel | null = null;
  const server = await openChannelServer(t, (socket) => {
    channel = new WorkerChannel({ socket, deadlines, listener, timeoutMs: () => timeoutMs });
  });
  const worker = await server.dial();
  assert.ok(channel !== null);
  return { channel, worker, told };
}

/** A channel whose worker is idle, as number 7 of generation 2. */
async function openIdleChannel(t: TestContext, options = {}): Promise<Opened> {
  const opened = await openChannel(t, options);
  opened.worker.send(hello(7, 2), ready);
  await opened.told.waitFor("idle");
  return opened;
}

async function openBusyChannel(
  t: TestContext,
  options = {},
): Promise<Opened & { readonly request: RecordedRequest }> {
  const opened = await openIdleChannel(t, options);
  const request = new RecordedRequest("/busy");
  opened.channel.dispatch(request);
  await opened.worker.receive();
  return { ...opened, request };
}

test("WorkerChannel knows who dialled when the worker has said hello", async (t) => {
  const { channel, worker, told } = await openChannel(t);
  assert.deepEqual([channel.state, channel.worker, channel.generation, channel.pid], ["greeting", 0, 0, 0]);
  worker.send(hello(7, 2));
  await told.waitFor("hello");
  assert.deepEqual([channel.state, channel.worker, channel.generation, channel.pid], ["booted", 7, 2, 4007]);
  worker.send(ready);
  await told.waitFor("idle");
  assert.equal(channel.state, "idle");
});

test("WorkerChannel sends a request as one REQUEST frame and numbers the streams from 1", async (t) => {
  const { channel, worker, told } = await openIdleChannel(t);
  for (const stream of [1, 2, 3]) {
    const body = { type: "memory", pieces: [Buffer.from("ab"), Buffer.from("c")], bytes: 3 } as const;
    channel.dispatch(new RecordedRequest("/", { environ: "NAME\0value", body }));
    const frame = await worker.receive();
    assert.equal(frame.type, FrameType.request);
    assert.equal(frame.stream, stream);
    assert.equal(frame.flags, END);
    assert.equal(frame.payload.toString("latin1"), "\x0a\0\0\0NAME\0valueabc");
    worker.send(response(stream, "", END | READY));
    await told.waitFor("idle", stream + 1);
  }
});

test("WorkerChannel passes a whole response on and is idle again", async (t) => {
  const { channel, worker, told, request } = await openBusyChannel(t);
  worker.send(response(1, "hi", END | READY));
  await told.waitFor("idle", 2);
  assert.deepEqual(request.lines, ["started by 4007", "response 200 hi (end)"]);
  assert.equal(channel.state, "idle");
});

test("WorkerChannel passes a response on piece by piece, in order", async (t) => {
  const { worker, request } = await openBusyChannel(t);
  worker.send(response(1, "a", 0), bodyPiece(1, "b"));
  await request.events.waitFor("body b");
  worker.send(bodyPiece(1, "c"), bodyPiece(1, "", END));
  await request.events.waitFor("body  (end)");
  assert.deepEqual(request.lines, ["started by 4007", "response 200 a", "body b", "body c", "body  (end)"]);
});

test("WorkerChannel waits for READY after the end of a response", async (t) => {
  const { channel, worker, told, request } = await openBusyChannel(t);
  worker.send(response(1, "hi", END));
  await request.events.waitFor("response 200 hi (end)");
  assert.equal(channel.state, "finishing");
  assert.throws(() => channel.dispatch(new RecordedRequest("/early")), { code: "ERR_PROTOCOL" });
  worker.send(ready);
  await told.waitFor("idle", 2);
});

for (const state of ["greeting", "booted", "busy", "draining", "closed"] as const) {
  test(`WorkerChannel.dispatch() refuses a request while the worker is ${state}`, async (t) => {
    const { channel, worker, told } = await openChannel(t);
    if (state !== "greeting") {
      worker.send(hello(7));
      await told.waitFor("hello");
    }
    if (state !== "greeting" && state !== "booted") {
      worker.send(ready);
      await told.waitFor("idle");
    }
    if (state === "busy") {
      channel.dispatch(new RecordedRequest("/"));
    } else if (state === "draining") {
      channel.retire();
    } else if (state === "closed") {
      worker.destroy();
      await told.waitFor("closed with nothing");
    }
    assert.equal(channel.state, state);
    const request = new RecordedRequest("/refused");
    assert.throws(() => channel.dispatch(request), { code: "ERR_PROTOCOL", message: new RegExp(state) });
    assert.deepEqual(request.lines, []);
  });
}

for (const { what, frame, line } of [
  { what: "before its response", frame: failed(1, END | READY), line: "failure raised" },
  { what: "that leaves afterwards", frame: failed(1, END | LAST), line: "failure raised" },
]) {
  test(`WorkerChannel tells a request that the application raised ${what}`, async (t) => {
    const { worker, request } = await openBusyChannel(t);
    worker.send(frame);
    await request.events.waitFor(line);
    assert.deepEqual(request.lines, ["started by 4007", line]);
  });
}

test("WorkerChannel tells a request that the application raised within its response", async (t) => {
  const { worker, told, request } = await openBusyChannel(t);
  worker.send(response(1, "a", 0), failed(1, END | READY));
  await told.waitFor("idle", 2);
  assert.deepEqual(request.lines, ["started by 4007", "response 200 a", "failure raised"]);
});

test("WorkerChannel tells a request whose worker died, once, and names it to the pool", async (t) => {
  const { channel, worker, told, request } = await openBusyChannel(t);
  worker.destroy();
  await told.waitFor("closed with /busy");
  assert.deepEqual(request.lines, ["started by 4007", "failure worker-died"]);
  assert.equal(channel.state, "closed");
});

test("WorkerChannel tells nobody when a worker dies after the end of its response, and names the request", async (t) => {
  const { worker, told, request } = await openBusyChannel(t);
  worker.send(response(1, "hi", END));
  await request.events.waitFor("response 200 hi (end)");
  worker.destroy();
  await told.waitFor("closed with /busy");
  assert.deepEqual(request.lines, ["started by 4007", "response 200 hi (end)"]);
});

test("WorkerChannel names no request when an idle worker dies", async (t) => {
  const { worker, told, request } = await openBusyChannel(t);
  worker.send(response(1, "hi", END | READY));
  await told.waitFor("idle", 2);
  worker.destroy();
  await told.waitFor("closed with nothing");
  assert.deepEqual(request.lines, ["started by 4007", "response 200 hi (end)"]);
});

test("WorkerChannel.destroy() ends the channel at once and may be called twice", async (t) => {
  const { channel, worker, told, request } = await openBusyChannel(t);
  channel.destroy();
  channel.destroy();
  await told.waitFor("closed with /busy");
  await worker.waitForEnd();
  assert.deepEqual(request.lines, ["started by 4007", "failure worker-died"]);
});

test("WorkerChannel tells the pool that a worker wants to leave, and goes on giving it requests", async (t) => {
  const { channel, worker, told } = await openIdleChannel(t);
  worker.send(leaving);
  await told.waitFor("leaving");
  const request = new RecordedRequest("/");
  channel.dispatch(request);
  await worker.receive();
  worker.send(response(1, "hi", END | READY));
  await told.waitFor("idle", 2);
});

test("WorkerChannel.retire() tells an idle worker to leave", async (t) => {
  const { channel, worker, told } = await openIdleChannel(t);
  channel.retire();
  channel.retire();
  assert.equal(channel.state, "draining");
  assert.equal((await worker.receive()).type, FrameType.drain);
  worker.end();
  await told.waitFor("closed with nothing");
  await worker.waitForEnd();
});

test("WorkerChannel.retire() lets a busy worker finish first", async (t) => {
  const { channel, worker, told, request } = await openBusyChannel(t);
  channel.retire();
  assert.equal(channel.state, "busy");
  worker.send(response(1, "hi", END));
  await request.events.waitFor("response 200 hi (end)");
  assert.equal(channel.state, "finishing");
  worker.send(ready);
  assert.equal((await worker.receive()).type, FrameType.drain);
  assert.deepEqual(
    told.lines.filter((line) => line === "idle"),
    ["idle"],
  );
});

test("WorkerChannel.retire() tells a worker that has dialled to leave as soon as it is ready", async (t) => {
  const { channel, worker } = await openChannel(t);
  channel.retire();
  worker.send(hello(7), ready);
  assert.equal((await worker.receive()).type, FrameType.drain);
});

test("WorkerChannel.retire() between HELLO and the READY that is on its way is no fault of the worker", async (t) => {
  const { channel, worker, told } = await openChannel(t);
  worker.send(hello(7));
  await told.waitFor("hello");
  channel.retire();
  worker.send(ready);
  assert.equal((await worker.receive()).type, FrameType.drain);
  worker.end();
  await told.waitFor("closed with nothing");
  assert.deepEqual(told.lines, ["hello", "closed with nothing"]);
});

for (const { what, frames } of [
  { what: "READY with LAST", frames: [response(1, "hi", END), { type: FrameType.ready, flags: LAST }] },
  { what: "a response with LAST", frames: [response(1, "hi", END | READY | LAST)] },
  {
    what: "the end of a body with LAST",
    frames: [response(1, "h", 0), bodyPiece(1, "i", END | READY | LAST)],
  },
  { what: "a failure with LAST", frames: [failed(1, END | LAST), ready] },
]) {
  test(`WorkerChannel gives a worker no further request after ${what}, and tells it to leave`, async (t) => {
    const { worker, told } = await openBusyChannel(t);
    worker.send(...frames);
    assert.equal((await worker.receive()).type, FrameType.drain);
    assert.deepEqual(told.lines, ["hello", "idle"]);
  });
}

test("WorkerChannel.cancel() tells the worker once, and the request hears nothing more", async (t) => {
  const { channel, worker, told, request } = await openBusyChannel(t);
  channel.cancel();
  channel.cancel();
  const frame = await worker.receive();
  assert.deepEqual([frame.type, frame.stream], [FrameType.cancel, 1]);
  worker.send(response(1, "too", 0), bodyPiece(1, "late", END | READY));
  await told.waitFor("idle", 2);
  assert.deepEqual(request.lines, ["started by 4007"]);
  channel.dispatch(new RecordedRequest("/next"));
  assert.equal((await worker.receive()).type, FrameType.request);
});

test("WorkerChannel.cancel() says nothing to a worker that has no request", async (t) => {
  const { channel, worker } = await openIdleChannel(t);
  channel.cancel();
  channel.retire();
  assert.equal((await worker.receive()).type, FrameType.drain);
});

test("WorkerChannel gives a worker that dies after its request was cancelled no failure to tell", async (t) => {
  const { channel, worker, told, request } = await openBusyChannel(t);
  channel.cancel();
  worker.destroy();
  await told.waitFor("closed with /busy");
  assert.deepEqual(request.lines, ["started by 4007"]);
});

test("WorkerChannel has a deadline for the greeting, and closes when it passes", async (t) => {
  const before = performance.now();
  const { channel, worker, told } = await openChannel(t);
  assert.ok(channel.deadlineAt > before && channel.deadlineAt < performance.now() + 60_000);
  channel.onDeadline();
  await worker.waitForEnd();
  await told.waitFor("closed with nothing");
  assert.deepEqual(told.lines, ["closed with nothing"]);
});

test("WorkerChannel has no deadline while the worker boots and while it is idle", async (t) => {
  const { channel, worker, told } = await openChannel(t, { timeoutMs: 1000 });
  worker.send(hello(7));
  await told.waitFor("hello");
  assert.equal(channel.deadlineAt, Infinity);
  worker.send(ready);
  await told.waitFor("idle");
  assert.equal(channel.deadlineAt, Infinity);
});

test("WorkerChannel has a deadline from dispatch until the worker is idle again", async (t) => {
  const { channel, worker, told, request } = await openBusyChannel(t, { timeoutMs: 30_000 });
  assert.ok(channel.deadlineAt <= performance.now() + 30_000);
  worker.send(response(1, "hi", END));
  await request.events.waitFor("response 200 hi (end)");
  assert.ok(channel.deadlineAt <= performance.now() + 30_000, "the worker may hang in close()");
  worker.send(ready);
  await told.waitFor("idle", 2);
  assert.equal(channel.deadlineAt, Infinity);
});

test("WorkerChannel has no deadline for a request when the timeout is 0", async (t) => {
  const { channel } = await openBusyChannel(t, { timeoutMs: 0 });
  assert.equal(channel.deadlineAt, Infinity);
  channel.pause();
  channel.resume();
  assert.equal(channel.deadlineAt, Infinity);
});

test("WorkerChannel tells request and pool when the deadline passes, and drops what still comes", async (t) => {
  const { channel, worker, told, request } = await openBusyChannel(t, { timeoutMs: 1000 });
  channel.onDeadline();
  assert.deepEqual(request.lines, ["started by 4007", "failure worker-timeout"]);
  assert.equal(channel.deadlineAt, Infinity);
  worker.send(response(1, "late", END | READY));
  assert.equal((await worker.receive()).type, FrameType.drain);
  assert.deepEqual(request.lines, ["started by 4007", "failure worker-timeout"]);
  assert.deepEqual(told.lines, ["hello", "idle", "timeout of GET /busy"]);
});

test("WorkerChannel tells the pool alone when a worker whose request was cancelled does not come back", async (t) => {
  const { channel, told, request } = await openBusyChannel(t, { timeoutMs: 1000 });
  channel.cancel();
  channel.onDeadline();
  assert.deepEqual(request.lines, ["started by 4007"]);
  await told.waitFor("timeout of GET /busy");
});

test("WorkerChannel.pause() holds the response back until resume()", async (t) => {
  const { channel, worker, request } = await openBusyChannel(t);
  worker.send(response(1, "a", 0));
  await request.events.waitFor("response 200 a");
  channel.pause();
  channel.pause();
  // More than socket buffers hold: nothing that the pause lets through by chance ends the body.
  for (let piece = 0; piece < 64; piece += 1) {
    worker.send(bodyPiece(1, "x".repeat(256 * 1024)));
  }
  worker.send(bodyPiece(1, "", END));
  assert.deepEqual(request.lines, ["started by 4007", "response 200 a"]);
  channel.resume();
  channel.resume();
  await request.events.waitFor("body  (end)");
});

test("WorkerChannel has no deadline while it is paused: the worker waits for the client", async (t) => {
  const { channel } = await openBusyChannel(t, { timeoutMs: 10_000 });
  const before = channel.deadlineAt;
  channel.pause();
  assert.equal(channel.deadlineAt, Infinity);
  const pausedAt = performance.now();
  while (performance.now() - pausedAt < 5) {
    // The clock that the channel reads must move on.
  }
  channel.resume();
  assert.ok(channel.deadlineAt >= before + 5, "the time of the pause does not count");
  assert.ok(channel.deadlineAt < before + 5000);
});

test("WorkerChannel.cancel() reads on when it was paused, so that the worker can finish", async (t) => {
  const { channel, worker, told } = await openBusyChannel(t, { timeoutMs: 10_000 });
  channel.pause();
  channel.cancel();
  assert.ok(channel.deadlineAt < Infinity);
  assert.equal((await worker.receive()).type, FrameType.cancel);
  worker.send(response(1, "late", END | READY));
  await told.waitFor("idle", 2);
});

for (const { what, last } of [
  { what: "says READY with the end", last: [bodyPiece(1, "b", END | READY)] },
  { what: "says READY after the end", last: [bodyPiece(1, "b", END)] },
]) {
  test(`WorkerChannel reads on when it was paused by the last bytes of a response and the worker ${what}`, async (t) => {
    const { channel, worker, told } = await openIdleChannel(t, { timeoutMs: 10_000 });
    // The client of the first request is slow: it has the worker held back at the first piece.
    const first = new RecordedRequest("/slow", { onPiece: (held) => held.pause() });
    channel.dispatch(first);
    await worker.receive();
    worker.send(response(1, "a", 0), ...last);
    await first.events.waitFor("body b (end)");
    if ((last[0]?.flags ?? 0) === END) {
      worker.send(ready);
    }
    await told.waitFor("idle", 2);
    const second = new RecordedRequest("/next");
    channel.dispatch(second);
    await worker.receive();
    worker.send(response(2, "hi", END | READY));
    await second.events.waitFor("response 200 hi (end)");
  });
}

test("WorkerChannel passes interim responses on before the final one", async (t) => {
  const { worker, told, request } = await openBusyChannel(t);
  worker.send(interim(1, 103, "Link: </a.css>\r\n"), interim(1, 103, "Link: </b.css>\r\n"));
  worker.send(response(1, "hi", END | READY));
  await told.waitFor("idle", 2);
  assert.deepEqual(request.lines, [
    "started by 4007",
    "interim 103 Link: </a.css>",
    "interim 103 Link: </b.css>",
    "response 200 hi (end)",
  ]);
});

test("WorkerChannel passes on what the application has changed in its environ", async (t) => {
  const { worker, told, request } = await openBusyChannel(t);
  worker.send(environ(1, "REMOTE_USER\0ann"), response(1, "hi", END | READY));
  await told.waitFor("idle", 2);
  assert.deepEqual(request.lines, ["started by 4007", "environ REMOTE_USER ann", "response 200 hi (end)"]);
});

test("WorkerChannel tells a worker whose file was taken that its part is done, and waits for READY", async (t) => {
  const { channel, worker, told } = await openIdleChannel(t);
  const request = new RecordedRequest("/file", { takesFile: () => Promise.resolve(true) });
  channel.dispatch(request);
  await worker.receive();
  worker.send(response(1, "", 0), file(1, 5, 1000, "/tmp/x"));
  const answer = await worker.receive();
  assert.deepEqual([answer.type, answer.aux, answer.stream], [FrameType.fileAnswer, 1, 1]);
  assert.equal(channel.state, "finishing");
  assert.equal(request.lines.at(-1), "file /tmp/x from 5, 1000 bytes");
  worker.send(ready);
  await told.waitFor("idle", 2);
});

test("WorkerChannel lets a worker send a file that was not taken", async (t) => {
  const { channel, worker, told } = await openIdleChannel(t);
  const request = new RecordedRequest("/file", { takesFile: () => Promise.resolve(false) });
  channel.dispatch(request);
  await worker.receive();
  worker.send(response(1, "", 0), file(1, 0, 2, "/tmp/x"));
  const answer = await worker.receive();
  assert.deepEqual([answer.type, answer.aux, answer.stream], [FrameType.fileAnswer, 0, 1]);
  assert.equal(channel.state, "busy");
  worker.send(bodyPiece(1, "hi", END | READY));
  await told.waitFor("idle", 2);
  assert.equal(request.lines.at(-1), "body hi (end)");
});

test("WorkerChannel takes the file of a request that was cancelled, so that the worker need not send it", async (t) => {
  const { channel, worker, told, request } = await openBusyChannel(t);
  worker.send(response(1, "", 0));
  await request.events.waitFor("response 200 ");
  channel.cancel();
  assert.equal((await worker.receive()).type, FrameType.cancel);
  worker.send(file(1, 0, 2, "/tmp/x"));
  assert.equal((await worker.receive()).aux, 1);
  worker.send(ready);
  await told.waitFor("idle", 2);
});

test("WorkerChannel answers nothing about a file when the worker has died meanwhile", async (t) => {
  const { channel, worker, told } = await openIdleChannel(t);
  let open: (isTaken: boolean) => void = () => {};
  const opening = new Promise<boolean>((resolve) => {
    open = resolve;
  });
  const request = new RecordedRequest("/file", { takesFile: () => opening });
  channel.dispatch(request);
  await worker.receive();
  worker.send(response(1, "", 0), file(1, 0, 2, "/tmp/x"));
  await request.events.waitFor("file /tmp/x from 0, 2 bytes");
  worker.destroy();
  await told.waitFor("closed with /file");
  open(true);
  await opening;
  assert.equal(channel.state, "closed");
});

const EVERY_OCTET_SET = Buffer.alloc(64, 0xff);

interface Breach {
  readonly what: string;
  readonly state: "greeting" | "booted" | "idle" | "busy";
  readonly frames: readonly (Frame | Buffer)[];
}

const breaches: readonly Breach[] = [
  { what: "what is no frame", state: "greeting", frames: [EVERY_OCTET_SET] },
  { what: "READY before HELLO", state: "greeting", frames: [ready] },
  { what: "a response before HELLO", state: "greeting", frames: [response(1, "", END)] },
  { what: "HELLO twice", state: "booted", frames: [hello(7)] },
  { what: "a response before READY", state: "booted", frames: [response(1, "", END)] },
  { what: "READY twice", state: "idle", frames: [ready] },
  { what: "HELLO when it is idle", state: "idle", frames: [hello(7)] },
  { what: "a response to nothing", state: "idle", frames: [response(0, "", END)] },
  { what: "a body piece to nothing", state: "idle", frames: [bodyPiece(0, "x")] },
  { what: "a frame that only a router sends", state: "idle", frames: [{ type: FrameType.drain }] },
  { what: "a frame of an unknown type", state: "idle", frames: [{ type: 99 }] },
  { what: "READY before the end of its response", state: "busy", frames: [ready] },
  { what: "a response to an older stream", state: "busy", frames: [response(0, "", END)] },
  { what: "a response to a stream to come", state: "busy", frames: [response(2, "", END)] },
  { what: "a body piece of another stream", state: "busy", frames: [response(1, "", 0), bodyPiece(2, "x")] },
  { what: "a failure of another stream", state: "busy", frames: [failed(2)] },
  { what: "more body after the end", state: "busy", frames: [response(1, "", END), bodyPiece(1, "x")] },
  {
    what: "a second response after the end",
    state: "busy",
    frames: [response(1, "", END), response(1, "", END)],
  },
  {
    what: "a response shorter than its parts",
    state: "busy",
    frames: [{ type: FrameType.response, flags: END, aux: 200, stream: 1, payload: "short" }],
  },
];

for (const { what, state, frames } of breaches) {
  test(`WorkerChannel disconnects a worker that is ${state} and sends ${what}`, async (t) => {
    const { channel, worker, told } = await openChannel(t);
    const request = new RecordedRequest("/busy");
    if (state !== "greeting") {
      worker.send(hello(7));
      await told.waitFor("hello");
    }
    if (state === "idle" || state === "busy") {
      worker.send(ready);
      await told.waitFor("idle");
    }
    if (state === "busy") {
      channel.dispatch(request);
      await worker.receive();
    }
    worker.send(...frames);
    await told.waitFor(`closed with ${state === "busy" ? "/busy" : "nothing"}`);
    await worker.waitForEnd();
    assert.equal(told.lines.filter((line) => line === "protocol error ERR_PROTOCOL").length, 1);
    assert.equal(channel.state, "closed");
  });
}

test("WorkerChannel tells a request whose worker broke the protocol that the worker is gone", async (t) => {
  const { worker, told, request } = await openBusyChannel(t);
  worker.send(response(1, "a", 0), ready);
  await told.waitFor("closed with /busy");
  assert.deepEqual(request.lines, ["started by 4007", "response 200 a", "failure worker-died"]);
});

test("WorkerChannel reads frames that come octet by octet", async (t) => {
  const { worker, told } = await openChannel(t);
  for (const octet of Buffer.concat([encodeFrame(hello(7)), encodeFrame(ready)])) {
    worker.send(Buffer.from([octet]));
  }
  await told.waitFor("idle");
});
