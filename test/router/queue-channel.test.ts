import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import type { Hello } from "../../src/channel/messages.ts";
import { FrameType } from "../../src/channel/frame.ts";
import { TunicornError } from "../../src/errors.ts";
import { QueueChannel, type QueueChannelListener } from "../../src/router/queue-channel.ts";
import { QueuedRequest } from "../../src/router/queued-request.ts";
import {
  bodyPiece,
  encodeFrame,
  END,
  failed,
  type FakeWorker,
  file,
  hello,
  interim,
  LAST,
  leaving,
  openChannelServer,
  ready,
  response,
  type Frame,
} from "./fake-worker.ts";
import { RecordedRequest, type RecordedRequestOptions, Recording } from "./recording.ts";

const HELLO: Hello = { version: 1, pid: 4007, worker: 7, generation: 2, isPulling: true, thread: 0 };

interface Opened {
  readonly channel: QueueChannel;
  readonly worker: FakeWorker;
  /** What the channel told its queue. */
  readonly told: Recording;
  /** The worker may claim this one. */
  readonly add: (stream: number, options?: RecordedRequestOptions) => RecordedRequest;
  readonly queued: (stream: number) => QueuedRequest;
}

/** A channel that has heard HELLO. */
async function openChannel(t: TestContext): Promise<Opened> {
  const told = new Recording();
  const entries = new Map<number, QueuedRequest>();
  const queued = (stream: number): QueuedRequest => {
    const entry = entries.get(stream);
    if (entry === undefined) throw new TunicornError("ERR_PROTOCOL", `There is no stream ${stream}`);
    return entry;
  };
  const listener: QueueChannelListener = {
    onReady: () => told.add("ready"),
    onLeaving: () => told.add("leaving"),
    claim: (by, stream) => {
      const entry = queued(stream);
      entries.delete(stream);
      told.add(`claimed ${stream}`);
      entry.request.onStart(by);
      return entry;
    },
    onEnd: (_, { stream }) => told.add(`end of ${stream}`),
    onClosed: () => told.add("closed"),
    onProtocolError: (_, { code }) => told.add(`protocol error ${code}`),
  };
  let channel: QueueChannel | null = null;
  const server = await openChannelServer(t, (socket) => {
    channel = new QueueChannel({ socket, hello: HELLO, listener });
  });
  const worker = await server.dial();
  assert.ok(channel !== null);
  worker.send(hello(7, 2, { isPulling: true }));
  const add = (stream: number, options: RecordedRequestOptions = {}): RecordedRequest => {
    const request = new RecordedRequest(`/${stream}`, options);
    entries.set(stream, new QueuedRequest(request, stream, 2));
    return request;
  };
  return { channel, worker, told, add, queued };
}

/** A channel whose worker pulls. */
async function openPulling(t: TestContext): Promise<Opened> {
  const opened = await openChannel(t);
  opened.worker.send(ready);
  await opened.told.waitFor("ready");
  opened.channel.pull(300, 17);
  await opened.worker.receive();
  return opened;
}

/** A channel whose worker has begun to answer stream 513. */
async function openBusy(
  t: TestContext,
  options: RecordedRequestOptions = {},
): Promise<Opened & { readonly request: RecordedRequest }> {
  const opened = await openPulling(t);
  const request = opened.add(513, options);
  opened.worker.send(response(513, "a", 0));
  await request.events.waitFor("response 200 a");
  return { ...opened, request };
}

test("QueueChannel knows who dialled, and says when the worker is ready", async (t) => {
  const { channel, worker, told } = await openChannel(t);
  assert.deepEqual([channel.hello, channel.pid], [HELLO, 4007]);
  assert.deepEqual([channel.state, channel.mayPull], ["booted", false]);
  worker.send(ready);
  await told.waitFor("ready");
  assert.deepEqual([channel.state, channel.mayPull], ["booted", true]);
});

test("QueueChannel.pull() tells the worker the epoch and its claim", async (t) => {
  const { channel, worker, told } = await openChannel(t);
  worker.send(ready);
  await told.waitFor("ready");
  assert.deepEqual([channel.claim, channel.mayHoldToken], [null, false]);
  channel.pull(300, 4095);
  const { type, payload } = await worker.receive();
  assert.deepEqual([type, payload.toString("hex")], [FrameType.pull, "2c01ff0f"]);
  assert.deepEqual([channel.state, channel.mayPull], ["pulling", false]);
  assert.deepEqual([channel.claim, channel.mayHoldToken], [4095, true]);
});

