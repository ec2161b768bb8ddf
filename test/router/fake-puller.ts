import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { FrameType } from "../../src/channel/frame.ts";
import { ANSWER_DEADLINE_MS, withDeadline } from "../helpers/deadlines.ts";
import { onTeardown } from "../helpers/teardown.ts";
import { END, encodeFrame, type FakeWorker, response } from "./fake-worker.ts";

/** The worker's end of the shared queue, written after src/queue/queue.md and not after the router's code. */

const TOKEN_BYTES = 8;
const CLAIMS_OFFSET = 64;
const SLOTS_OFFSET = 20_480;
const SLOT_BYTES = 4096;
const SLOT_COUNT = 512;

/** The FIFOs of so many generations in a folder, made by one command. */
export function makeFifos(folder: string, generations: number): string[] {
  const paths = Array.from({ length: generations }, (_, index) => join(folder, `tokens-${index + 1}`));
  execFileSync("mkfifo", paths);
  return paths;
}

export interface Token {
  readonly stream: number;
  readonly router: number;
  readonly epoch: number;
}

export interface Stored {
  readonly stream: number;
  readonly flags: number;
  readonly payload: Buffer;
}

/** A ring's file, as a worker sees it. */
export class RingEnd {
  readonly #fd: number;

  constructor(t: TestContext, path: string) {
    this.#fd = openSync(path, "r+");
    onTeardown(t, () => closeSync(this.#fd));
  }

  get epoch(): number {
    return this.#read(6, 2).readUInt16LE();
  }

  slot(stream: number): Stored {
    const offset = SLOTS_OFFSET + (stream % SLOT_COUNT) * SLOT_BYTES;
    const header = this.#read(offset, 16);
    const payload = this.#read(offset + 16, header.readUInt32LE(8));
    return { stream: header.readUInt32LE(0), flags: header.readUInt32LE(4), payload };
  }

  /** What a claim names; 0: nothing. */
  claimed(claim: number): number {
    return this.#read(CLAIMS_OFFSET + claim * 4, 4).readUInt32LE();
  }

  store(claim: number, stream: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(stream);
    writeSync(this.#fd, bytes, 0, 4, CLAIMS_OFFSET + claim * 4);
  }

  #read(offset: number, size: number): Buffer {
    const bytes = Buffer.alloc(size);
    readSync(this.#fd, bytes, 0, size, offset);
    return bytes;
  }
}

/** The reading end of a FIFO of tokens. */
export class TokensEnd {
  readonly #fd: number;

  constructor(t: TestContext, path: string) {
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    onTeardown(t, () => closeSync(this.#fd));
  }

  /** The next token if there is one; null: none at the moment. "end": no router has the other end open. */
  take(): Token | null | "end" {
    const bytes = Buffer.alloc(TOKEN_BYTES);
    try {
      if (readSync(this.#fd, bytes) === 0) return "end";
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EAGAIN") return null;
      throw error;
    }
    return { stream: bytes.readUInt32LE(0), router: bytes.readUInt16LE(4), epoch: bytes.readUInt16LE(6) };
  }

  /** All tokens that are there. */
  takeAll(): Token[] {
    const tokens: Token[] = [];
    for (let token = this.take(); token !== null && token !== "end"; token = this.take()) tokens.push(token);
    return tokens;
  }

  /** The next token, which may come later. */
  async next(): Promise<Token> {
    const wait = async (): Promise<Token> => {
      for (;;) {
        const token = this.take();
        if (token === "end") throw new Error("The router has closed the FIFO");
        if (token !== null) return token;
        await nextTurn();
      }
    };
    return await withDeadline(wait(), { deadlineMs: ANSWER_DEADLINE_MS, what: "a token" });
  }
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A worker that pulls, step by step, as the test tells it to. */
export class FakePuller {
  readonly worker: FakeWorker;
  readonly ring: RingEnd;
  readonly tokens: TokensEnd;
  #claim = -1;
  #epoch = -1;

  constructor(worker: FakeWorker, ring: RingEnd, tokens: TokensEnd) {
    this.worker = worker;
    this.ring = ring;
    this.tokens = tokens;
  }

  get claim(): number {
    return this.#claim;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Waits for PULL. */
  async waitForPull(): Promise<void> {
    const { type, payload } = await this.worker.receive();
    if (type !== FrameType.pull) throw new Error(`The router sent a frame of type ${type}, not PULL`);
    this.#epoch = payload.readUInt16LE(0);
    this.#claim = payload.readUInt16LE(2);
  }

  /** Step 2 of queue.md: null when the token is stale. */
  find({ stream }: Token): Stored | null {
    const stored = this.ring.slot(stream);
    return stored.stream === stream ? stored : null;
  }

  /** Step 3: null when the request was withdrawn meanwhile. */
  claimStream(stream: number): Stored | null {
    this.ring.store(this.#claim, stream);
    const stored = this.ring.slot(stream);
    if (stored.stream === stream) return stored;
    this.finish();
    return null;
  }

  /** Waits for the next request that is not stale, and claims it. */
  async take(): Promise<Stored & { readonly target: string }> {
    for (;;) {
      const token = await this.tokens.next();
      const stored = this.find(token) === null ? null : this.claimStream(token.stream);
      if (stored !== null) return { ...stored, target: targetOf(stored.payload) };
    }
  }

  /** Step 4, first half: END. */
  answer(stream: number, body = "hi"): void {
    this.worker.send(response(stream, body, END));
  }

  /** Step 4, second half. */
  finish(): void {
    this.ring.store(this.#claim, 0);
  }

  /** Takes the next request and has done with it. */
  async serve(body = "hi"): Promise<string> {
    const { stream, target } = await this.take();
    this.answer(stream, body);
    this.finish();
    return target;
  }

  fetch(stream: number): void {
    this.worker.send(encodeFrame({ type: FrameType.fetch, stream }));
  }
}

/** RAW_URI in the payload of a REQUEST. */
export function targetOf(payload: Buffer): string {
  const headBytes = payload.length === 0 ? 0 : payload.readUInt32LE(0);
  return /RAW_URI\0([^\0]*)/.exec(payload.toString("latin1", 4, 4 + headBytes))?.[1] ?? "";
}
