import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";

import { parseEcho } from "../helpers/bodies.ts";
import { request } from "../helpers/client.ts";
import { CLEANUP_DEADLINE_MS, untilTrue } from "../helpers/deadlines.ts";
import { RouterProcess } from "../helpers/router-process.ts";
import { startFixture } from "../helpers/server.ts";
import { onTeardown } from "../helpers/teardown.ts";

const UPLOADS = 300;
const UNFINISHED_HEADS = 200;
const READERS = 100;

const UPLOAD_BYTES = 1000;
const ANSWER_BYTES = 5 * 1024 * 1024;
const READER_BYTES_PER_SECOND = 20_000;

const MIB = 1024 * 1024;
const ROUTER_MEMORY_LIMIT_BYTES = 400 * MIB;

/** For all slow clients to be under way: the one worker makes all the answers first. */
const CROWD_DEADLINE_MS = 60_000;
/** Far above what a request takes, far below what it would take behind a slow client. */
const NORMAL_DEADLINE_MS = 5_000;
const NORMAL_REQUESTS_PER_SECOND = 12;
const SECONDS = 6;

/** A client that holds its connection for as long as it is let. */
class SlowClient {
  received = 0;
  /** The server has ended the connection. */
  isEnded = false;
  readonly #socket: Socket;
  readonly #dripped: string;
  /** When a reader has earned what it took; 0 for those that do not read slowly. */
  #pausedUntil = 0;

  private constructor(port: number, first: string, dripped: string) {
    this.#socket = connect(port, "127.0.0.1", () => this.#socket.write(first));
    this.#dripped = dripped;
    for (const event of ["end", "error", "close"]) {
      this.#socket.on(event, () => (this.isEnded = true));
    }
    this.#socket.on("data", (bytes: Buffer) => {
      this.received += bytes.length;
      this.#pausedUntil = performance.now() + (bytes.length / READER_BYTES_PER_SECOND) * 1000;
      this.#socket.pause();
    });
  }

  static upload(port: number): SlowClient {
    const head = `POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: ${UPLOAD_BYTES}\r\n\r\n`;
    return new SlowClient(port, head, "x");
  }

  static unfinishedHead(port: number): SlowClient {
    return new SlowClient(port, "GET /echo HTTP/1.1\r\nHost: a\r\nX: ", "x");
  }

  static reader(port: number): SlowClient {
    return new SlowClient(port, `GET /big?n=${ANSWER_BYTES} HTTP/1.1\r\nHost: a\r\n\r\n`, "");
  }

  /** One octet of what it sends, and what it may read by now. */
  step(): void {
    if (this.#dripped !== "") this.#socket.write(this.#dripped);
    if (performance.now() >= this.#pausedUntil) this.#socket.resume();
  }

  leave(): void {
    this.#socket.destroy();
  }
}

test("slow clients hold no worker, and leave nothing behind", async (t) => {
  const server = await startFixture(t, "everything", { args: ["-w", "1"] });
  const router = new RouterProcess(server);
  const before = await router.countWithoutClients();

  const crowd = [
    ...Array.from({ length: UPLOADS }, () => SlowClient.upload(server.port)),
    ...Array.from({ length: UNFINISHED_HEADS }, () => SlowClient.unfinishedHead(server.port)),
  ];
  const readers = Array.from({ length: READERS }, () => SlowClient.reader(server.port));
  const all = [...crowd, ...readers];
  onTeardown(t, () => all.forEach((client) => client.leave()));

  await t.test("all of them are under way", async () => {
    await untilTrue(() => router.descriptors >= before + all.length && readers.every(hasReceived), {
      deadlineMs: CROWD_DEADLINE_MS,
      what: () => `${all.length} connections of the router, there are ${router.descriptors - before}`,
    });
  });

  await t.test("a normal client is served meanwhile", async (t) => {
    for (let second = 0; second < SECONDS; second += 1) {
      const next = nextSecond(t);
      for (const client of all) client.step();
      for (let number = 0; number < NORMAL_REQUESTS_PER_SECOND; number += 1) {
        await assertServed(server.port, `${second}-${number}`);
      }
      await next;
    }
    assert.equal(all.filter(({ isEnded }) => isEnded).length, 0, "Some of the slow clients had gone");
    assert(readers.every(({ received }) => received < ANSWER_BYTES));
  });

  await t.test(`the router stays under ${ROUTER_MEMORY_LIMIT_BYTES / MIB} MiB`, (t) => {
    const { now, peak } = router.memoryBytes;
    t.diagnostic(`now ${Math.round(now / MIB)} MiB, at most ${Math.round(peak / MIB)} MiB`);
    assert(peak < ROUTER_MEMORY_LIMIT_BYTES, `It took ${peak} bytes`);
  });

  await t.test("nothing is left open when they have gone", async () => {
    for (const client of all) client.leave();
    await untilTrue(() => router.descriptors === before, {
      deadlineMs: CLEANUP_DEADLINE_MS,
      what: () => `${before} descriptors of the router, there are ${router.descriptors}`,
    });
    await assertServed(server.port, "last");
    assert.equal(server.bootedPids.length, 1);
  });
});

function hasReceived({ received }: SlowClient): boolean {
  return received > 0;
}

async function assertServed(port: number, name: string): Promise<void> {
  const answer = await request(port, `/echo?${name}`, { deadlineMs: NORMAL_DEADLINE_MS });
  assert.equal(parseEcho(answer).query, name);
}

/** The pace of those who send one octet a second: the one thing here that is told by a clock. */
function nextSecond(t: TestContext): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 1000);
    onTeardown(t, () => clearTimeout(timer));
  });
}