test("QueueChannel.drain() tells the worker to leave, once", async (t) => {
  const { channel, worker, told } = await openPulling(t);
  channel.drain();
  channel.drain();
  assert.equal((await worker.receive()).type, FrameType.drain);
  assert.equal(channel.state, "draining");
  assert.equal(channel.mayHoldToken, true, "it may be about to begin a request");
  worker.send({ type: FrameType.ready, flags: LAST });
  worker.end();
  await told.waitFor("closed");
  assert.equal(channel.mayHoldToken, false);
  await worker.waitForEnd();
});

test("QueueChannel.drain() of a worker that boots lets it not pull", async (t) => {
  const { channel, worker, told } = await openChannel(t);
  channel.drain();
  worker.send(ready);
  await told.waitFor("ready");
  assert.equal(channel.mayPull, false);
  assert.equal((await worker.receive()).type, FrameType.drain);
});

test("QueueChannel.drain() of a closed channel does nothing", async (t) => {
  const { channel, worker, told } = await openChannel(t);
  worker.destroy();
  await told.waitFor("closed");
  channel.drain();
  assert.equal(channel.state, "closed");
});

test("QueueChannel says that the worker wants to leave, and passes on what it answers meanwhile", async (t) => {
  const { worker, told, add } = await openPulling(t);
  const request = add(513);
  worker.send(leaving, response(513, "hi", END));
  await told.waitFor("end of 513");
  assert.ok(told.lines.includes("leaving"));
  assert.deepEqual(request.lines, ["started by 4007", "response 200 hi (end)"]);
});

test("QueueChannel takes the first frame about a stream for its claim, and passes whole responses on, one after another", async (t) => {
  const { worker, told, add } = await openPulling(t);
  const requests = [513, 2 ** 32 - 1, 600].map((stream) => {
    const request = add(stream);
    worker.send(response(stream, "hi", END));
    return request;
  });
  await told.waitFor("end of 600");
  for (const { lines } of requests) {
    assert.deepEqual(lines, ["started by 4007", "response 200 hi (end)"]);
  }
  assert.deepEqual(told.lines.slice(1), [
    "claimed 513",
    "end of 513",
    "claimed 4294967295",
    "end of 4294967295",
    "claimed 600",
    "end of 600",
  ]);
});

test("QueueChannel passes a response on piece by piece, in order", async (t) => {
  const { worker, told, request } = await openBusy(t);
  worker.send(bodyPiece(513, "b"), bodyPiece(513, "c"), bodyPiece(513, "", END));
  await told.waitFor("end of 513");
  assert.deepEqual(request.lines, ["started by 4007", "response 200 a", "body b", "body c", "body  (end)"]);
});

test("QueueChannel passes interim responses on before the final one", async (t) => {
  const { worker, told, add } = await openPulling(t);
  const request = add(513);
  worker.send(interim(513, 103, "Link: </a.css>\r\n"), response(513, "hi", END));
  await told.waitFor("end of 513");
  assert.deepEqual(request.lines, ["started by 4007", "interim 103 Link: </a.css>", "response 200 hi (end)"]);
});

test("QueueChannel tells a request that the application raised, before its response and within", async (t) => {
  const { worker, told, add } = await openPulling(t);
  const [before, within] = [add(513), add(514)];
  worker.send(failed(513), response(514, "a", 0), failed(514));
  await told.waitFor("end of 514");
  assert.deepEqual(before.lines, ["started by 4007", "failure raised"]);
  assert.deepEqual(within.lines, ["started by 4007", "response 200 a", "failure raised"]);
});

test("QueueChannel remembers what was answered last until the next is claimed, as the worker may not be through with it", async (t) => {
  const { channel, worker, told, add } = await openPulling(t);
  const finishing = (): number | undefined => channel.finishing?.queued.stream;
  assert.equal(finishing(), undefined);
  add(513);
  worker.send(response(513, "hi", END));
  await told.waitFor("end of 513");
  assert.equal(finishing(), 513);
  add(514);
  worker.send(response(514, "a", 0));
  await told.waitFor("claimed 514");
  assert.equal(finishing(), undefined);
});

