import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { once } from "node:events";
import { test, type TestContext } from "node:test";

import type { AccessRecord } from "../../src/log/access-format.ts";
import type { ErrorRecord } from "../../src/log/error-format.ts";
import { LogRelay } from "../../src/log/log-relay.ts";
import { LOG_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { temporaryFolder } from "../helpers/temporary-folder.ts";

type Message = Readonly<Record<string, unknown>>;

/** Stands in the log process's place. */
class Receiver {
  readonly messages: Message[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server: Server;
  /** Reads what comes; false: it is stuck. */
  isReading = true;
  /** Says that it has handled what came. */
  isHandling = true;

  constructor() {
    this.#server = createServer((socket) => {
      this.sockets.add(socket);
      let rest = "";
      socket.setEncoding("utf8");
      socket.on("error", () => undefined);
      socket.on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        this.messages.push(...lines.map((line) => JSON.parse(line) as Message));
        if (this.isHandling) socket.write(`${lines.length}\n`);
      });
      if (!this.isReading) socket.pause();
    });
  }

  async listen(t: TestContext, path: string): Promise<void> {
    this.#server.listen(path);
    await once(this.#server, "listening");
    onTeardown(t, () => this.close());
  }

  close(): void {
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  async until(count: number): Promise<void> {
    await untilTrue(() => this.messages.length >= count, {
      deadlineMs: LOG_DEADLINE_MS,
      what: () => `${count} messages, got ${this.messages.length}`,
    });
  }
}

function record(message: string): ErrorRecord {
  return { time: 1, pid: 2, level: "info", message };
}

test("LogRelay sends records in their order, and waits at the end until they were taken", async (t) => {
  const path = join(await temporaryFolder(t), "s");
  const receiver = new Receiver();
  await receiver.listen(t, path);
  const relay = new LogRelay(path);
  for (let count = 0; count < 1000; count += 1) relay.sendError(record(`line\n${count}`));
  relay.sendMetrics("a:1|c");
  assert.deepEqual(await relay.close(), []);
  await receiver.until(1001);
  const expected = Array.from({ length: 1000 }, (_, count) => ({
    type: "error",
    ...record(`line\n${count}`),
  }));
  assert.deepEqual(receiver.messages, [...expected, { type: "metrics", text: "a:1|c" }]);
});

test("LogRelay sends an access record with all that it is made of", async (t) => {
  const path = join(await temporaryFolder(t), "s");
  const receiver = new Receiver();
  await receiver.listen(t, path);
  const relay = new LogRelay(path);
  const missing = (): undefined => undefined;
  const source = {
    requestFields: ["host", "a\u00e9"],
    responseLines: "X: 1\r\n",
    environ: "PATH_INFO\0/a b",
  };
  const access: AccessRecord = {
    remoteAddress: "192.0.2.7",
    method: "GET",
    target: "/a%20b",
    path: "/a%20b",
    query: "",
    protocol: "HTTP/1.1",
    status: 200,
    bodyBytes: 3,
    durationMs: 1.5,
    pid: 7,
    requestField: missing,
    responseField: missing,
    environ: missing,
    source: () => source,
  };
  assert.ok(relay.accessSink.needsResponseFields);
  relay.accessSink.write(access);
  await relay.close();
  await receiver.until(1);
  const { time, ...rest } = receiver.messages[0] ?? {};
  assert.ok(Math.abs(Number(time) - Date.now()) < 60_000);
  assert.deepEqual(rest, {
    type: "access",
    durationMs: 1.5,
    pid: 7,
    remoteAddress: "192.0.2.7",
    method: "GET",
    target: "/a%20b",
    path: "/a%20b",
    query: "",
    protocol: "HTTP/1.1",
    status: 200,
    bodyBytes: 3,
    ...source,
  });
});

test("LogRelay keeps records for a log process that comes later, and dials one that comes back", async (t) => {
  const path = join(await temporaryFolder(t), "s");
  const relay = new LogRelay(path);
  onTeardown(t, () => void relay.close());
  relay.sendError(record("first"));
  const first = new Receiver();
  await first.listen(t, path);
  await first.until(1);
  first.close();
  const second = new Receiver();
  await second.listen(t, path);
  await untilTrue(
    () => {
      relay.sendError(record("later"));
      return second.messages.length > 0;
    },
    { deadlineMs: LOG_DEADLINE_MS, what: "a record at the second log process" },
  );
});

test("LogRelay sends again what a log process that died has not handled", async (t) => {
  const path = join(await temporaryFolder(t), "s");
  const relay = new LogRelay(path);
  onTeardown(t, () => void relay.close());
  const first = new Receiver();
  first.isHandling = false;
  await first.listen(t, path);
  relay.sendError(record("first"));
  relay.sendError(record("second"));
  await first.until(2);
  first.close();
  relay.sendError(record("third"));
  const second = new Receiver();
  await second.listen(t, path);
  await second.until(3);
  assert.deepEqual(
    second.messages.map(({ message }) => message),
    ["first", "second", "third"],
  );
  assert.deepEqual(await relay.close(), []);
});

test("LogRelay gives a message up that ends one log process after another", async (t) => {
  const path = join(await temporaryFolder(t), "s");
  let connections = 0;
  const messages: Message[] = [];
  const server = createServer((socket) => {
    connections += 1;
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      const lines = bytes.toString().trimEnd().split("\n");
      if (lines.some((line) => line.includes("poison"))) {
        socket.destroy();
        return;
      }
      messages.push(...lines.map((line) => JSON.parse(line) as Message));
      socket.write(`${lines.length}\n`);
    });
  });
  server.listen(path);
  await once(server, "listening");
  onTeardown(t, () => void server.close());
  const relay = new LogRelay(path);
  onTeardown(t, () => void relay.close());
  relay.sendError(record("poison"));
  await untilTrue(() => connections > 3, {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => `${connections} connections`,
  });
  relay.sendError(record("good"));
  await untilTrue(() => messages.some(({ message }) => message === "good"), {
    deadlineMs: LOG_DEADLINE_MS,
    what: () => JSON.stringify(messages),
  });
  assert.match(String(messages[0]?.["message"]), /^1 log records are lost/);
});