test("QueueChannel.cancel() tells the worker once, and the request hears nothing more", async (t) => {
  const { channel, worker, told, request, add } = await openBusy(t);
  channel.cancel();
  channel.cancel();
  const frame = await worker.receive();
  assert.deepEqual([frame.type, frame.stream], [FrameType.cancel, 513]);
  const next = add(514);
  worker.send(bodyPiece(513, "late"), bodyPiece(513, "", END), response(514, "hi", END));
  await told.waitFor("end of 514");
  assert.deepEqual(request.lines, ["started by 4007", "response 200 a"]);
  assert.deepEqual(next.lines, ["started by 4007", "response 200 hi (end)"]);
});

test("QueueChannel.cancel(), pause() and resume() mean nothing while the worker has begun no answer", async (t) => {
  const { channel, worker } = await openPulling(t);
  channel.cancel();
  channel.pause();
  channel.resume();
  assert.equal(channel.isPaused, false);
  channel.drain();
  assert.equal((await worker.receive()).type, FrameType.drain);
});

test("QueueChannel.pause() holds the response back until resume()", async (t) => {
  const { channel, worker, told, request } = await openBusy(t);
  channel.pause();
  channel.pause();
  assert.equal(channel.isPaused, true);
  // More than socket buffers hold: nothing that the pause lets through by chance ends the body.
  for (let piece = 0; piece < 64; piece += 1) worker.send(bodyPiece(513, "x".repeat(256 * 1024)));
  worker.send(bodyPiece(513, "", END));
  assert.deepEqual(request.lines, ["started by 4007", "response 200 a"]);
  channel.resume();
  channel.resume();
  await told.waitFor("end of 513");
  assert.equal(channel.isPaused, false);
});

test("QueueChannel's time of a request stands still while it is paused", async (t) => {
  const { channel, told, worker, add } = await openPulling(t);
  add(513);
  worker.send(response(513, "a", 0));
  await told.waitFor("claimed 513");
  channel.pause();
  const pausedAt = performance.now();
  while (performance.now() - pausedAt < 5) {
    // The clock that the channel reads must move on.
  }
  channel.resume();
  worker.send(bodyPiece(513, "", END));
  await told.waitFor("end of 513");
  const queued = channel.finishing?.queued;
  assert.ok(queued !== undefined);
  assert.ok(queued.startedAt >= 5, "the time of the pause was added to the start");
  assert.equal(queued.pausedAt, null);
});

test("QueueChannel.cancel() reads on when it was paused, so that the worker can finish", async (t) => {
  const { channel, worker, told } = await openBusy(t);
  channel.pause();
  channel.cancel();
  assert.equal((await worker.receive()).type, FrameType.cancel);
  worker.send(bodyPiece(513, "late", END));
  await told.waitFor("end of 513");
});

test("QueueChannel reads on when it was paused by the last bytes of a response", async (t) => {
  const { worker, told, add } = await openPulling(t);
  add(513, { onPiece: (held) => held.pause() });
  const next = add(514);
  worker.send(response(513, "a", 0), bodyPiece(513, "b", END));
  await told.waitFor("end of 513");
  worker.send(response(514, "hi", END));
  await next.events.waitFor("response 200 hi (end)");
});

test("QueueChannel tells a worker whose file was taken that its part is done", async (t) => {
  const { worker, told, request } = await openBusy(t, { takesFile: () => Promise.resolve(true) });
  worker.send(file(513, 5, 1000, "/tmp/x"));
  const answer = await worker.receive();
  assert.deepEqual([answer.type, answer.aux, answer.stream], [FrameType.fileAnswer, 1, 513]);
  assert.equal(request.lines.at(-1), "file /tmp/x from 5, 1000 bytes");
  await told.waitFor("end of 513");
});

test("QueueChannel lets a worker send a file that was not taken", async (t) => {
  const { worker, told, request } = await openBusy(t, { takesFile: () => Promise.resolve(false) });
  worker.send(file(513, 0, 2, "/tmp/x"));
  const answer = await worker.receive();
  assert.deepEqual([answer.type, answer.aux, answer.stream], [FrameType.fileAnswer, 0, 513]);
  worker.send(bodyPiece(513, "hi", END));
  await told.waitFor("end of 513");
  assert.equal(request.lines.at(-1), "body hi (end)");
});

test("QueueChannel takes the file of a request that was cancelled, so that the worker need not send it", async (t) => {
  const { channel, worker, told } = await openBusy(t);
  channel.cancel();
  assert.equal((await worker.receive()).type, FrameType.cancel);
  worker.send(file(513, 0, 2, "/tmp/x"));
  assert.equal((await worker.receive()).aux, 1);
  await told.waitFor("end of 513");
});

test("QueueChannel answers nothing about a file when the worker has died meanwhile", async (t) => {
  let open: (isTaken: boolean) => void = () => {};
  const opening = new Promise<boolean>((resolve) => {
    open = resolve;
  });
  const { worker, told, request } = await openBusy(t, { takesFile: () => opening });
  worker.send(file(513, 0, 2, "/tmp/x"));
  await request.events.waitFor("file /tmp/x from 0, 2 bytes");
  worker.destroy();
  await told.waitFor("closed");
  open(true);
  await opening;
  assert.ok(!told.lines.includes("end of 513"));
});

test("QueueChannel sends a request that was fetched, as a REQUEST frame of its stream", async (t) => {
  const { worker, told, add } = await openPulling(t);
  const body = { type: "memory", pieces: [Buffer.from("ab"), Buffer.from("c")], bytes: 3 } as const;
  add(513, { environ: "NAME\0value", body });
  worker.send({ type: FrameType.fetch, stream: 513 });
  const { type, stream, flags, payload } = await worker.receive();
  assert.deepEqual([type, stream, flags], [FrameType.request, 513, END]);
  assert.equal(payload.toString("latin1"), "\x0a\0\0\0NAME\0valueabc");
  worker.send(response(513, "hi", END));
  await told.waitFor("end of 513");
});

test("QueueChannel.destroy() ends the channel at once and may be called twice", async (t) => {
  const { channel, worker, told } = await openBusy(t);
  channel.destroy();
  channel.destroy();
  await told.waitFor("closed");
  await worker.waitForEnd();
  assert.equal(channel.state, "closed");
  assert.equal(told.lines.filter((line) => line === "closed").length, 1);
});

test("QueueChannel reads frames that come octet by octet", async (t) => {
  const { worker, told, add } = await openPulling(t);
  add(513);
  for (const octet of encodeFrame(response(513, "hi", END))) worker.send(Buffer.from([octet]));
  await told.waitFor("end of 513");
});

const EVERY_OCTET_SET = Buffer.alloc(64, 0xff);

interface Breach {
  readonly what: string;
  readonly frames: readonly (Frame | Buffer)[];
}

const breaches: readonly Breach[] = [
  { what: "what is no frame", frames: [EVERY_OCTET_SET] },
  { what: "HELLO twice", frames: [hello(7, 2)] },
  { what: "a frame that only a router sends", frames: [{ type: FrameType.pull, payload: "1234" }] },
  { what: "a frame of an unknown type", frames: [{ type: 99 }] },
  { what: "a response to a stream that is none", frames: [response(99, "", END)] },
  { what: "a body of a stream that is none", frames: [bodyPiece(99, "x")] },
  { what: "the fetch of a stream that is none", frames: [{ type: FrameType.fetch, stream: 99 }] },
  { what: "a file for a stream that is none", frames: [file(99, 0, 1, "/x")] },
  { what: "another stream within a response", frames: [response(513, "", 0), response(514, "", END)] },
  { what: "more body after the end", frames: [response(513, "", END), bodyPiece(513, "x")] },
  { what: "a second response after the end", frames: [response(513, "", END), response(513, "", END)] },
  {
    what: "a response shorter than its parts",
    frames: [{ type: FrameType.response, flags: END, aux: 200, stream: 513, payload: "short" }],
  },
];

for (const { what, frames } of breaches) {
  test(`QueueChannel disconnects a worker that sends ${what}`, async (t) => {
    const { channel, worker, told, add } = await openPulling(t);
    add(513);
    add(514);
    worker.send(...frames);
    await told.waitFor("closed");
    await worker.waitForEnd();
    assert.equal(told.lines.filter((line) => line === "protocol error ERR_PROTOCOL").length, 1);
    assert.equal(channel.state, "closed");
  });
}