test("LogRelay.close() gives back the error records that nobody took", async (t) => {
  const relay = new LogRelay(join(await temporaryFolder(t), "nowhere"));
  relay.sendError(record("lost"));
  relay.sendMetrics("a:1|c");
  assert.deepEqual(
    (await relay.close()).map(({ message }) => message),
    ["lost"],
  );
  assert.equal(await relay.close(), await relay.close());
});

test("LogRelay keeps so much for a log process that is stuck and no more, and tells it what is lost", async (t) => {
  const path = join(await temporaryFolder(t), "s");
  const receiver = new Receiver();
  receiver.isReading = false;
  await receiver.listen(t, path);
  const relay = new LogRelay(path);
  onTeardown(t, () => void relay.close());
  const text = "x".repeat(1000);
  for (let count = 0; count < 40_000; count += 1) {
    relay.sendError(record(text));
    if (count % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  for (const socket of receiver.sockets) socket.resume();
  const isTold = (): boolean =>
    receiver.messages.some((each) => String(each["message"]).includes("are lost"));
  await untilTrue(isTold, { deadlineMs: LOG_DEADLINE_MS, what: "the record about what is lost" });
  await relay.close();
  const told = receiver.messages.find(({ level }) => level === "warning");
  const lost = Number(/^(\d+) log records are lost/.exec(String(told?.["message"]))?.[1]);
  const taken = receiver.messages.filter(({ level }) => level === "info").length;
  assert.equal(taken + lost, 40_000);
  assert.ok(taken < 20_000, `${taken} were kept`);
});
